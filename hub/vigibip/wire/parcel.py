"""How a bip asks for what the box keeps for it, and what it is given: settings, and an update.

A bip loads this only when a reply has told that something waits: no press comes this way.
"""

import struct

from .frame import LengthRefused

# MicroPython has no typing module; a type checker takes this name for true.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from .ccm import Buffer

# What a bip asks for (one byte).
WANTS_SETTINGS = 1
WANTS_UPDATE = 2

# Gestures that settings allow (bits of one byte).
MAY_RAISE = 0x01
MAY_WITHDRAW = 0x02
MAY_TELL_DURESS = 0x04

# Each piece of an update is so long, its last one perhaps shorter.
PIECE_LENGTH = 176

_ASK = ">BIH"
_CONFIGURE = ">IHBBHBHH"
_UPDATE = ">IIHHB"
_UPDATE_LENGTH = 13


def _fields(layout: str, payload: "Buffer") -> tuple[int, ...]:
    if len(payload) < struct.calcsize(layout):
        raise LengthRefused("payload")
    return struct.unpack_from(layout, payload)


def pack_ask(wants: int, edition: int, piece: int) -> bytes:
    """Return the payload of an ask.

    wants: WANTS_SETTINGS or WANTS_UPDATE. edition: of the settings in force, or the image that it
    has pieces of, 0 for none. piece: the first that it lacks, from 0; 0 for settings.
    """
    return struct.pack(_ASK, wants, edition, piece)


def unpack_ask(payload: "Buffer") -> tuple[int, int, int]:
    """Return the tuple that `pack_ask` took. Raises LengthRefused when it is too short."""
    return _fields(_ASK, payload)  # type: ignore[return-value]


def pack_configure(
    answered: int,
    edition: int,
    strength_pct: int,
    led: int,
    status_min: int,
    gestures: int,
    udp_after_ms: int,
    battery_low_mv: int,
) -> bytes:
    """Return the payload of CONFIGURE: all settings of a bip.

    answered: the up-counter of the ask that it answers. edition: of the settings, from 1; another
    one than the bip has is taken. strength_pct: of the vibration, 0 for none. led: 1 when the light
    may be used. status_min: between two statuses, 5 to 1440. gestures: MAY_*. udp_after_ms: without
    a reply so long the frame also goes by Wi-Fi; 0 for never. battery_low_mv: below it the bip
    complains; 0 for what suits a LiPo cell.
    """
    return struct.pack(
        _CONFIGURE,
        answered,
        edition,
        strength_pct,
        led,
        status_min,
        gestures,
        udp_after_ms,
        battery_low_mv,
    )


def unpack_configure(payload: "Buffer") -> tuple[int, int, int, int, int, int, int, int]:
    """Return the tuple that `pack_configure` took. Raises LengthRefused when it is too short."""
    return _fields(_CONFIGURE, payload)  # type: ignore[return-value]


def pack_update(answered: int, image: int, pieces: int, piece: int, data: "Buffer") -> bytes:
    """Return the payload of UPDATE: one piece of a signed image.

    answered: the up-counter of the ask that it answers. image: what names the image. pieces: how
    many it has. piece: which one this is, from 0. Raises LengthRefused when `data` is longer than
    PIECE_LENGTH.
    """
    if len(data) > PIECE_LENGTH:
        raise LengthRefused("piece")
    return struct.pack(_UPDATE, answered, image, pieces, piece, len(data)) + data


def unpack_update(payload: "Buffer") -> tuple[int, int, int, int, bytes]:
    """Return the tuple that `pack_update` took. Raises LengthRefused when it is too short."""
    answered, image, pieces, piece, length = _fields(_UPDATE, payload)
    end = _UPDATE_LENGTH + length
    if length > PIECE_LENGTH or end > len(payload):
        raise LengthRefused("piece")
    return answered, image, pieces, piece, bytes(payload[_UPDATE_LENGTH:end])
