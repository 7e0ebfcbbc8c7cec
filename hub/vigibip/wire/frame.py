"""The sealed frame between a bip and a box: header, seal, and the payload of each kind.

Frame: version, kind, device id (32 bit), counter (32 bit), all big-endian, in the clear and
authenticated; then the sealed payload and its 8-byte tag. Fields are only ever appended to a
payload; what is not known is ignored. The version changes only with the header or the seal.
"""

import struct

from . import ccm

VERSION = 1

# Kinds. The top bits say who sealed the frame, which is the first byte of the nonce.
PRESS = 0x01
STATUS = 0x02
POLL = 0x03
REPLY = 0x81

FROM_BIP = 0
FROM_BOX = 1
FROM_POST = 2

HEADER_LENGTH = 10
PAYLOAD_LENGTH = 32
FRAME_LENGTH = HEADER_LENGTH + PAYLOAD_LENGTH + ccm.TAG_LENGTH

# States that a reply carries (one byte). An acknowledgement means what it says: see the README.
STATE_NONE = 0
STATE_HEARD = 1
STATE_DELIVERED = 2
STATE_COMING = 3
STATE_NOT_REACHED = 4
STATE_UNANSWERED = 5

AGE_UNKNOWN = 0xFFFFFFFF
RSSI_UNKNOWN = -128

_HEADER = ">BBII"
_PRESS = ">IIHHBbB"
_STATUS = ">HHBbHHHH"
_POLL = ">I"
_REPLY = ">IIBB"


class FrameError(ValueError):
    """A frame that is refused. Its class says why."""


class LengthRefused(FrameError):
    """Too short or too long for its kind."""


class VersionRefused(FrameError):
    """A version that this end does not speak; nothing after it was read."""


class KindRefused(FrameError):
    """A kind that is unknown, or that does not travel in this direction."""


class SealRefused(FrameError):
    """The tag is not of this header, this payload and this key."""


def _nonce(kind, device_id, counter):
    return struct.pack(">BIII", _direction(kind), device_id, counter, 0)


def _direction(kind):
    if kind in (PRESS, STATUS, POLL):
        return FROM_BIP
    if kind == REPLY:
        return FROM_BOX
    raise KindRefused("kind")


def seal_frame(encrypt_block, kind, device_id, counter, payload):
    """Return the frame's bytes. `payload` is at most 32 bytes and is filled up with zeros."""
    if len(payload) > PAYLOAD_LENGTH:
        raise LengthRefused("payload")
    payload = payload + bytes(PAYLOAD_LENGTH - len(payload))
    header = struct.pack(_HEADER, VERSION, kind, device_id, counter)
    return header + ccm.seal(encrypt_block, _nonce(kind, device_id, counter), header, payload)


def read_header(frame):
    """Return (kind, device id, counter) of a frame whose seal is not looked at.

    Raises LengthRefused, VersionRefused or KindRefused.
    """
    if len(frame) < 1:
        raise LengthRefused("empty")
    if frame[0] != VERSION:
        raise VersionRefused("version")
    if len(frame) != FRAME_LENGTH:
        raise LengthRefused("frame")
    _, kind, device_id, counter = struct.unpack(_HEADER, frame[:HEADER_LENGTH])
    _direction(kind)
    return kind, device_id, counter


def open_frame(encrypt_block, frame):
    """Return (kind, device id, counter, payload of 32 bytes).

    Raises what `read_header` raises, and SealRefused.
    """
    kind, device_id, counter = read_header(frame)
    payload = ccm.open_sealed(
        encrypt_block,
        _nonce(kind, device_id, counter),
        frame[:HEADER_LENGTH],
        frame[HEADER_LENGTH:],
    )
    if payload is None:
        raise SealRefused("seal")
    return kind, device_id, counter, payload


# Payloads as tuples: on the device an object a field would not fit the heap.


def pack_press(press, age_s, battery_mv, firmware, reset_cause, rssi_dbm, wake):
    """Return the payload of a press.

    press: the counter of the first frame that was sealed for it, which names it for ever.
    age_s: seconds since the button went down, AGE_UNKNOWN after a reset that lost the time.
    battery_mv: measured under load, 0 when unknown. firmware: version as major * 256 + minor.
    reset_cause: as the device's machine module numbers it. rssi_dbm: of the last reply heard.
    wake: how many wakes this press has lasted, 0 for the first, 255 for more.
    """
    return struct.pack(_PRESS, press, age_s, battery_mv, firmware, reset_cause, rssi_dbm, wake)


def unpack_press(payload):
    """Return the tuple that `pack_press` took."""
    return struct.unpack_from(_PRESS, payload)


def pack_status(
    battery_mv, firmware, reset_cause, rssi_dbm, unheard, unreached, crashes, uptime_min
):
    """Return the payload of a status; the last four count since the device was provisioned."""
    return struct.pack(
        _STATUS,
        battery_mv,
        firmware,
        reset_cause,
        rssi_dbm,
        unheard,
        unreached,
        crashes,
        uptime_min,
    )


def unpack_status(payload):
    """Return the tuple that `pack_status` took."""
    return struct.unpack_from(_STATUS, payload)


def pack_poll(press):
    """Return the payload of a poll for the state of `press`."""
    return struct.pack(_POLL, press)


def unpack_poll(payload):
    """Return the press that a poll asks for."""
    return struct.unpack_from(_POLL, payload)[0]


def pack_reply(answered, press, state, settings_waiting):
    """Return the payload of a reply.

    answered: the up-counter of the frame that it answers. press: the press whose state it tells,
    0 for none. state: one of STATE_*. settings_waiting: 1 when the box has settings to give.
    """
    return struct.pack(_REPLY, answered, press, state, settings_waiting)


def unpack_reply(payload):
    """Return the tuple that `pack_reply` took."""
    return struct.unpack_from(_REPLY, payload)
