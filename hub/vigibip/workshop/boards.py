"""Chips and boards: which pins a chip is given when nobody names its board."""

from __future__ import annotations

import re

from vigibip.workshop.errors import Cause, StepError
from vigibip.workshop.firmware_files import BOARDS

# chip: the generic board of it. Others have the same chip and their own file in firmware/boards.
_GENERIC = {"esp32c3": "esp32_c3", "esp32s3": "esp32_s3"}
# The number that stands in the header of a firmware image (ESP-IDF, esp_chip_id_t).
IMAGE_CHIPS = {5: "esp32c3", 9: "esp32s3"}
_OF_BOARD = {"esp32_c3": "esp32c3", "xiao_c3": "esp32c3", "esp32_s3": "esp32s3"}


def names() -> list[str]:
    """Return the boards that the firmware knows."""
    return sorted(path.stem for path in BOARDS.glob("*.py"))


def chip_in(text: str) -> str | None:
    """Return the chip named in what esptool or MicroPython says of itself, None if none is."""
    found = re.search(r"esp32-?([cshp][0-9]+)?", text.lower())
    return None if found is None else "esp32" + (found[1] or "")


def board_for(chip: str | None, asked: str | None) -> str:
    """Return the board whose pins are used. Raises StepError when chip and board disagree."""
    if asked is None:
        if chip is None or chip not in _GENERIC:
            raise StepError(Cause.CHIP_UNKNOWN, chip or "no ESP32 names itself")
        return _GENERIC[chip]
    if chip is not None and _OF_BOARD.get(asked, chip) != chip:
        raise StepError(Cause.WRONG_CHIP, f"{asked} has an {_OF_BOARD[asked]}, this is an {chip}")
    return asked
