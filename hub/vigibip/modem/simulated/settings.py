"""How a simulated modem behaves, where that is not its model's."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum


class Registered(IntEnum):
    """<stat> of AT+CREG?, AT+CGREG? and AT+CEREG?, 3GPP TS 27.007, 7.2."""

    NOT = 0
    HOME = 1
    SEARCHING = 2
    DENIED = 3
    UNKNOWN = 4
    ROAMING = 5


_IN = (Registered.HOME, Registered.ROAMING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What the radio finds: each domain's registration apart, the technology, the signal."""

    creg: Registered = Registered.HOME
    cgreg: Registered = Registered.HOME
    cereg: Registered = Registered.HOME
    technology: str = "LTE"
    """LTE, UMTS or GSM."""
    operator: str = "VigiBip Mobile"
    plmn: str = "00101"
    signal_dbm: int | None = -77
    """RSSI; None: not known."""

    @property
    def registered(self) -> bool:
        return any(stat in _IN for stat in (self.creg, self.cgreg, self.cereg))

    @property
    def packet(self) -> tuple[Registered, Registered]:
        """The packet domains of 2G and 3G, and of LTE."""
        return (self.cgreg, self.cereg)

    @property
    def circuit(self) -> bool:
        """SMS go over the circuit domain, which AT+CREG? tells of."""
        return self.creg in _IN


NOWHERE = Coverage(
    creg=Registered.SEARCHING,
    cgreg=Registered.SEARCHING,
    cereg=Registered.SEARCHING,
    technology="",
    operator="",
    signal_dbm=None,
)
DENIED = Coverage(
    creg=Registered.DENIED,
    cgreg=Registered.DENIED,
    cereg=Registered.DENIED,
    technology="",
    operator="",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """What a line does to what the modem says; shares are 0.0 to 1.0. All of it is seeded."""

    split: float = 0.0
    """Share of the outputs that leave in pieces."""
    gap_s: float = 0.0
    """At most so long passes before each further piece."""
    urc_inside: float = 0.0
    """Share of the URCs that wait, at most 2 s, and come out inside an echo or an answer."""
    boot_garbage: bool = True
    """Power-up begins with bytes that mean nothing."""
    bare_cmti: bool = False
    """+CMTI comes as `+CMTI: ,-1`, as has been seen."""
    no_ok_after_pin: bool = False
    """The OK after `+CPIN: SIM PIN` is missing, as has been seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Times are in seconds on the clock; a pair is a range out of which they fall evenly."""

    boot_silence_s: tuple[float, float] = (10.0, 14.0)
    boot_line_gap_s: float = 0.5
    registration_s: tuple[float, float] = (2.0, 6.0)
    """From a SIM that is ready to registration."""
    answer_s: float = 0.0
    """Before each answer."""
    submit_s: tuple[float, float] = (2.0, 5.0)
    """From Ctrl-Z to +CMGS."""
    scan_s: float = 20.0
    """AT+COPS=?"""
    usb: bool = False
    """The port is the modem's own: it is gone while the modem is off or boots."""
    starts_with_power: bool = True
    """It boots when it gets power; else it waits for PWRKEY."""
    sms_on_lte: bool = True
    """False: a SMS on LTE is refused with CMS 500, as one firmware did at one operator."""
    ack_limit_s: float = 15.0
    """With AT+CSMS=1: routing ends when a +CMT or +CDS is not acknowledged in time."""
    noise: Noise = field(default_factory=Noise)
