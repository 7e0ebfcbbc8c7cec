"""A mobile operator: carries SMS between modems and phones, late, twice, out of order, or never.

All randomness comes from one generator; everything that happens is counted. What it does not
play: cells, voice, roaming, and the operators' own filters.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime

from vigibip.base.clock import Clock
from vigibip.modem.simulated.network import NetworkRefusedError, Subscriber
from vigibip.sms.address import Address
from vigibip.sms.errors import PduError
from vigibip.sms.pdu import (
    Submit,
    decode_submit,
    encode_deliver,
    encode_status_report,
)

SERVICE_CENTRE = "+33639980000"

_MINUTE_S = 60.0
# 3GPP TS 24.011, RP causes; a modem tells them as +CMS ERROR.
_BARRED, _REJECTED, _CONGESTION = 8, 21, 42
# TP-Status, 3GPP TS 23.040, 9.2.3.15.
_RECEIVED, _NOT_OBTAINABLE, _EXPIRED, _DELETED = 0x00, 0x43, 0x46, 0x48
_VALIDITY_S = 48 * 3600.0
# An operator keeps some hundred messages for a phone that is off; what comes then is lost.
_WAITING_MAX = 200
# Messages under way at once; far beyond what a town sends, so that a loop of ours is seen.
_UNDER_WAY_MAX = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorWeather:
    """What befalls SMS; shares are 0.0 to 1.0, each message by itself."""

    delay_s: float = 3.0
    jitter_s: float = 0.0
    """At most so much is added to delay_s, evenly; messages may overtake one another."""
    lost: float = 0.0
    """Share of the messages that the network took and nobody gets. No report follows."""
    duplicated: float = 0.0
    held_back: float = 0.0
    """Share of the messages that come `held_back_s` later, after those sent after them."""
    held_back_s: float = 20.0
    report_delay_s: float = 1.0
    report_lost: float = 0.0
    report_late: float = 0.0
    report_late_s: float = 600.0
    correspondents_max: int | None = None
    """Numbers that a SIM may write to in a calendar month; consumer SIMs: 99 to 250."""
    rate_per_min: float | None = None
    """Messages that a SIM may send in any 60 s."""

    def __post_init__(self) -> None:
        shares = (self.lost, self.duplicated, self.held_back, self.report_lost, self.report_late)
        if not all(0.0 <= share <= 1.0 for share in shares):
            raise ValueError("a share is between 0 and 1")
        durations = (self.delay_s, self.jitter_s, self.held_back_s, self.report_delay_s)
        if min(*durations, self.report_late_s) < 0:
            raise ValueError("a delay is not negative")


FAIR = OperatorWeather()


@dataclass(slots=True)
class _Waiting:
    """A message for one number: `pdu` as its modem gets it."""

    pdu: bytes
    expires_s: float
    report: Callable[[int], None]
    """Called with the TP-Status once its fate is known."""


@dataclass(slots=True)
class _Line:
    """A number: who is registered with it now, what waits for it, what it has sent."""

    subscriber: Subscriber | None = None
    waiting: deque[_Waiting] = field(default_factory=deque)
    reference: int = 0
    sent_s: deque[float] = field(default_factory=deque)
    month: tuple[int, int] = (0, 0)
    correspondents: set[str] = field(default_factory=set)


class Operator:
    """A RadioNetwork. All methods belong to one event loop."""

    def __init__(
        self, clock: Clock, chance: random.Random, weather: OperatorWeather = FAIR
    ) -> None:
        self.weather = weather
        self.counts: Counter[str] = Counter()
        self.refuses_with: int | None = None
        """The CMS code that every message is refused with; None: none is."""
        self.submitted: list[Callable[[str, Submit], None]] = []
        """Called with each sender's number and message as the network takes it."""
        self._clock = clock
        self._chance = chance
        self._lines: dict[str, _Line] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    def change(self, **what: float | None) -> None:
        """Change the named properties of the weather, from the next message on."""
        self.weather = replace(self.weather, **what)  # type: ignore[arg-type]

    @property
    def waiting(self) -> int:
        """Messages that wait for a number that is off, or whose store is full."""
        return sum(len(line.waiting) for line in self._lines.values())

    def attach(self, modem: Subscriber) -> None:
        """A subscriber has registered; what waits for its number is delivered."""
        line = self._lines.setdefault(modem.number, _Line())
        line.subscriber = modem
        self._drain(line)

    def detach(self, modem: Subscriber) -> None:
        line = self._lines.get(modem.number)
        if line is not None and line.subscriber is modem:
            line.subscriber = None

    def memory_available(self, modem: Subscriber) -> None:
        line = self._lines.get(modem.number)
        if line is not None and line.subscriber is modem:
            self._drain(line)

    def submit(self, modem: Subscriber, tpdu: bytes) -> int:
        """Take a SMS-SUBMIT. Raises NetworkRefusedError."""
        sender = modem.number
        line = self._lines.setdefault(sender, _Line())
        sent_utc = self._clock.utc()
        try:
            submit = decode_submit(tpdu)
            pdu = encode_deliver(
                Address.parse(sender),
                submit.data,
                sent_utc=sent_utc,
                smsc=SERVICE_CENTRE,
                pid=submit.pid,
            )
        except PduError as error:
            self.counts["refused: no PDU"] += 1
            raise NetworkRefusedError(_REJECTED) from error
        to = submit.to.e164()
        self._check_limits(line, to)
        if len(self._under_way) >= _UNDER_WAY_MAX:
            raise NetworkRefusedError(_CONGESTION)
        self.counts["taken"] += 1
        reference, line.reference = line.reference, (line.reference + 1) % 256
        for told in self.submitted:
            told(sender, submit)

        def report(status: int) -> None:
            if submit.report:
                self._start(self._report(sender, submit.to, reference, sent_utc, status))

        validity_s = _VALIDITY_S if submit.validity_s is None else submit.validity_s
        expires_s = self._clock.monotonic_s() + validity_s
        self._start(self._carry(to, _Waiting(pdu, expires_s, report)))
        return reference

    def bring(self, number: str, pdu: bytes) -> None:
        """Give `number` a PDU of anybody's, whatever it is, at once; service centre first."""
        line = self._lines.setdefault(number, _Line())
        self.counts["brought"] += 1
        expires_s = self._clock.monotonic_s() + _VALIDITY_S
        self._hand_over(line, _Waiting(pdu, expires_s, lambda _status: None))

    async def close(self) -> None:
        """Drop what is under way."""
        under_way = list(self._under_way)
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    def _check_limits(self, line: _Line, to: str) -> None:
        if self.refuses_with is not None:
            self.counts["refused: out of order"] += 1
            raise NetworkRefusedError(self.refuses_with)
        now_s = self._clock.monotonic_s()
        while line.sent_s and line.sent_s[0] <= now_s - _MINUTE_S:
            line.sent_s.popleft()
        rate_per_min = self.weather.rate_per_min
        if rate_per_min is not None and len(line.sent_s) >= rate_per_min:
            self.counts["refused: rate"] += 1
            raise NetworkRefusedError(_CONGESTION)
        today = self._clock.utc()
        if line.month != (today.year, today.month):
            line.month = (today.year, today.month)
            line.correspondents.clear()
        limit = self.weather.correspondents_max
        if limit is not None and to not in line.correspondents:
            if len(line.correspondents) >= limit:
                self.counts["refused: correspondents"] += 1
                raise NetworkRefusedError(_BARRED)
            line.correspondents.add(to)
        if rate_per_min is not None:
            line.sent_s.append(now_s)

    async def _carry(self, to: str, message: _Waiting) -> None:
        weather, chance = self.weather, self._chance
        lost = chance.random() < weather.lost
        twice = chance.random() < weather.duplicated
        delay_s = weather.delay_s + chance.uniform(0.0, weather.jitter_s)
        if chance.random() < weather.held_back:
            self.counts["held back"] += 1
            delay_s += weather.held_back_s
        await self._clock.sleep(delay_s)
        if lost:
            self.counts["lost"] += 1
            return
        line = self._lines.get(to)
        if line is None:
            self.counts["nobody"] += 1
            message.report(_NOT_OBTAINABLE)
            return
        self._hand_over(line, message)
        if twice:
            self.counts["duplicated"] += 1
            again = _Waiting(message.pdu, message.expires_s, lambda _status: None)
            self._hand_over(line, again)

    def _hand_over(self, line: _Line, message: _Waiting) -> None:
        if self._clock.monotonic_s() > message.expires_s:
            self.counts["expired"] += 1
            message.report(_EXPIRED)
        elif line.subscriber is not None and line.subscriber.deliver(message.pdu):
            self.counts["delivered"] += 1
            message.report(_RECEIVED)
        elif len(line.waiting) >= _WAITING_MAX:
            self.counts["dropped"] += 1
            message.report(_DELETED)
        else:
            line.waiting.append(message)

    def _drain(self, line: _Line) -> None:
        waiting, line.waiting = line.waiting, deque()
        for message in waiting:
            self._hand_over(line, message)

    async def _report(
        self, sender: str, recipient: Address, reference: int, sent_utc: datetime, status: int
    ) -> None:
        weather, chance = self.weather, self._chance
        done_utc = self._clock.utc()
        lost = chance.random() < weather.report_lost
        delay_s = weather.report_delay_s
        if chance.random() < weather.report_late:
            self.counts["reports late"] += 1
            delay_s += weather.report_late_s
        await self._clock.sleep(delay_s)
        if lost:
            self.counts["reports lost"] += 1
            return
        self.counts["reports"] += 1
        pdu = encode_status_report(
            reference,
            recipient,
            sent_utc=sent_utc,
            done_utc=done_utc,
            status=status,
            smsc=SERVICE_CENTRE,
        )
        expires_s = self._clock.monotonic_s() + _VALIDITY_S
        line = self._lines.setdefault(sender, _Line())
        self._hand_over(line, _Waiting(pdu, expires_s, lambda _status: None))

    def _start(self, life: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(life)
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.result()
