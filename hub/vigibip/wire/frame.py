"""The sealed frame between a bip and a box: header, seal, and the payload of each kind.

Frame: version, kind, device id (32 bit), counter (32 bit), all big-endian, in the clear and
authenticated; then the sealed payload and its 8-byte tag. Fields are only ever appended to a
payload; what is not known is ignored. The version changes only with the header or the seal.
"""

import struct

from . import ccm

# MicroPython has no typing module; a type checker takes this name for true.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from .ccm import Buffer, EncryptBlock

VERSION = 1

# Kinds. Who seals a kind is fixed; it is the first byte of the nonce.
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

_U32_MAX = 0xFFFFFFFF
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


def sender_of(kind: int) -> int:
    """Return who seals frames of `kind`: FROM_BIP or FROM_BOX. Raises KindRefused."""
    if kind in (PRESS, STATUS, POLL):
        return FROM_BIP
    if kind == REPLY:
        return FROM_BOX
    raise KindRefused("kind")


def _nonce(kind: int, device_id: int, counter: int) -> bytes:
    return struct.pack(">BIII", sender_of(kind), device_id, counter, 0)


def seal_frame(
    encrypt_block: "EncryptBlock", kind: int, device_id: int, counter: int, payload: "Buffer"
) -> bytes:
    """Return the frame's bytes. `payload` is at most 32 bytes and is filled up with zeros.

    Raises ValueError when `device_id` or `counter` is not a 32-bit number: MicroPython would cut
    it without a word, and a nonce would be used twice.
    """
    if not 0 <= device_id <= _U32_MAX or not 0 <= counter <= _U32_MAX:
        raise ValueError("device id or counter beyond 32 bits")
    if len(payload) > PAYLOAD_LENGTH:
        raise LengthRefused("payload")
    padded = bytes(payload) + bytes(PAYLOAD_LENGTH - len(payload))
    header = struct.pack(_HEADER, VERSION, kind, device_id, counter)
    return header + ccm.seal(encrypt_block, _nonce(kind, device_id, counter), header, padded)


def read_header(frame: "Buffer") -> tuple[int, int, int]:
    """Return (kind, device id, counter) of a frame whose seal is not looked at.

    Raises LengthRefused, VersionRefused or KindRefused.
    """
    if len(frame) < 1:
        raise LengthRefused("empty")
    if frame[0] != VERSION:
        raise VersionRefused("version")
    if len(frame) != FRAME_LENGTH:
        raise LengthRefused("frame")
    _, kind, device_id, counter = struct.unpack_from(_HEADER, frame)
    sender_of(kind)
    return kind, device_id, counter


def open_frame(
    encrypt_block: "EncryptBlock", frame: "Buffer", sender: int | None = None
) -> tuple[int, int, int, bytes]:
    """Return (kind, device id, counter, payload of 32 bytes).

    sender: the only end whose frames are taken here (FROM_BIP at the box, FROM_BOX at the bip),
    so that one's own frames, thrown back, are refused; None takes both. Raises what
    `read_header` raises, KindRefused for another sender's kind, and SealRefused.
    """
    kind, device_id, counter = read_header(frame)
    if sender is not None and sender_of(kind) != sender:
        raise KindRefused("direction")
    payload = ccm.open_sealed(
        encrypt_block,
        _nonce(kind, device_id, counter),
        frame[:HEADER_LENGTH],
        frame[HEADER_LENGTH:],
    )
    if payload is None:
        raise SealRefused("seal")
    return kind, device_id, counter, payload


# Payloads as tuples: on the device an object a field would not fit the heap. What is measured is
# brought into its range rather than refused: a sensor's nonsense must not stop a press.


def _within(value: int, lowest: int, highest: int) -> int:
    return max(lowest, min(value, highest))


def _fields(layout: str, payload: "Buffer") -> tuple[int, ...]:
    if len(payload) < struct.calcsize(layout):
        raise LengthRefused("payload")
    return struct.unpack_from(layout, payload)


def pack_press(
    press: int,
    age_s: int,
    battery_mv: int,
    firmware: int,
    reset_cause: int,
    rssi_dbm: int,
    wake: int,
) -> bytes:
    """Return the payload of a press.

    press: the counter of the first frame that was sealed for it, which names it for ever.
    age_s: seconds since the button went down, AGE_UNKNOWN after a reset that lost the time; a
    number that cannot be is told as unknown.
    battery_mv: measured under load, 0 when unknown. firmware: version as major * 256 + minor.
    reset_cause: as the device's machine module numbers it. rssi_dbm: of the last reply heard.
    wake: how many wakes this press has lasted, 0 for the first, 255 for more.
    """
    return struct.pack(
        _PRESS,
        press,
        age_s if 0 <= age_s < AGE_UNKNOWN else AGE_UNKNOWN,
        _within(battery_mv, 0, 0xFFFF),
        _within(firmware, 0, 0xFFFF),
        _within(reset_cause, 0, 0xFF),
        _within(rssi_dbm, RSSI_UNKNOWN, 127),
        _within(wake, 0, 0xFF),
    )


def unpack_press(payload: "Buffer") -> tuple[int, int, int, int, int, int, int]:
    """Return the tuple that `pack_press` took. Raises LengthRefused when it is too short."""
    return _fields(_PRESS, payload)  # type: ignore[return-value]


def pack_status(
    battery_mv: int,
    firmware: int,
    reset_cause: int,
    rssi_dbm: int,
    unheard: int,
    unreached: int,
    crashes: int,
    uptime_min: int,
) -> bytes:
    """Return the payload of a status; the last four count since the device was provisioned."""
    return struct.pack(
        _STATUS,
        _within(battery_mv, 0, 0xFFFF),
        _within(firmware, 0, 0xFFFF),
        _within(reset_cause, 0, 0xFF),
        _within(rssi_dbm, RSSI_UNKNOWN, 127),
        _within(unheard, 0, 0xFFFF),
        _within(unreached, 0, 0xFFFF),
        _within(crashes, 0, 0xFFFF),
        _within(uptime_min, 0, 0xFFFF),
    )


def unpack_status(payload: "Buffer") -> tuple[int, int, int, int, int, int, int, int]:
    """Return the tuple that `pack_status` took. Raises LengthRefused when it is too short."""
    return _fields(_STATUS, payload)  # type: ignore[return-value]


def pack_poll(press: int) -> bytes:
    """Return the payload of a poll for the state of `press`."""
    return struct.pack(_POLL, press)


def unpack_poll(payload: "Buffer") -> int:
    """Return the press that a poll asks for. Raises LengthRefused when it is too short."""
    return _fields(_POLL, payload)[0]


def pack_reply(answered: int, press: int, state: int, settings_waiting: int) -> bytes:
    """Return the payload of a reply.

    answered: the up-counter of the frame that it answers. press: the press whose state it tells,
    0 for none. state: one of STATE_*. settings_waiting: 1 when the box has settings to give.
    """
    return struct.pack(_REPLY, answered, press, state, settings_waiting)


def unpack_reply(payload: "Buffer") -> tuple[int, int, int, int]:
    """Return the tuple that `pack_reply` took. Raises LengthRefused when it is too short."""
    return _fields(_REPLY, payload)  # type: ignore[return-value]
