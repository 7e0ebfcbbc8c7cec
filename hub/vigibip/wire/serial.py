"""The serial line between receiver and box: COBS frames with a CRC-16, and what they carry.

A message is a type byte and a body; its CRC-16 (CCITT, polynomial 0x1021, start 0xFFFF) follows
big-endian; the whole is stuffed by COBS (Cheshire and Baker, 1999) and ended by a zero byte.
"""

import struct

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
# COBS adds a byte in each 254, and the delimiter.
_STUFFED_MAX = MESSAGE_MAX + 2 + 3


def crc16(data):
    """Return the CRC-16/CCITT-FALSE of `data`."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021) & 0xFFFF if crc & 0x8000 else (crc << 1) & 0xFFFF
    return crc


def stuff(data):
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


def unstuff(data):
    """Return what `stuff` was given, or None when `data` is no COBS."""
    out = bytearray()
    index = 0
    while index < len(data):
        code = data[index]
        end = index + code
        if code == 0 or end > len(data):
            return None
        out += data[index + 1 : end]
        index = end
        if code < 255 and index < len(data):
            out.append(0)
    return bytes(out)


def encode_message(kind, body):
    """Return the bytes for the line. Raises ValueError above MESSAGE_MAX."""
    message = bytes((kind,)) + body
    if len(message) > MESSAGE_MAX:
        raise ValueError("serial message too long")
    return stuff(message + struct.pack(">H", crc16(message))) + b"\x00"


class Decoder:
    """Bytes in, messages out; whatever is not a message is dropped and counted.

    dropped: pieces between delimiters that were no message, or longer than one may be.
    """

    def __init__(self):
        self.dropped = 0
        self._buffer = bytearray()
        self._overrun = False

    def feed(self, data):
        """Return the list of (type, body) that `data` completes."""
        messages = []
        for byte in data:
            if byte:
                if len(self._buffer) < _STUFFED_MAX:
                    self._buffer.append(byte)
                else:
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


def _checked(stuffed):
    message = unstuff(stuffed)
    if message is None or len(message) < 3:
        return None
    if crc16(message[:-2]) != (message[-2] << 8 | message[-1]):
        return None
    return message[0], message[1:-2]


def pack_up_frame(rssi_dbm, mac, frame):
    """Return the body of UP_FRAME: signal strength, sender's address, sealed frame."""
    return struct.pack(">b", rssi_dbm) + mac + frame


def unpack_up_frame(body):
    """Return (rssi_dbm, mac, frame). Raises ValueError when the body is too short."""
    if len(body) < 1 + MAC_LENGTH:
        raise ValueError("up frame too short")
    return struct.unpack(">b", body[:1])[0], body[1:7], body[7:]


def pack_down_frame(mac, frame):
    """Return the body of DOWN_FRAME: address (BROADCAST for all), sealed frame."""
    return mac + frame


def unpack_down_frame(body):
    """Return (mac, frame). Raises ValueError when the body is too short."""
    if len(body) < MAC_LENGTH:
        raise ValueError("down frame too short")
    return body[:6], body[6:]


def pack_hello(version, channel, reset_cause):
    """Return the body of HELLO, sent at start: firmware (major * 256 + minor), radio channel."""
    return struct.pack(">HBB", version, channel, reset_cause)


def unpack_hello(body):
    """Return the tuple that `pack_hello` took. Raises ValueError when the body is too short."""
    if len(body) < 4:
        raise ValueError("hello too short")
    return struct.unpack_from(">HBB", body)


def pack_air(uptime_s, received, sent, send_failed, dropped, serial_dropped):
    """Return the body of AIR, the receiver's counts since its start, sent every 10 s."""
    return struct.pack(">IIIIII", uptime_s, received, sent, send_failed, dropped, serial_dropped)


def unpack_air(body):
    """Return the tuple that `pack_air` took. Raises ValueError when the body is too short."""
    if len(body) < 24:
        raise ValueError("air too short")
    return struct.unpack_from(">IIIIII", body)


def pack_settings(channel):
    """Return the body of SETTINGS, from the box at each HELLO: the radio channel to stay on."""
    return struct.pack(">B", channel)


def unpack_settings(body):
    """Return the channel. Raises ValueError when the body is empty."""
    if len(body) < 1:
        raise ValueError("settings too short")
    return body[0]
