"""The label of a bip that no box is there for yet: its id and key as a QR code.

The text is `VB1:` and base32 of id, key and CRC-32: the alphabet that a QR code packs best. The
CRC tells what a scanner set to another keyboard has typed. Whoever reads the label has the key.
"""

from __future__ import annotations

import base64
import binascii
import io
import struct
from dataclasses import dataclass
from pathlib import Path

import segno

from vigibip.base.errors import UsageError
from vigibip.base.private_files import make_private_directory, write_atomically

_PREFIX = "VB1:"
_BODY = ">I16s"
_BODY_BYTES = 20
# What a scanner may bring before it is no label any more.
TEXT_MAX_LENGTH = 256
# Read by a telephone at arm's length when printed at 300 dots an inch: 3 cm.
_PNG_SCALE = 8
_PDF_SCALE = 3


@dataclass(frozen=True, slots=True, repr=False)
class Label:
    """What a label says; it does not show itself in a traceback."""

    device_id: int
    key: bytes

    def text(self) -> str:
        body = struct.pack(_BODY, self.device_id, self.key)
        body += struct.pack(">I", binascii.crc32(body))
        return _PREFIX + base64.b32encode(body).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Label:
        """Return what the label says. Raises UsageError, which repeats nothing of it."""
        text = "".join(text.split()).upper()
        wrong = UsageError(
            "this is not the label of a bip, or part of it is missing, or the scanner is set to "
            "another keyboard than this computer"
        )
        if not text.startswith(_PREFIX) or len(text) > TEXT_MAX_LENGTH:
            raise wrong
        body = text.removeprefix(_PREFIX)
        try:
            raw = base64.b32decode(body + "=" * (-len(body) % 8))
        except ValueError:
            raise wrong from None
        if len(raw) != _BODY_BYTES + 4:
            raise wrong
        if struct.unpack(">I", raw[_BODY_BYTES:])[0] != binascii.crc32(raw[:_BODY_BYTES]):
            raise wrong
        device_id, key = struct.unpack(_BODY, raw[:_BODY_BYTES])
        return cls(device_id, key)

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write it as PNG and PDF into `folder`, for its owner alone. Raises StorageError."""
        if not folder.exists():
            make_private_directory(folder)
        code = segno.make_qr(self.text(), error="m")
        written = []
        for kind, scale in (("png", _PNG_SCALE), ("pdf", _PDF_SCALE)):
            page = io.BytesIO()
            code.save(page, kind=kind, scale=scale)
            path = folder / f"bip-{self.device_id:08x}.{kind}"
            write_atomically(path, page.getvalue())
            written.append(path)
        return written[0], written[1]
