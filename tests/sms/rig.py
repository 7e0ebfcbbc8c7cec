"""A Modem that says what a test tells it to, and a user of a provider that writes all down."""

import asyncio
import random
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime

from vigibip.base.clock import DrivenClock
from vigibip.base.errors import StorageError
from vigibip.modem.contract import (
    Modem,
    ModemCause,
    ModemError,
    ModemEvents,
    ModemHealth,
    ModemState,
    SubmitResult,
)
from vigibip.sms.address import Address
from vigibip.sms.contract import IncomingSms, OutgoingSms, SmsProvider, SmsTicket
from vigibip.sms.errors import SmsError
from vigibip.sms.lanes import Lane
from vigibip.sms.modem_provider import ModemProvider
from vigibip.sms.pdu import Submit, decode_submit, encode_deliver, encode_status_report
from vigibip.sms.segments import segment
from vigibip.sms.user_data import of_segment

POST, OFFICER, STRANGER = "+33639980001", "+33639980002", "+33639980003"
LONG = "Bulletin de la police municipale : " + "attention aux faux agents du gaz. " * 8
MORNING = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
PASSING = ModemError(ModemCause.CONGESTED, advice="Attendre.", retry=True, code="CMS 42")
FOR_EVER = ModemError(ModemCause.NUMBER_REJECTED, advice="Vérifier.", retry=False, code="CMS 21")


class ToldModem:
    """Obeys the Modem contract: each submit takes `submit_s`, then ends as `outcomes` says."""

    name = "told"

    def __init__(self, clock: DrivenClock, submit_s: float = 3.0) -> None:
        self.clock = clock
        self.submit_s = submit_s
        self.outcomes: deque[ModemError | int] = deque()
        """What the next submits end with: an error, or a reference; then references count on."""
        self.state = ModemState.READY
        self.taken: list[tuple[float, Submit, bool]] = []
        """When each submit began, what it was, and whether it was urgent."""
        self.at_once = 0
        self.most_at_once = 0
        self.closed = False
        self._next_reference = 0
        self._events: ModemEvents | None = None

    @property
    def health(self) -> ModemHealth:
        return ModemHealth(state=self.state, since_utc=MORNING)

    @property
    def counts(self) -> dict[str, int]:
        return {}

    @property
    def busy(self) -> bool:
        return False

    @property
    def events(self) -> ModemEvents:
        assert self._events is not None
        return self._events

    def start(self, events: ModemEvents) -> None:
        self._events = events

    def turn(self, state: ModemState) -> None:
        self.state = state
        self.events.modem_changed(self)

    async def submit(self, tpdu: bytes, *, smsc: bytes = b"", urgent: bool = False) -> SubmitResult:
        self.taken.append((self.clock.monotonic_s(), decode_submit(tpdu), urgent))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.clock.sleep(self.submit_s)
        finally:
            self.at_once -= 1
        outcome = self.outcomes.popleft() if self.outcomes else self._next_reference
        if isinstance(outcome, ModemError):
            raise outcome
        self._next_reference = (outcome + 1) % 256
        return SubmitResult(outcome)

    async def close(self) -> None:
        self.closed = True

    @property
    def texts(self) -> list[str | None]:
        return [submit.data.text for _, submit, _ in self.taken]


@dataclass
class Diary:
    """SmsEvents that keeps what it is told."""

    up: list[bool] = field(default_factory=list)
    texts: list[IncomingSms] = field(default_factory=list)
    gone: list[OutgoingSms] = field(default_factory=list)
    failures: list[tuple[OutgoingSms, SmsError]] = field(default_factory=list)
    reports: list[tuple[OutgoingSms, bool | None, str]] = field(default_factory=list)
    storage_refuses: int = 0
    order: list[tuple[str, int]] = field(default_factory=list)

    def provider_up(self, provider: SmsProvider) -> None:
        self.up.append(True)

    def provider_down(self, provider: SmsProvider) -> None:
        self.up.append(False)

    async def received(self, provider: SmsProvider, sms: IncomingSms) -> None:
        await asyncio.sleep(0)
        if self.storage_refuses:
            self.storage_refuses -= 1
            raise StorageError("the disk refused")
        self.texts.append(sms)

    def left(self, provider: SmsProvider, ticket: SmsTicket, sms: OutgoingSms) -> None:
        self.order.append(("left", ticket.id))
        self.gone.append(sms)

    def failed(
        self, provider: SmsProvider, ticket: SmsTicket, sms: OutgoingSms, error: SmsError
    ) -> None:
        self.order.append(("failed", ticket.id))
        self.failures.append((sms, error))

    def reported(
        self,
        provider: SmsProvider,
        ticket: SmsTicket,
        sms: OutgoingSms,
        delivered: bool | None,
        detail: str,
    ) -> None:
        self.order.append(("reported", ticket.id))
        self.reports.append((sms, delivered, detail))


def provider_on(modem: Modem, clock: DrivenClock, rate_per_min: float = 20.0) -> ModemProvider:
    return ModemProvider(
        modem,
        rate_per_min=rate_per_min,
        clock=clock,
        chance=random.Random(1),
        known=lambda sender: sender in (POST, OFFICER),
    )


def sms(text: str, lane: Lane = Lane.OTHER, /, **fields: object) -> OutgoingSms:
    """Return an SMS to the post whose key is its text, where `fields` do not say otherwise."""
    values: dict[str, object] = {"to": POST, "key": text, "text": text, "lane": lane} | fields
    return OutgoingSms(**values)  # type: ignore[arg-type]


def texts_from(sender: str, text: str, reference: int = 7) -> list[bytes]:
    """Return the PDUs with which a network brings `text`."""
    return [
        encode_deliver(Address.parse(sender), of_segment(one), sent_utc=MORNING)
        for one in segment(text, reference)
    ]


def status_report(reference: int, status: int = 0, recipient: str = POST) -> bytes:
    return encode_status_report(
        reference, Address.parse(recipient), sent_utc=MORNING, done_utc=MORNING, status=status
    )
