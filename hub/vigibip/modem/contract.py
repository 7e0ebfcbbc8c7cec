"""What a modem is to the rest: PDUs go in, PDUs come out, and its health is told.

A modem knows nothing of what its PDUs hold. Nothing here blocks: an alert that another path could
carry never waits for a modem.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from vigibip.base.errors import PeerError

SUBMIT_MAX_S = 60.0
"""The longest that `Modem.submit` takes, whatever the modem does."""


class ModemState(StrEnum):
    """READY: an SMS would go. ABSENT: the port is not there. HUNG: the reset ladder is at work.
    FAULTY: the whole ladder did not help; it goes on. The others wait for SIM or network."""

    STARTING = "starting"
    READY = "ready"
    NO_SIM = "no-sim"
    SIM_PIN = "sim-pin"
    SIM_PUK = "sim-puk"
    SIM_BUSY = "sim-busy"
    SIM_FAILURE = "sim-failure"
    SEARCHING = "searching"
    DENIED = "denied"
    ABSENT = "absent"
    HUNG = "hung"
    FAULTY = "faulty"


# Neither time nor the reset ladder mends these.
_NEEDS_A_PERSON = (
    ModemState.NO_SIM,
    ModemState.SIM_PIN,
    ModemState.SIM_PUK,
    ModemState.SIM_FAILURE,
    ModemState.FAULTY,
)
# What the reset ladder mends is over by then.
_PASSES_WITHIN_S = 90.0


class ModemCause(StrEnum):
    """Why something failed; each has its own advice in `vigibip.modem.advice`."""

    # The SIM.
    NO_SIM = "no-sim"
    SIM_PIN = "sim-pin"
    PIN_WRONG = "pin-wrong"
    SIM_PUK = "sim-puk"
    SIM_FAILURE = "sim-failure"
    SIM_BUSY = "sim-busy"
    SIM_WRONG = "sim-wrong"
    SIM_LOCKED = "sim-locked"
    # The network.
    SEARCHING = "searching"
    NO_NETWORK = "no-network"
    NO_SMS_NETWORK = "no-sms-network"
    NETWORK_TIMEOUT = "network-timeout"
    NETWORK_OUT_OF_ORDER = "network-out-of-order"
    CONGESTED = "congested"
    DENIED = "denied"
    NOT_SUBSCRIBED = "not-subscribed"
    NO_SMSC = "no-smsc"
    SMSC_FAILED = "smsc-failed"
    # The message.
    NUMBER_REJECTED = "number-rejected"
    DESTINATION_OUT = "destination-out"
    DUPLICATE = "duplicate"
    BAD_PDU = "bad-pdu"
    # The modem.
    STORE_FULL = "store-full"
    STORE_FAILURE = "store-failure"
    NOT_ALLOWED = "not-allowed"
    NOT_SUPPORTED = "not-supported"
    RESERVED = "reserved"
    MODEM_FAILURE = "modem-failure"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    # What this side saw.
    SILENT = "silent"
    NO_PROMPT = "no-prompt"
    NONSENSE = "nonsense"
    ABSENT = "absent"
    STARTING = "starting"
    HUNG = "hung"
    FAULTY = "faulty"
    OVERLOADED = "overloaded"
    CLOSED = "closed"


class ModemError(PeerError):
    """The modem, its SIM or the network did not do it.

    `advice` is French, for the technician. `retry` False means that this PDU will never go, by
    what the modem said, which may have gone mad: do not give an alert up for it; True, that it may
    go later. `code` is the modem's own words, such as "CMS 331"; "" without any.
    """

    def __init__(self, cause: ModemCause, *, advice: str, retry: bool, code: str = "") -> None:
        super().__init__(f"{cause.value} ({code})" if code else cause.value)
        self.cause = cause
        self.advice = advice
        self.retry = retry
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class ModemHealth:
    """A modem's state and what a technician needs to know. IMEI and ICCID are never logged.

    `detail` is plain English or the modem's own words; `advice` is French. `technology` is "LTE",
    "UMTS", "GSM" or "" while unknown. `plmn` is the network's own number, "208-01", empty where the
    modem does not tell it: names differ, this does not. `signal_dbm` is RSSI on GSM and UMTS, RSRP
    on LTE.
    """

    state: ModemState
    detail: str = ""
    advice: str = ""
    model: str = ""
    firmware: str = ""
    imei: str | None = None
    iccid: str | None = None
    operator: str = ""
    plmn: str = ""
    technology: str = ""
    registered: bool = False
    roaming: bool = False
    signal_dbm: int | None = None
    since_utc: datetime

    def describe(self) -> dict[str, object]:
        """All that may be shown and logged: of the ICCID its last 4 digits, of the IMEI nothing."""
        return {
            "state": self.state.value,
            "detail": self.detail,
            "advice": self.advice,
            "model": self.model,
            "firmware": self.firmware,
            "iccid_last4": self.iccid[-4:] if self.iccid else "",
            "operator": self.operator,
            "plmn": self.plmn,
            "technology": self.technology,
            "registered": self.registered,
            "roaming": self.roaming,
            "signal_dbm": self.signal_dbm,
            "since_utc": self.since_utc.isoformat(),
        }


def words_for_people(health: Mapping[str, object], down_s: float) -> str | None:
    """Return what people are told of a modem that has been down for `down_s`.

    `health` is what `ModemHealth.describe` returned. None while it may pass by itself.
    """
    if health.get("state") not in _NEEDS_A_PERSON and down_s < _PASSES_WITHIN_S:
        return None
    told = (str(health.get(one, "")) for one in ("state", "detail", "advice"))
    return " ; ".join(filter(None, told))


@dataclass(frozen=True, slots=True)
class SubmitResult:
    """The network took the SMS. `reference` is its TP-MR, 0-255: a status report names it."""

    reference: int


class Modem(Protocol):
    """One modem. All methods belong to one event loop."""

    @property
    def name(self) -> str:
        """Its short name, for records and metrics."""
        ...

    @property
    def health(self) -> ModemHealth: ...

    @property
    def counts(self) -> Mapping[str, int]:
        """What happened since the start, by kind."""
        ...

    @property
    def busy(self) -> bool:
        """Whether something is under way that ends without time passing."""
        ...

    def start(self, events: ModemEvents) -> None:
        """Begin to serve; returns at once, and tries for ever."""
        ...

    async def submit(self, tpdu: bytes, *, smsc: bytes = b"", urgent: bool = False) -> SubmitResult:
        """Send one SMS-SUBMIT and return once the network took it, within SUBMIT_MAX_S.

        `smsc` is the service centre as a PDU begins with it, length octet first; empty means the
        SIM's. `urgent` goes before every other command that waits, and is tried even while the
        network seems gone. Raises ModemError.
        """
        ...

    async def close(self) -> None:
        """Stop and give the port back; harmless when repeated."""
        ...


class ModemEvents(Protocol):
    """Who is told what a modem meets."""

    def modem_changed(self, modem: Modem) -> None:
        """Its health changed in state, detail, operator, technology or registration."""
        ...

    async def received(self, modem: Modem, pdu: bytes) -> None:
        """Take an SMS-DELIVER or SMS-STATUS-REPORT, service centre first.

        When it returns, the message is deleted from the modem's store. When it raises
        StorageError, the message is kept and brought again later.
        """
        ...
