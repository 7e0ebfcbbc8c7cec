"""How one bip is set: as it was made, until the box gives other settings.

A bip that was never set says nothing to the palm: its motor may be heard across a counter, and
only whoever has listened to it may let it run.
"""

import struct

_LAYOUT = ">HBBHBHH"
_LENGTH = 11
_STATUS_MIN = 60
_STATUS_LEAST_MIN = 5
_STATUS_MOST_MIN = 1440
# Of a LiPo cell under the radio's load: about a tenth of its charge is left.
_BATTERY_LOW_MV = 3400


class Settings:
    """Read from what `pack` gave; None, or what is too short, gives those of a new bip."""

    def __init__(self, packed=None):
        if packed is None or len(packed) < _LENGTH:
            packed = pack(0, 0, 0, _STATUS_MIN, 0, 0, _BATTERY_LOW_MV)
        (
            self.edition,
            strength_pct,
            led,
            status_min,
            self.gestures,
            self.udp_after_ms,
            battery_low_mv,
        ) = struct.unpack_from(_LAYOUT, packed)
        # Whatever was given, the bip stays one: it reports, and it does not shake for ever.
        self.strength_pct = min(strength_pct, 100)
        self.led = bool(led)
        self.status_min = max(_STATUS_LEAST_MIN, min(status_min, _STATUS_MOST_MIN))
        self.battery_low_mv = battery_low_mv or _BATTERY_LOW_MV


def pack(
    edition: int,
    strength_pct: int,
    led: int,
    status_min: int,
    gestures: int,
    udp_after_ms: int,
    battery_low_mv: int,
) -> bytes:
    """Return what is stored; the arguments are those of wire.parcel's CONFIGURE, as they came."""
    return struct.pack(
        _LAYOUT, edition, strength_pct, led, status_min, gestures, udp_after_ms, battery_low_mv
    )
