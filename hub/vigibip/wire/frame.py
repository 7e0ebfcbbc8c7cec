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
ASK = 0x04
REPLY = 0x81
CONFIGURE = 0x82
UPDATE = 0x83

FROM_BIP = 0
FROM_BOX = 1
FROM_POST = 2

HEADER_LENGTH = 10
PAYLOAD_LENGTH = 32
FRAME_LENGTH = HEADER_LENGTH + PAYLOAD_LENGTH + ccm.TAG_LENGTH
# Of CONFIGURE and UPDATE; what people do, and are told, is all of one length.
LONG_PAYLOAD_LENGTH = 192
LONG_FRAME_LENGTH = HEADER_LENGTH + LONG_PAYLOAD_LENGTH + ccm.TAG_LENGTH

# States that a reply carries (one byte). An acknowledgement means what it says: see the README.
STATE_NONE = 0
STATE_HEARD = 1
STATE_DELIVERED = 2
STATE_COMING = 3
STATE_NOT_REACHED = 4
STATE_UNANSWERED = 5

# The gesture of a press (one byte): in its lower half a severity, 0 for a press as any other, and
# one of these marks, none of which ever stops an alert.
SEVERITY = 0x0F
WITHDRAWN = 0x10
DURESS = 0x20

# What a status complains of (bits of one byte).
BUTTON_STUCK = 0x01
BATTERY_LOW = 0x02
LAST_RESORT = 0x04

# What a reply says is waiting to be asked for (bits of one byte).
SETTINGS_WAIT = 0x01
UPDATE_WAITS = 0x02

AGE_UNKNOWN = 0xFFFFFFFF
RSSI_UNKNOWN = -128

_U32_MAX = 0xFFFFFFFF
_HEADER = ">BBII"
_PRESS = ">IIHHBbBBH"
_STATUS = ">HHBbHHHHHHBBBHIH"
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
    if PRESS <= kind <= ASK:
        return FROM_BIP
    if REPLY <= kind <= UPDATE:
        return FROM_BOX
    raise KindRefused("kind")


def payload_length(kind: int) -> int:
    """Return how long the payload of `kind` is in a frame."""
    return LONG_PAYLOAD_LENGTH if kind in (CONFIGURE, UPDATE) else PAYLOAD_LENGTH


def _nonce(kind: int, device_id: int, counter: int) -> bytes:
    return struct.pack(">BIII", sender_of(kind), device_id, counter, 0)


def seal_frame(
    encrypt_block: "EncryptBlock", kind: int, device_id: int, counter: int, payload: "Buffer"
) -> bytes:
    """Return the frame's bytes. `payload` is filled up with zeros to its kind's length.

    Raises ValueError when `device_id` or `counter` is not a 32-bit number: MicroPython would cut
    it without a word, and a nonce would be used twice.
    """
    if not 0 <= device_id <= _U32_MAX or not 0 <= counter <= _U32_MAX:
        raise ValueError("device id or counter beyond 32 bits")
    missing = payload_length(kind) - len(payload)
    if missing < 0:
        raise LengthRefused("payload")
    padded = bytes(payload) + bytes(missing)
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
    if len(frame) not in (FRAME_LENGTH, LONG_FRAME_LENGTH):
        raise LengthRefused("frame")
    _, kind, device_id, counter = struct.unpack_from(_HEADER, frame)
    sender_of(kind)
    if len(frame) != HEADER_LENGTH + payload_length(kind) + ccm.TAG_LENGTH:
        raise LengthRefused("kind")
    return kind, device_id, counter


def open_frame(
    encrypt_block: "EncryptBlock", frame: "Buffer", sender: int | None = None
) -> tuple[int, int, int, bytes]:
    """Return (kind, device id, counter, payload in its kind's full length).

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
    gesture: int = 0,
    gesture_age_s: int = 0,
) -> bytes:
    """Return the payload of a press.

    press: the counter of the first frame that was sealed for it, which names it for ever.
    age_s: seconds since the button went down, AGE_UNKNOWN after a reset that lost the time; a
    number that cannot be is told as unknown.
    battery_mv: measured under load, 0 when unknown. firmware: version as major * 256 + minor.
    reset_cause: as the device's machine module numbers it. rssi_dbm: of the last reply heard.
    wake: how many wakes this press has lasted, 0 for the first, 255 for more.
    gesture: a severity and a mark, 0 for none. gesture_age_s: seconds since it was made, 65535 for
    more, or when the time was lost.
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
        gesture & 0xFF,
        _within(gesture_age_s, 0, 0xFFFF),
    )


def unpack_press(payload: "Buffer") -> tuple[int, int, int, int, int, int, int, int, int]:
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
    interval_min: int = 0,
    settings_edition: int = 0,
    sends_failed: int = 0,
    stores_failed: int = 0,
    complaints: int = 0,
    crash_digest: int = 0,
    crash_module: int = 0,
    crash_line: int = 0,
) -> bytes:
    """Return the payload of a status.

    unheard, unreached, crashes, uptime_min: since the device was provisioned. interval_min: when
    the next status is due at the latest, 0 when it is not told. settings_edition: of the settings
    in force, 0 for those that it was made with. sends_failed, stores_failed: what its radio and its
    flash did not take, since the last status that was answered. complaints: BUTTON_STUCK,
    BATTERY_LOW, LAST_RESORT. crash_digest, crash_module, crash_line: of the last exception, 0 for
    none; the module as its first four letters, a big-endian number.
    """
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
        _within(interval_min, 0, 0xFFFF),
        _within(settings_edition, 0, 0xFFFF),
        _within(sends_failed, 0, 0xFF),
        _within(stores_failed, 0, 0xFF),
        complaints & 0xFF,
        crash_digest & 0xFFFF,
        crash_module & _U32_MAX,
        _within(crash_line, 0, 0xFFFF),
    )


def unpack_status(payload: "Buffer") -> tuple[int, ...]:
    """Return the tuple that `pack_status` took. Raises LengthRefused when it is too short."""
    return _fields(_STATUS, payload)


def pack_poll(press: int) -> bytes:
    """Return the payload of a poll for the state of `press`."""
    return struct.pack(_POLL, press)


def unpack_poll(payload: "Buffer") -> int:
    """Return the press that a poll asks for. Raises LengthRefused when it is too short."""
    return _fields(_POLL, payload)[0]


def pack_reply(answered: int, press: int, state: int, waiting: int) -> bytes:
    """Return the payload of a reply.

    answered: the up-counter of the frame that it answers. press: the press whose state it tells,
    0 for none. state: one of STATE_*. waiting: SETTINGS_WAIT, UPDATE_WAITS.
    """
    return struct.pack(_REPLY, answered, press, state, waiting)


def unpack_reply(payload: "Buffer") -> tuple[int, int, int, int]:
    """Return the tuple that `pack_reply` took. Raises LengthRefused when it is too short."""
    return _fields(_REPLY, payload)  # type: ignore[return-value]
