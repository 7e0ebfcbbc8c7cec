"""MicroPython onto a chip, by esptool, which runs as a program of its own."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from vigibip.workshop.boards import chip_in
from vigibip.workshop.errors import Cause, StepError
from vigibip.workshop.image import NVS_AT, NVS_END, TABLE_AT, Image, holds_identity

# Writing 2 MB at the slowest rate that boards are known for takes three minutes.
_LIMIT_S = 600
_LAST_LINES = 6

Progress = Callable[[float], None]
"""Told how much of the step is done, 0 to 1."""


def _no_progress(part: float) -> None:
    del part


class Flasher:
    """The chip on `port`, in its bootloader whenever it is asked something."""

    def __init__(self, port: str, *, baud: int = 460_800) -> None:
        self._port = port
        self._baud = baud
        # A line without DTR and RTS resets nothing.
        self._resets = not port.startswith(("socket://", "rfc2217://"))

    def chip(self) -> str:
        """Return the chip's name, as in `boards`. Raises StepError."""
        return _chip(self._run("read-mac", failure=Cause.NO_BOOTLOADER))

    def write(
        self,
        image: Image,
        *,
        new_identity: bool,
        erase: bool = False,
        progress: Progress = _no_progress,
    ) -> bool:
        """Bring the flash to `image`; return False when it was there already.

        NVS and files stay, unless `erase` is asked for or the flash is laid out otherwise: then
        all is erased first, but no bip's identity unless `new_identity` says so. Raises StepError.
        """
        if not image.keeps_nvs_where_it_is():
            raise StepError(Cause.IMAGE_UNREADABLE, "its NVS is not where a bip has it")
        chip, before = self._read(TABLE_AT, NVS_END)
        if chip != image.chip:
            raise StepError(Cause.WRONG_CHIP, f"the image is for {image.chip}, this is {chip}")
        at = NVS_AT - TABLE_AT
        if erase or before[: len(image.table)] != image.table:
            if holds_identity(before[at:]) and not new_identity:
                raise StepError(Cause.IDENTITY_THERE, "writing this image would erase it")
            self._run("erase-flash", failure=Cause.FLASH_FAILED)
        elif self._holds(image):
            progress(1.0)
            return False
        self._place("write-flash", image, progress)
        return True

    def _read(self, start: int, end: int) -> tuple[str, bytes]:
        with tempfile.TemporaryDirectory(prefix="vigibip-flash-") as folder:
            # It may hold a bip's key: a folder for its owner alone, gone in a moment.
            target = Path(folder) / "read.bin"
            # The ROM's own reading is slow and does for 28 kB.
            words = ("read-flash", hex(start), hex(end - start), str(target))
            told = self._run("--no-stub", *words, failure=Cause.NO_BOOTLOADER)
            return _chip(told), target.read_bytes()

    def _holds(self, image: Image) -> bool:
        try:
            self._place("verify-flash", image, _no_progress)
        except StepError as error:
            if "Verification failed" in error.detail:
                return False
            raise
        return True

    def _place(self, command: str, image: Image, progress: Progress) -> None:
        pieces = image.pieces()
        whole = sum(len(piece.content) for piece in pieces)
        with tempfile.TemporaryDirectory(prefix="vigibip-flash-") as folder:
            words = []
            starts = {}
            done = 0
            for piece in pieces:
                path = Path(folder) / f"{piece.at:x}.bin"
                path.write_bytes(piece.content)
                words += [hex(piece.at), str(path)]
                starts[piece.at] = (done, len(piece.content))
                done += len(piece.content)

            def told(line: str) -> None:
                found = re.match(r"Writing at 0x([0-9a-f]+)", line)
                if found:
                    at = int(found[1], 16)
                    first = max(start for start in starts if start <= at)
                    before, length = starts[first]
                    progress(min(1.0, (before + min(at - first, length)) / whole))

            # Whatever the chip says of its flash, the image's header stays as it was published.
            kept = ("--flash-mode", "keep", "--flash-freq", "keep", "--flash-size", "keep")
            self._run(command, *kept, *words, failure=Cause.FLASH_FAILED, told=told)

    def _run(self, *words: str, failure: Cause, told: Callable[[str], None] | None = None) -> str:
        command = [sys.executable, "-m", "esptool", "--port", self._port, "--baud", str(self._baud)]
        if not self._resets:
            command += ["--before", "no-reset", "--after", "no-reset"]
        last: deque[str] = deque(maxlen=_LAST_LINES)
        lines = []
        with subprocess.Popen(
            [*command, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as esptool:
            limit = threading.Timer(_LIMIT_S, esptool.kill)
            limit.start()
            try:
                for line in esptool.stdout or ():
                    lines.append(line)
                    if line.strip():
                        last.append(line.strip())
                    if told is not None:
                        told(line)
            finally:
                limit.cancel()
                if esptool.poll() is None and sys.exc_info()[0] is not None:
                    esptool.kill()
        if esptool.returncode:
            errors = [line for line in last if "error" in line.lower()] or list(last)
            raise StepError(failure, errors[-1] if errors else "esptool ended without a word")
        return "".join(lines)


def _chip(told: str) -> str:
    found = re.search(r"^Chip type:\s*(.+)$", told, re.MULTILINE)
    chip = chip_in(found[1]) if found else None
    if chip is None:
        raise StepError(Cause.CHIP_UNKNOWN, "esptool names no ESP32")
    return chip
