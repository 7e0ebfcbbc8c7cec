"""The wire a second time, from the words of its README alone and with other people's code.

The golden vectors come from here, never from the package that they test: AES-CCM is the
cryptography package's, the CRC is binascii's, COBS is written the other way round.
"""

from __future__ import annotations

import binascii
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESCCM

UP, FROM_BOX = 0, 1


def sealed_frame(
    key: bytes, direction: int, kind: int, device_id: int, counter: int, payload: bytes
) -> bytes:
    """Return a frame of version 1; kinds 0x82 and 0x83 are the long ones."""
    length = 192 if kind in (0x82, 0x83) else 32
    header = bytes((1, kind)) + device_id.to_bytes(4, "big") + counter.to_bytes(4, "big")
    nonce = bytes((direction,)) + header[2:] + bytes(4)
    return header + AESCCM(key, tag_length=8).encrypt(nonce, payload.ljust(length, b"\0"), header)


def cobs(data: bytes) -> bytes:
    """Return `data` in COBS, without the delimiter."""
    out = b""
    pieces = data.split(b"\0")
    for piece in pieces:
        while len(piece) >= 254:
            out += b"\xff" + piece[:254]
            piece = piece[254:]
        out += bytes((len(piece) + 1,)) + piece
    return out


def line(kind: int, body: bytes) -> bytes:
    """Return a message as it stands on the serial line."""
    message = bytes((kind,)) + body
    crc = struct.pack(">H", binascii.crc_hqx(message, 0xFFFF) ^ 0xFFFF)
    return b"\0" + cobs(message + crc) + b"\0"
