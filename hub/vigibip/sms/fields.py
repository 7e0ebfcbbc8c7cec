"""The small fields of PDUs: data coding scheme, time stamp, validity period, status."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from vigibip.sms.segments import Coding

_MINUTE_S, _HOUR_S, _DAY_S, _WEEK_S = 60.0, 3600.0, 86400.0, 604800.0


# ---- data coding scheme


@dataclass(frozen=True, slots=True)
class Scheme:
    """What a TP-DCS says. `message_class` 0 is shown at once (flash), None is no class."""

    coding: Coding
    message_class: int | None = None


def read_scheme(dcs: int) -> Scheme:
    """Read a data coding scheme (TS 23.038, 4). Compressed text is data: nobody can read it.

    What is reserved is read as GSM-7, as the standard asks.
    """
    group = dcs >> 4
    if group < 8:  # general, with or without automatic deletion
        message_class = dcs & 3 if dcs & 0x10 else None
        if dcs & 0x20:
            return Scheme(Coding.DATA, message_class)
        coding = (Coding.GSM7, Coding.DATA, Coding.UCS2, Coding.GSM7)[dcs >> 2 & 3]
        return Scheme(coding, message_class)
    if group == 0xF:
        return Scheme(Coding.DATA if dcs & 4 else Coding.GSM7, dcs & 3)
    # 8-B are reserved; C-E say that a message waits at a mailbox, E in UCS-2.
    return Scheme(Coding.UCS2 if group == 0xE else Coding.GSM7)


def write_scheme(coding: Coding) -> int:
    """Return the TP-DCS of the general group, without class."""
    return {Coding.GSM7: 0x00, Coding.DATA: 0x04, Coding.UCS2: 0x08}[coding]


# ---- service centre time stamp

STAMP_LENGTH = 7


def read_stamp(octets: bytes) -> datetime | None:
    """Read a TP-SCTS (TS 23.040, 9.2.3.11) as UTC; None when it is no time that can be."""
    if len(octets) != STAMP_LENGTH:
        return None
    swapped = [(octet & 0x0F, octet >> 4) for octet in octets[:6]]
    if any(tens > 9 or units > 9 for tens, units in swapped):
        return None
    year, month, day, hour, minute, second = (10 * tens + units for tens, units in swapped)
    zone = octets[6]
    tens, units = zone & 0x07, zone >> 4
    if units > 9:
        return None
    offset = timedelta(minutes=15 * (10 * tens + units))
    try:
        local = datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC)
        return local + offset if zone & 0x08 else local - offset
    except (ValueError, OverflowError):
        return None


def write_stamp(moment: datetime, zone_min: int = 0) -> bytes:
    """Return `moment` (aware) as a TP-SCTS of a zone `zone_min` minutes east of UTC.

    Whole quarters of an hour, 19 h 45 min at most. Raises ValueError.
    """
    if zone_min % 15 or abs(zone_min) > 79 * 15:
        raise ValueError("a zone is whole quarters of an hour, up to 79 of them")
    local = moment.astimezone(UTC) + timedelta(minutes=zone_min)
    if not 2000 <= local.year <= 2099:
        raise ValueError("a stamp has two digits for its year")
    numbers = (local.year % 100, local.month, local.day, local.hour, local.minute, local.second)
    quarters = abs(zone_min) // 15
    octets = [*(number // 10 | number % 10 << 4 for number in numbers)]
    octets.append(quarters // 10 | quarters % 10 << 4 | (0x08 if zone_min < 0 else 0))
    return bytes(octets)


# ---- validity period, relative


def read_validity(octet: int) -> float:
    """Return the seconds of a relative TP-VP (TS 23.040, 9.2.3.12.1)."""
    if octet <= 143:
        return (octet + 1) * 5 * _MINUTE_S
    if octet <= 167:
        return 12 * _HOUR_S + (octet - 143) * 30 * _MINUTE_S
    if octet <= 196:
        return (octet - 166) * _DAY_S
    return (octet - 192) * _WEEK_S


def write_validity(duration_s: float) -> int:
    """Return the shortest relative TP-VP that is no shorter; 63 weeks beyond that."""
    return next((octet for octet in range(256) if read_validity(octet) >= duration_s), 255)


# ---- status

_SERVICE_REJECTED = 0x63
_STATUSES = {
    0x00: "received by the phone",
    0x01: "forwarded, not confirmed by the phone",
    0x02: "replaced by the service centre",
    0x20: "congestion, still trying",
    0x21: "phone busy, still trying",
    0x22: "no response from the phone, still trying",
    0x23: "service rejected, still trying",
    0x24: "quality of service not available, still trying",
    0x25: "error in the phone, still trying",
    0x40: "remote procedure error",
    0x41: "incompatible destination",
    0x42: "connection rejected by the phone",
    0x43: "not obtainable",
    0x44: "quality of service not available",
    0x45: "no interworking available",
    0x46: "validity period expired",
    0x47: "deleted by the sender",
    0x48: "deleted by the service centre",
    0x49: "does not exist",
    0x60: "congestion, given up",
    0x61: "phone busy, given up",
    0x62: "no response from the phone, given up",
    0x63: "service rejected, given up",
    0x64: "quality of service not available, given up",
    0x65: "error in the phone, given up",
}


@dataclass(frozen=True, slots=True)
class Status:
    """A TP-Status (TS 23.040, 9.2.3.15) as it was sent."""

    code: int

    @property
    def _meaning(self) -> int:
        # Reserved values are "service rejected"; those a service centre makes up keep their group.
        if self.code >= 0x80:
            return _SERVICE_REJECTED
        own = self.code & 0x1F >= 0x10
        return self.code if own or self.code in _STATUSES else _SERVICE_REJECTED

    @property
    def final(self) -> bool:
        """Nothing more will come: it arrived, or the service centre gave up."""
        return not 0x20 <= self._meaning < 0x40

    @property
    def delivered(self) -> bool | None:
        """True only when the phone confirmed it; False when it never will; None: nobody knows."""
        if self._meaning == 0x00:
            return True
        return False if self._meaning >= 0x40 else None

    @property
    def words(self) -> str:
        return _STATUSES.get(self._meaning, f"the service centre's own status {self.code:#04x}")
