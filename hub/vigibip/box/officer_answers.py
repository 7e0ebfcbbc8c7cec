"""Officers' proven answers that the post has not confirmed: told over data, for a day."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from vigibip.alert.ids import AlertId
from vigibip.alert.messages import OfficerAnswer
from vigibip.base.clock import Clock
from vigibip.box.alerts import AlertBook
from vigibip.box.store import OfficerCallRecord
from vigibip.box.timers import Timer, Timers
from vigibip.box.trust import ClockTrust

_log = logging.getLogger(__name__)

_TELL_EACH_S = 60.0
# A post that was told all this time knows, and has not found it proven: its console shows that.
_TOLD_FOR_S = 24 * 3600.0


class OfficerAnswers:
    """What the disk holds of them is in memory too; forgetting it there is its user's."""

    def __init__(self, *, book: AlertBook, clock: Clock, trust: ClockTrust, timers: Timers) -> None:
        self._book = book
        self._clock = clock
        self._trust = trust
        self._timers = timers
        self._records: dict[AlertId, OfficerCallRecord] = {}
        self._told_since_s: dict[AlertId, float] = {}
        self._next: Timer | None = None
        self.tell_post: Callable[[OfficerAnswer], bool] = lambda _answer: False
        """Tells the post over data; False when that is down."""
        self.given_up: Callable[[list[AlertId]], None] = lambda _alert_ids: None
        """Called with those that the post is not told of any more."""

    def add(self, record: OfficerCallRecord) -> None:
        """Tell the post of `record`, which has its digest, from the next `tell_soon` on."""
        self._records[record.alert_id] = record

    def confirmed(self, alert_ids: Iterable[AlertId]) -> list[AlertId]:
        """The post's own "coming" for these is here; return those that it need not be told of."""
        return [one for one in alert_ids if self._drop(one)]

    def tell_soon(self) -> None:
        """Something changed: data is up, a receipt came, an answer did."""
        if self._records:
            self._tell_in(0.0)

    def _tell_in(self, delay_s: float) -> None:
        if self._next is not None:
            self._next.cancel()
        self._next = self._timers.call_in(delay_s, self._tell)

    def _tell(self) -> None:
        for record in self._records.values():
            alert = self._book.get(record.alert_id)
            # Before its receipt the post does not know the alert.
            if record.digest is not None and (alert is None or alert.receipt is not None):
                told = self.tell_post(
                    OfficerAnswer(
                        alert=str(record.alert_id),
                        digest=record.digest.hex(),
                        age_s=self._age_s(record),
                    )
                )
                if told:
                    self._told_since_s.setdefault(record.alert_id, self._clock.monotonic_s())
        self._give_up_old()
        if self._records:
            self._tell_in(_TELL_EACH_S)

    def _give_up_old(self) -> None:
        before_s = self._clock.monotonic_s() - _TOLD_FOR_S
        old = [one for one, since_s in self._told_since_s.items() if since_s <= before_s]
        for alert_id in old:
            _log.warning("alert %s: the post does not confirm the officer's answer", alert_id)
            self._drop(alert_id)
        if old:
            self.given_up(old)

    def _drop(self, alert_id: AlertId) -> bool:
        self._told_since_s.pop(alert_id, None)
        return self._records.pop(alert_id, None) is not None

    def _age_s(self, record: OfficerCallRecord) -> int | None:
        if record.answered_utc is None or not self._trust.counts_on:
            return None
        return max(0, int((self._clock.utc() - record.answered_utc).total_seconds()))
