"""Which SMS a status report speaks of: by the network's reference and the recipient."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from vigibip.base.clock import Clock
from vigibip.sms.contract import OutgoingSms, SmsTicket
from vigibip.sms.fields import Status

EXPECTED_MAX = 1024
"""References. Each recipient has 256 of them at most before they come round."""
EARLY_MAX = 64
EARLY_S = 120.0
"""A report may overtake the modem's own answer to the SMS, but not by more than this."""

_Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The final word on one SMS, all its parts together."""

    ticket: SmsTicket
    sms: OutgoingSms
    delivered: bool | None
    detail: str


@dataclass(slots=True)
class _Awaited:
    ticket: SmsTicket
    sms: OutgoingSms
    outstanding: set[int] = field(default_factory=set)
    statuses: list[Status] = field(default_factory=list)
    left: bool = False
    doubtful: bool = False
    """One of its references still belonged to an older SMS to the same number."""


class DeliveryReports:
    """Matches reports with what was sent. A reference that comes round forgets what had it; which
    of the two its report speaks of nobody knows, so that the newer one is never told delivered."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._awaited: OrderedDict[_Key, _Awaited] = OrderedDict()
        self._early: OrderedDict[_Key, tuple[float, Status]] = OrderedDict()
        self._unfinished: dict[SmsTicket, _Awaited] = {}

    def part_left(
        self, ticket: SmsTicket, sms: OutgoingSms, reference: int, *, last: bool
    ) -> Outcome | None:
        """The network took a part as `reference`; return the outcome if all is known by now."""
        awaited = self._unfinished.setdefault(ticket, _Awaited(ticket, sms))
        awaited.left = last
        if last:
            del self._unfinished[ticket]
        key = (sms.to, reference)
        awaited.doubtful |= self._awaited.pop(key, awaited) is not awaited
        early_s, status = self._early.pop(key, (0.0, None))
        if status is not None and self._clock.monotonic_s() - early_s <= EARLY_S:
            awaited.statuses.append(status)
        else:
            awaited.outstanding.add(reference)
            self._awaited[key] = awaited
            if len(self._awaited) > EXPECTED_MAX:
                self._awaited.popitem(last=False)
        return self._outcome(awaited)

    def given_up(self, ticket: SmsTicket) -> None:
        """The rest of it will not leave: reports of its parts mean nothing any more."""
        awaited = self._unfinished.pop(ticket, None)
        if awaited is not None:
            self._forget(awaited)

    def take(self, recipient: str, reference: int, status: Status) -> Outcome | None:
        """Take a report; return the outcome if it was the last one needed."""
        if not status.final:
            return None
        key = (recipient, reference)
        awaited = self._awaited.pop(key, None)
        if awaited is None:
            self._early[key] = (self._clock.monotonic_s(), status)
            if len(self._early) > EARLY_MAX:
                self._early.popitem(last=False)
            return None
        awaited.outstanding.discard(reference)
        awaited.statuses.append(status)
        return self._outcome(awaited)

    def _outcome(self, awaited: _Awaited) -> Outcome | None:
        """A part that never will arrive decides at once; else the last report does."""
        if not awaited.left:
            return None
        failed = [status for status in awaited.statuses if status.delivered is False]
        if awaited.outstanding and not failed:
            return None
        self._forget(awaited)
        unsure = [status for status in awaited.statuses if status.delivered is None]
        telling = (failed or unsure or awaited.statuses)[0]
        if awaited.doubtful:
            return Outcome(
                awaited.ticket, awaited.sms, None, "its reference was another one's, too"
            )
        return Outcome(awaited.ticket, awaited.sms, telling.delivered, telling.words)

    def _forget(self, awaited: _Awaited) -> None:
        for reference in awaited.outstanding:
            key = (awaited.sms.to, reference)
            if self._awaited.get(key) is awaited:
                del self._awaited[key]
        awaited.outstanding.clear()
