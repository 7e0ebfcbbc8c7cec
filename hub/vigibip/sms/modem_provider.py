"""SMS through one modem."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from collections import Counter, deque
from collections.abc import Callable, Mapping

from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError
from vigibip.base.waiting import woken
from vigibip.modem.causes import SUSPECT
from vigibip.modem.contract import Modem, ModemError, ModemState
from vigibip.sms.contract import (
    Capabilities,
    IncomingSms,
    OutgoingSms,
    SmsEvents,
    SmsTicket,
)
from vigibip.sms.delivery_reports import DeliveryReports, Outcome
from vigibip.sms.errors import PduError, SmsError, TextError
from vigibip.sms.lanes import Lane
from vigibip.sms.outbox import Outbox, Sending
from vigibip.sms.pdu import Deliver, StatusReport, decode, encode_submit
from vigibip.sms.reassembly import Reassembly
from vigibip.sms.segments import References, segment

_log = logging.getLogger(__name__)

ATTEMPTS_MAX = 3
RETRY_DELAYS_S = (2.0, 6.0)
"""Short: whoever submitted has retries of its own, in minutes."""
_JITTER = 0.25
_MISTAKE_PAUSE_S = 1.0
# The least urgent lane that is tried in a state; in the others none is. A modem may be wrong
# about its network, and an alert is worth the attempt.
_SENDS = {
    ModemState.READY: Lane.PROBE,
    ModemState.SEARCHING: Lane.ALERT,
    ModemState.DENIED: Lane.ALERT,
}


def _nobody(_sender: str) -> bool:
    return False


class ModemProvider:
    """An SmsProvider that owns `modem`: `start` starts it, `close` closes it.

    One part is in the modem at a time, and the next is chosen when the modem is free again: an
    ALERT goes before the next part, whatever waits, even between the parts of another text. The
    rate holds back everything else, never an ALERT. What the modem calls passing is tried
    ATTEMPTS_MAX times in all, an ALERT also what a modem that has gone mad would refuse for ever.
    While the modem is not ready, what waits goes on waiting; an ALERT is tried all the same when
    only the network seems gone.

    `known` tells whose parts strangers must not push out; it is given a sender as IncomingSms
    has it. `country` is the country code of national numbers.
    """

    def __init__(
        self,
        modem: Modem,
        *,
        rate_per_min: float = 20.0,
        clock: Clock,
        chance: random.Random,
        known: Callable[[str], bool] = _nobody,
        country: str = "33",
    ) -> None:
        self._modem = modem
        self._clock = clock
        self._chance = chance
        self._known = known
        self._country = country
        self._capabilities = Capabilities(
            rate_per_min=rate_per_min, two_way=True, delivery_reports=True, sender="number"
        )
        self._ids = itertools.count(1)
        self._references = References(chance.randrange(256))
        self._outbox = Outbox(rate_per_min)
        self._reports = DeliveryReports(clock)
        self._reassembly = Reassembly(clock)
        self._counts: Counter[str] = Counter()
        self._events: SmsEvents | None = None
        self._in_modem: Sending | None = None
        self._failures: deque[tuple[Sending, SmsError]] = deque()
        self._changed = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._told_up = False
        self._receiving = 0

    # ---- what it is

    @property
    def name(self) -> str:
        return self._modem.name

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    @property
    def up(self) -> bool:
        return self._works and self._modem.health.state is ModemState.READY

    @property
    def tries_alerts(self) -> bool:
        return self._works and self._modem.health.state in _SENDS

    @property
    def counts(self) -> Mapping[str, int]:
        parts = {f"parts-{kind}": count for kind, count in self._reassembly.counts.items()}
        return self._counts + Counter(parts)

    @property
    def busy(self) -> bool:
        return bool(self._receiving or self._failures or self._modem.busy)

    @property
    def waiting(self) -> int:
        return len(self._outbox) + (self._in_modem is not None)

    @property
    def minutes_to_empty(self) -> float:
        parts = sum(sending.parts_left for sending in self._outbox)
        if self._in_modem is not None:
            parts += self._in_modem.parts_left
        return parts / self._capabilities.rate_per_min

    @property
    def health(self) -> Mapping[str, object]:
        """The modem's `describe`, and how much waits in each lane at which rate."""
        lanes = Counter(sending.lane.name.lower() for sending in self._outbox)
        return {
            **self._modem.health.describe(),
            "rate_per_min": self._capabilities.rate_per_min,
            "waiting": self.waiting,
            "waiting_by_lane": dict(lanes),
            "minutes_to_empty": round(self.minutes_to_empty, 1),
            "unfinished_texts": self._reassembly.unfinished,
        }

    # ---- what its user asks

    def start(self, events: SmsEvents) -> None:
        self._events = events
        self._worker = asyncio.create_task(self._work(), name=f"sms {self.name}")
        asyncio.get_running_loop().call_soon(self._tell_failures)
        self._modem.start(self)
        self.modem_changed(self._modem)

    def submit(self, sms: OutgoingSms) -> SmsTicket:
        ticket = SmsTicket(next(self._ids))
        self._counts["submitted"] += 1
        sending = Sending(ticket, sms, [], sms.lane, self._clock.monotonic_s())
        try:
            sending.segments = segment(sms.text, self._references.next())
            encode_submit(sms.to, sending.segments[0])
        except TextError as error:
            cause = "bad-text" if not sending.segments else "bad-number"
            self._fail(sending, SmsError(str(error), cause=cause))
            return ticket
        if self._in_modem is not None and _same(self._in_modem.sms, sms):
            self._in_modem.taken_back = True
        replaced, dropped = self._outbox.put(sending)
        self._counts["replaced"] += len(replaced)
        if dropped is not None:
            self._counts["dropped"] += 1
            self._fail(dropped, SmsError("too much waits", cause="dropped", retry=True))
        self._changed.set()
        return ticket

    def withdraw(self, key: str) -> bool:
        found = self._outbox.take_back(key)
        self._counts["withdrawn"] += len(found)
        if self._in_modem is not None and self._in_modem.sms.key == key:
            self._in_modem.taken_back = True
        return bool(found)

    async def close(self) -> None:
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
        await self._modem.close()
        left_over = [*([self._in_modem] if self._in_modem else []), *self._outbox]
        self._in_modem = None
        self._outbox = Outbox(self._capabilities.rate_per_min)
        for sending in left_over:
            self._fail(sending, SmsError("the provider closed", cause="closed", retry=True))
        self._tell_failures()
        self._events = None

    # ---- what the modem tells

    def modem_changed(self, modem: Modem) -> None:
        del modem  # there is one
        if self._events is not None and self.up != self._told_up:
            self._told_up = self.up
            if self._told_up:
                self._events.provider_up(self)
            else:
                self._events.provider_down(self)
        self._changed.set()

    async def received(self, modem: Modem, pdu: bytes) -> None:
        del modem
        self._receiving += 1
        try:
            message = decode(pdu)
        except PduError as error:
            # It would come again for ever, and fill the SIM: nobody can read it any better.
            self._counts["unreadable"] += 1
            _log.warning("%s: a PDU cannot be read: %s", self.name, error)
        else:
            if isinstance(message, StatusReport):
                self._take_report(message)
            else:
                await self._take_text(message)
        finally:
            self._receiving -= 1

    async def _take_text(self, message: Deliver) -> None:
        if message.for_machines or message.data.ports is not None:
            self._counts["not-for-people"] += 1
            return
        sender = message.sender.e164(self._country)
        whole = self._reassembly.add(message, known=self._known(sender))
        if whole is None:
            self._counts["parts"] += 1
            return
        if self._events is None:
            raise StorageError("nobody is there to take it")
        if whole.text is None:
            self._counts["not-for-people"] += 1
        else:
            sms = IncomingSms(
                sender=sender, text=whole.text, sent_utc=whole.sent_utc, provider=self.name
            )
            await self._events.received(self, sms)
            self._counts["received"] += 1
        self._reassembly.finish(whole)

    def _take_report(self, report: StatusReport) -> None:
        self._counts["status-reports"] += 1
        recipient = report.recipient.e164(self._country)
        self._tell_outcome(self._reports.take(recipient, report.reference, report.status))

    def _tell_outcome(self, outcome: Outcome | None) -> None:
        if outcome is None or self._events is None:
            return
        self._counts["reported"] += 1
        self._events.reported(self, outcome.ticket, outcome.sms, outcome.delivered, outcome.detail)

    # ---- sending

    @property
    def _works(self) -> bool:
        return self._worker is not None and not self._worker.done()

    async def _work(self) -> None:
        while True:
            try:
                await self._work_once()
            except Exception:  # noqa: BLE001 - whose mistake it is, the next alert must leave
                _log.exception("%s: sending failed", self.name)
                self._counts["mistakes"] += 1
                sending, self._in_modem = self._in_modem, None
                if sending is not None:
                    error = SmsError("a mistake in the software", cause="mistake", retry=True)
                    self._give_up(sending, error)
                await self._clock.sleep(_MISTAKE_PAUSE_S)

    async def _work_once(self) -> None:
        self._changed.clear()
        now_s = self._clock.monotonic_s()
        for sending in self._outbox.expired(now_s):
            self._give_up(sending, SmsError("its time is over", cause="expired"))
        down_to = _SENDS.get(self._modem.health.state)
        sending_now = self._outbox.take(now_s, down_to)
        if sending_now is not None:
            await self._send_part(sending_now)
        else:
            await self._wait(self._outbox.wait_s(now_s, down_to))

    async def _wait(self, duration_s: float | None) -> None:
        """Return when something changed, or after `duration_s`."""
        if duration_s is None:
            await self._changed.wait()
        else:
            await woken(self._clock, duration_s, self._changed)

    async def _send_part(self, sending: Sending) -> None:
        now_s = self._clock.monotonic_s()
        expires_s = sending.expires_s
        tpdu = encode_submit(
            sending.sms.to,
            sending.segments[sending.index],
            validity_s=None if expires_s is None else expires_s - now_s,
            status_report=sending.sms.report,
        )
        self._in_modem = sending
        self._outbox.went(now_s)
        try:
            result = await self._modem.submit(tpdu, urgent=sending.lane is Lane.ALERT)
        except ModemError as error:
            self._in_modem = None
            self._refused(sending, error)
        else:
            self._in_modem = None
            self._part_left(sending, result.reference)

    def _part_left(self, sending: Sending, reference: int) -> None:
        self._counts["parts-left"] += 1
        sending.index += 1
        sending.attempts = 0
        last = not sending.parts_left
        if not last:
            self._outbox.hold(sending)
        elif self._events is not None:
            self._counts["left"] += 1
            self._events.left(self, sending.ticket, sending.sms)
        if sending.sms.report:
            self._tell_outcome(
                self._reports.part_left(sending.ticket, sending.sms, reference, last=last)
            )

    def _refused(self, sending: Sending, error: ModemError) -> None:
        sending.attempts += 1
        self._counts["refused"] += 1
        _log.info("%s: attempt %d failed: %s", self.name, sending.attempts, error)
        # A modem out of its mind says "never" of a sound PDU as well. Asking again is how the modem
        # room learns of it, and an alert is worth that.
        doubted = sending.lane is Lane.ALERT and error.cause in SUSPECT
        again = error.retry or doubted
        if again and sending.attempts < ATTEMPTS_MAX and not sending.taken_back:
            delay_s = RETRY_DELAYS_S[sending.attempts - 1]
            delay_s *= self._chance.uniform(1 - _JITTER, 1 + _JITTER)
            sending.not_before_s = self._clock.monotonic_s() + delay_s
            self._outbox.hold(sending)
            return
        given_up = SmsError(
            str(error), cause=error.cause.value, advice=error.advice, retry=error.retry
        )
        given_up.__cause__ = error
        self._give_up(sending, given_up)

    # ---- failures are told from the event loop, never from inside `submit`

    def _give_up(self, sending: Sending, error: SmsError) -> None:
        self._reports.given_up(sending.ticket)
        self._fail(sending, error)

    def _fail(self, sending: Sending, error: SmsError) -> None:
        self._counts["failed"] += 1
        self._failures.append((sending, error))
        self._changed.set()
        if self._events is not None:
            asyncio.get_running_loop().call_soon(self._tell_failures)

    def _tell_failures(self) -> None:
        while self._failures and self._events is not None:
            sending, error = self._failures.popleft()
            self._events.failed(self, sending.ticket, sending.sms, error)


def _same(one: OutgoingSms, other: OutgoingSms) -> bool:
    return (one.key, one.to) == (other.key, other.to)
