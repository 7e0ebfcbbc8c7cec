"""What lies in NVS or RTC memory, guarded: what is torn or foreign counts as absent.

A version, a length and a CRC-32 around each blob; what must not be lost lies in two that are
written in turn. Outside of what an update replaces: the slots are chosen by it.
"""

import binascii
import struct

NAMESPACE = "vigibip"

_VERSION = 1
# Marks ours among whatever else a flash may hold.
_MARK = 0x56
_HEAD = ">BBH"
_HEAD_LENGTH = 4
_GUARD_LENGTH = 8
_BLOB_MAX = 512


def guard(payload: bytes) -> bytes:
    """Return `payload` with what tells later that it is whole and ours."""
    head = struct.pack(_HEAD, _MARK, _VERSION, len(payload))
    return head + payload + struct.pack(">I", binascii.crc32(head + payload) & 0xFFFFFFFF)


def unguard(blob):
    """Return the payload, or None when `blob` is not whole or not ours."""
    if blob is None or len(blob) < _GUARD_LENGTH:
        return None
    mark, version, length = struct.unpack_from(_HEAD, blob)
    if mark != _MARK or version != _VERSION or len(blob) != length + _GUARD_LENGTH:
        return None
    body = blob[:-4]
    if struct.unpack(">I", blob[-4:])[0] != binascii.crc32(body) & 0xFFFFFFFF:
        return None
    return body[_HEAD_LENGTH:]


def read_blob(nvs, key):
    """Return a blob of NVS, or None when there is none, or too long a one."""
    buffer = bytearray(_BLOB_MAX)
    try:
        length = nvs.get_blob(key, buffer)
    except OSError:
        return None
    return bytes(buffer[:length])


class Pair:
    """One record in two NVS blobs, written in turn: a torn write leaves the one before."""

    def __init__(self, nvs, name):
        self._nvs = nvs
        self._name = name
        self._sequence = 0

    def load(self):
        """Return the newest whole record, or None."""
        newest = None
        for slot in "01":
            payload = unguard(read_blob(self._nvs, self._name + slot))
            if payload is None or len(payload) < 4:
                continue
            sequence = struct.unpack_from(">I", payload)[0]
            if newest is None or sequence > self._sequence:
                self._sequence = sequence
                newest = payload[4:]
        return newest

    def save(self, record: bytes) -> None:
        """Put `record` on storage. Raises OSError."""
        self._sequence += 1
        blob = guard(struct.pack(">I", self._sequence) + record)
        self._nvs.set_blob(self._name + str(self._sequence & 1), blob)
        self._nvs.commit()
