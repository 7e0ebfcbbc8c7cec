"""The serial line between receiver and box: COBS frames with a CRC-16, and what they carry.

A message is a type byte and a body; its CRC-16 (GENIBUS: polynomial 0x1021, start 0xFFFF, inverted)
follows big-endian; the whole is stuffed by COBS (Cheshire and Baker, 1999) and stands between zero
bytes.
"""

import struct

# MicroPython has no typing module; a type checker takes this name for true.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from .ccm import Buffer

# Up (receiver to box).
UP_FRAME = 0x01
HELLO = 0x02
AIR = 0x03
# Down (box to receiver).
DOWN_FRAME = 0x81
SETTINGS = 0x82

BROADCAST = b"\xff" * 6
MAC_LENGTH = 6

# A radio frame of at most 250 bytes, MAC, RSSI, type and CRC, and room for what is appended.
MESSAGE_MAX = 280
_CRC_LENGTH = 2
# COBS adds one byte, and one more for each whole 254.
_STUFFED_MAX = MESSAGE_MAX + _CRC_LENGTH + 1 + (MESSAGE_MAX + _CRC_LENGTH) // 254

# As many as one box serves, and as one message holds.
IDS_MAX = 64

# Why a receiver started, as far as it knows.
WHY_UNKNOWN = 0
WHY_EXCEPTION = 1
WHY_MEMORY = 2
WHY_RADIO = 3

_HELLO = ">HBBB"
_HELLO_LEAST = 4
_AIR = ">IIIIIIIIIIIIIIB"
_AIR_LEAST = 24
_SETTINGS = ">BB"


def crc16(data: "Buffer") -> int:
    """Return the CRC-16/GENIBUS of `data`.

    It is inverted at the end: without that, a message with a zero byte behind it has a right CRC
    too, and a delimiter received as 0x01 makes just that of it.
    """
    crc = 0xFFFF
    for byte in data:
        # The eight shifts of one byte at once: for this polynomial they fold into four terms.
        byte ^= crc >> 8
        byte ^= byte >> 4
        crc = (crc << 8 ^ byte << 12 ^ byte << 5 ^ byte) & 0xFFFF
    return crc ^ 0xFFFF


def stuff(data: "Buffer") -> bytes:
    """Return `data` in COBS, without the delimiter: no byte of it is zero."""
    out = bytearray(1)
    mark = 0
    for byte in data:
        if byte:
            out.append(byte)
            if len(out) - mark == 255:
                out[mark] = 255
                mark = len(out)
                out.append(0)
        else:
            out[mark] = len(out) - mark
            mark = len(out)
            out.append(0)
    out[mark] = len(out) - mark
    return bytes(out)


def unstuff(data: bytes | bytearray) -> bytes | None:
    """Return what `stuff` was given, or None when `data` is no COBS."""
    size = len(data)
    if not size or data.find(b"\x00") >= 0:
        return None
    out = bytearray()
    index = 0
    while index < size:
        code = data[index]
        end = index + code
        if end > size:
            return None
        out += data[index + 1 : end]
        index = end
        if code < 255 and index < size:
            out.append(0)
    return bytes(out)


def encode_message(kind: int, body: "Buffer") -> bytes:
    """Return the bytes for the line. Raises ValueError above MESSAGE_MAX.

    The zero byte in front ends whatever noise, or text of a starting chip, stands on the line:
    without it the first message after that would be lost.
    """
    message = bytes((kind,)) + body
    if len(message) > MESSAGE_MAX:
        raise ValueError("serial message too long")
    return b"\x00" + stuff(message + struct.pack(">H", crc16(message))) + b"\x00"


class Decoder:
    """Bytes in, messages out; whatever is not a message is dropped and counted.

    dropped: pieces between delimiters that were no message, or longer than one may be.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._buffer = bytearray()
        self._overrun = False

    def feed(self, data: "Buffer") -> list[tuple[int, bytes]]:
        """Return the list of (type, body) that `data` completes."""
        messages: list[tuple[int, bytes]] = []
        for byte in data:
            if byte:
                if len(self._buffer) < _STUFFED_MAX:
                    self._buffer.append(byte)
                else:
                    # The rest of the piece is not kept: a line of noise without a zero byte
                    # must not fill the memory.
                    self._overrun = True
                continue
            if self._buffer:
                message = None if self._overrun else _checked(self._buffer)
                if message is None:
                    self.dropped += 1
                else:
                    messages.append(message)
                self._buffer = bytearray()
                self._overrun = False
        return messages


def _checked(stuffed: bytearray) -> tuple[int, bytes] | None:
    message = unstuff(stuffed)
    if message is None or not 1 <= len(message) - _CRC_LENGTH <= MESSAGE_MAX:
        return None
    if crc16(message[:-_CRC_LENGTH]) != message[-2] << 8 | message[-1]:
        return None
    return message[0], message[1:-_CRC_LENGTH]


def _fields(layout: str, body: "Buffer") -> tuple[int, ...]:
    if len(body) < struct.calcsize(layout):
        raise ValueError("serial body too short")
    return struct.unpack_from(layout, body)


def _appended(layout: str, least: int, body: "Buffer") -> tuple[int, ...]:
    # What an older end does not tell is 0.
    if len(body) < least:
        raise ValueError("serial body too short")
    return struct.unpack_from(layout, bytes(body) + bytes(struct.calcsize(layout)))


def _address(mac: "Buffer") -> bytes:
    if len(mac) != MAC_LENGTH:
        raise ValueError("an address has six bytes")
    return bytes(mac)


def pack_up_frame(rssi_dbm: int, mac: "Buffer", frame: "Buffer") -> bytes:
    """Return the body of UP_FRAME: signal strength, sender's address, sealed frame.

    rssi_dbm is brought into -128 to 127. Raises ValueError when `mac` has not six bytes.
    """
    return struct.pack(">b", max(-128, min(rssi_dbm, 127))) + _address(mac) + frame


def unpack_up_frame(body: "Buffer") -> tuple[int, bytes, bytes]:
    """Return (rssi_dbm, mac, frame). Raises ValueError when the body is too short."""
    if len(body) < 1 + MAC_LENGTH:
        raise ValueError("serial body too short")
    return struct.unpack_from(">b", body)[0], bytes(body[1:7]), bytes(body[7:])


def pack_down_frame(mac: "Buffer", frame: "Buffer") -> bytes:
    """Return the body of DOWN_FRAME: address (BROADCAST for all), sealed frame.

    Raises ValueError when `mac` has not six bytes.
    """
    return _address(mac) + frame


def unpack_down_frame(body: "Buffer") -> tuple[bytes, bytes]:
    """Return (mac, frame). Raises ValueError when the body is too short."""
    if len(body) < MAC_LENGTH:
        raise ValueError("serial body too short")
    return bytes(body[:6]), bytes(body[6:])


def pack_hello(version: int, channel: int, reset_cause: int, why: int = WHY_UNKNOWN) -> bytes:
    """Return the body of HELLO, sent at start: firmware (major * 256 + minor), radio channel.

    reset_cause: as the chip numbers it. why: one of WHY_*.
    """
    return struct.pack(_HELLO, version, channel, reset_cause, why)


def unpack_hello(body: "Buffer") -> tuple[int, int, int, int]:
    """Return the tuple that `pack_hello` took. Raises ValueError when the body is too short."""
    return _appended(_HELLO, _HELLO_LEAST, body)  # type: ignore[return-value]


def pack_air(
    uptime_s: int,
    received: int,
    sent: int,
    send_failed: int,
    dropped: int,
    serial_dropped: int,
    guests: int = 0,
    guests_dropped: int = 0,
    repeats: int = 0,
    radio_dropped: int = 0,
    memory_free: int = 0,
    probes: int = 0,
    probes_failed: int = 0,
    held_ms: int = 0,
    jammed: int = 0,
) -> bytes:
    """Return the body of AIR, the receiver's counts since its start.

    Sent every 10 s, and when `jammed` changes.

    received: frames of its own bips, and guests that were carried. dropped: what was no frame, or
    gave way to a newer one of the same bip. guests: frames of other bips that were carried.
    repeats: frames that waited already when they came again. radio_dropped: what the radio had no
    room for. memory_free: in bytes, now. held_ms: of the last minute, how long its probes were held
    up. jammed: 1 while that is a jam. Each count goes round after 2**32 - 1.
    """
    counts = [uptime_s, received, sent, send_failed, dropped, serial_dropped]
    counts += [guests, guests_dropped, repeats, radio_dropped, memory_free]
    counts += [probes, probes_failed, held_ms]
    return struct.pack(_AIR, *[count & 0xFFFFFFFF for count in counts], 1 if jammed else 0)


def unpack_air(body: "Buffer") -> tuple[int, ...]:
    """Return the tuple that `pack_air` took. Raises ValueError when the body is too short."""
    return _appended(_AIR, _AIR_LEAST, body)


def pack_settings(channel: int, ids: "list[int] | None" = None) -> bytes:
    """Return the body of SETTINGS, from the box at each HELLO and when they change.

    channel: the radio channel to stay on. ids: the box's own bips; None tells none. Raises
    ValueError above IDS_MAX.
    """
    if ids is None:
        return struct.pack(">B", channel)
    if len(ids) > IDS_MAX:
        raise ValueError("too many ids")
    return struct.pack(_SETTINGS, channel, len(ids)) + struct.pack(">%dI" % len(ids), *ids)


def unpack_settings(body: "Buffer") -> "tuple[int, list[int] | None]":
    """Return (channel, ids). Raises ValueError when the body is too short for what it tells."""
    if len(body) == 1:
        return body[0], None
    channel, count = _fields(_SETTINGS, body)
    if count > IDS_MAX:
        raise ValueError("too many ids")
    return channel, list(_fields(">%dI" % count, bytes(body[2:])))
