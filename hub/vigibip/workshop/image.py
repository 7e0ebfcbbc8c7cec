"""A MicroPython firmware image as its makers publish it: one file from bootloader to program.

Between the partition table and the program such a file is padded over NVS, where a bip's identity
lies. So it is written in two pieces, around NVS.
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from vigibip.workshop.boards import IMAGE_CHIPS
from vigibip.workshop.errors import Cause, StepError

# C3, S3 and C6 begin at 0; only the first ESP32 does not, and no bip has one.
_MAGIC = 0xE9
_CHIP_AT = 12
TABLE_AT = 0x8000
_TABLE_BYTES = 0xC00
_ENTRY = "<2sBBII16sI"
_ENTRY_BYTES = 32
_ENTRY_MARK = b"\xaa\x50"
_DATA, _NVS = 1, 2
NVS_AT, NVS_END = 0x9000, 0xF000
# The largest flash of any board here is 16 MB.
_IMAGE_MAX_BYTES = 16 << 20
_NAMESPACE = b"vigibip\0"


@dataclass(frozen=True, slots=True)
class Piece:
    """So many bytes for one place of the flash."""

    at: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Image:
    """A firmware image whose SHA-256 was the one expected."""

    chip: str
    content: bytes

    @property
    def table(self) -> bytes:
        return self.content[TABLE_AT : TABLE_AT + _TABLE_BYTES]

    def pieces(self) -> list[Piece]:
        """Return what is written, which leaves NVS as it is."""
        return [Piece(0, self.content[:NVS_AT]), Piece(NVS_END, self.content[NVS_END:])]

    def keeps_nvs_where_it_is(self) -> bool:
        places = [
            (at, at + size)
            for kind, subtype, at, size in _entries(self.table)
            if (kind, subtype) == (_DATA, _NVS)
        ]
        return places == [(NVS_AT, NVS_END)]


def read_image(path: Path, sha256: str | None) -> Image:
    """Return the image at `path`, whose SHA-256 is `sha256` or stands in `path`.sha256 beside it.

    Raises StepError.
    """
    try:
        if path.stat().st_size > _IMAGE_MAX_BYTES:
            raise StepError(Cause.IMAGE_UNREADABLE, f"{path.name} is larger than any flash here")
        content = path.read_bytes()
    except OSError as error:
        raise StepError(Cause.IMAGE_UNREADABLE, f"{path}: {error.strerror}") from error
    expected = (sha256 or _hash_beside(path)).strip().lower()
    actual = hashlib.sha256(content).hexdigest()
    if expected != actual:
        raise StepError(Cause.IMAGE_HASH, f"{path.name} is {actual}")
    return _parsed(path.name, content)


def holds_identity(nvs: bytes) -> bool:
    """Tell whether a raw NVS partition, unless it is encrypted, holds a bip's settings."""
    return _NAMESPACE in nvs


def _hash_beside(path: Path) -> str:
    beside = path.with_name(path.name + ".sha256")
    try:
        found = re.match(r"[0-9a-fA-F]{64}\b", beside.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        found = None
    if found is None:
        raise StepError(Cause.IMAGE_HASH, f"no hash was given, and {beside.name} holds none")
    return found[0]


def _parsed(name: str, content: bytes) -> Image:
    if len(content) <= NVS_END or content[0] != _MAGIC:
        raise StepError(Cause.IMAGE_UNREADABLE, f"{name} is no whole firmware image")
    chip = IMAGE_CHIPS.get(struct.unpack_from("<H", content, _CHIP_AT)[0])
    if chip is None:
        raise StepError(Cause.WRONG_CHIP, f"{name} is for a chip that no bip has")
    image = Image(chip, content)
    if not _entries(image.table):
        raise StepError(Cause.IMAGE_UNREADABLE, f"{name} has no partition table")
    if content[NVS_AT:NVS_END].strip(b"\xff"):
        raise StepError(Cause.IMAGE_UNREADABLE, f"{name} brings an NVS of its own")
    return image


def _entries(table: bytes) -> list[tuple[int, int, int, int]]:
    """Return (type, subtype, place, size) of each partition."""
    found = []
    for start in range(0, len(table) - _ENTRY_BYTES + 1, _ENTRY_BYTES):
        mark, kind, subtype, at, size, _, _ = struct.unpack_from(_ENTRY, table, start)
        if mark != _ENTRY_MARK:
            break
        found.append((kind, subtype, at, size))
    return found
