"""The ids of an alert and of a box, alike in every process, on every carrier, in every store."""

from __future__ import annotations

import re
from typing import NamedTuple

BOX_ID_PATTERN = r"^box-[0-9a-z]{8}$"
ALERT_ID_PATTERN = r"^[0-9a-f]{16}$"


def is_box_id(text: str) -> bool:
    """Tell whether `text` is `box-` and eight digits or lower-case letters, and nothing else."""
    return re.fullmatch(BOX_ID_PATTERN[1:-1], text) is not None


class AlertId(NamedTuple):
    """Names one press: the device that was pressed and the counter of the press's first frame."""

    device_id: int
    press: int

    def __str__(self) -> str:
        return f"{self.device_id:08x}{self.press:08x}"

    @classmethod
    def parse(cls, text: str) -> AlertId:
        """Return the id written as 16 lower-case hexadecimal digits. Raises ValueError."""
        if re.fullmatch(ALERT_ID_PATTERN[1:-1], text) is None:
            raise ValueError("an alert id is 16 hexadecimal digits")
        return cls(int(text[:8], 16), int(text[8:], 16))
