"""What leaves the post by SMS: through the modem that is asked for, or another one that is up."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from vigibip.sms.contract import OutgoingSms, SmsProvider, SmsTicket
from vigibip.sms.errors import SmsError
from vigibip.sms.lanes import Lane

_log = logging.getLogger(__name__)

# SMS whose fate may still be told; a report that comes after so many others is not waited for.
_REMEMBERED_MAX = 2000


def _nothing() -> None:
    pass


def _no_report(_delivered: bool | None) -> None:
    pass


@dataclass(slots=True, eq=False)
class Unit:
    """One SMS until it has left or was given up; the callbacks are called at most once each.

    A copy that two modems send is one SMS for its box: both carry the same sequence.
    """

    sms: OutgoingSms
    on_left: Callable[[], None] = _nothing
    on_failed: Callable[[], None] = _nothing
    on_report: Callable[[bool | None], None] = _no_report
    provider: SmsProvider | None = None
    tried: set[str] = field(default_factory=set)
    """Names of the providers that have given it up."""
    over: bool = False
    """It has left, was given up, or was taken back."""


class Sender:
    """Over the post's providers. Their owner passes their events on to the methods named alike."""

    def __init__(self, providers: Sequence[SmsProvider]) -> None:
        self.providers = tuple(providers)
        self.counts: Counter[str] = Counter()
        self._units: dict[tuple[str, int], Unit] = {}

    @property
    def up(self) -> bool:
        return any(provider.up for provider in self.providers)

    def send(self, unit: Unit, via: SmsProvider | None = None) -> None:
        """Hand it over: to `via` while that is up, else to the one with the least to do."""
        provider = self._choose(via, unit.tried)
        if provider is None:
            unit.over = True
            unit.on_failed()
            return
        unit.provider = provider
        self.counts["submitted"] += 1
        ticket = provider.submit(unit.sms)
        self._units[(provider.name, ticket.id)] = unit
        while len(self._units) > _REMEMBERED_MAX:
            del self._units[next(iter(self._units))]

    def withdraw(self, unit: Unit) -> bool:
        """Take it back; False when it is leaving, or has: then what it says is said."""
        if unit.over or unit.provider is None or not unit.provider.withdraw(unit.sms.key):
            return False
        unit.over = True
        self.counts["withdrawn"] += 1
        return True

    # What the providers tell

    def provider_up(self, provider: SmsProvider) -> None:
        """What waits at others that are down goes by this one."""
        self._move(lambda of: of is not provider and not of.up, but=provider.name)

    def provider_down(self, provider: SmsProvider) -> None:
        """What still waits there goes by another, if one is up."""
        if self.up:
            self._move(lambda of: of is provider)

    def _move(self, away: Callable[[SmsProvider], bool], *, but: str = "") -> None:
        """Hand what waits at such providers over again, but what `but` has given up."""
        for unit in list(dict.fromkeys(self._units.values())):
            of = unit.provider
            if of is not None and not unit.over and but not in unit.tried and away(of):
                of.withdraw(unit.sms.key)
                self.send(unit)

    def left(self, provider: SmsProvider, ticket: SmsTicket) -> None:
        self.counts["left"] += 1
        unit = self._units.get((provider.name, ticket.id))
        if unit is not None and not unit.sms.report:
            del self._units[(provider.name, ticket.id)]
        if unit is not None and not unit.over:
            unit.over = True
            unit.on_left()

    def failed(self, provider: SmsProvider, ticket: SmsTicket, error: SmsError) -> None:
        self.counts["failed"] += 1
        unit = self._units.pop((provider.name, ticket.id), None)
        if unit is None or unit.over or unit.provider is not provider:
            return
        _log.warning("%s: an SMS did not leave: %s", provider.name, error)
        unit.tried.add(provider.name)
        others_up = any(one.up and one.name not in unit.tried for one in self.providers)
        if others_up and error.cause not in ("bad-text", "bad-number", "expired", "closed"):
            self.send(unit)
            return
        unit.over = True
        unit.on_failed()

    def reported(self, provider: SmsProvider, ticket: SmsTicket, delivered: bool | None) -> None:
        self.counts[{True: "delivered", False: "undelivered", None: "unknown"}[delivered]] += 1
        unit = self._units.pop((provider.name, ticket.id), None)
        if unit is not None:
            unit.on_report(delivered)

    def _choose(self, via: SmsProvider | None, tried: set[str]) -> SmsProvider | None:
        left = [one for one in self.providers if one.name not in tried]
        if via is not None and via in left and via.up:
            return via
        up = [one for one in left if one.up]
        if up:
            return min(up, key=lambda one: one.minutes_to_empty)
        return via if via in left else next(iter(left), None)


def to_box(number: str, text: str, lane: Lane, key: str, valid_s: float, report: bool) -> Unit:
    """Return an SMS to a box's number as a Unit without callbacks."""
    sms = OutgoingSms(to=number, text=text, lane=lane, key=key, report=report, valid_s=valid_s)
    return Unit(sms)
