"""Officers' proven answers that the post has not confirmed: told over data again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from vigibip.alert.ids import AlertId
from vigibip.alert.messages import OfficerAnswer
from vigibip.base.clock import Clock
from vigibip.box.alerts import AlertBook
from vigibip.box.store import OfficerCallRecord
from vigibip.box.timers import Timer, Timers
from vigibip.box.trust import ClockTrust

_TELL_EACH_S = 60.0


class OfficerAnswers:
    """What the disk holds of them is in memory too; forgetting it there is its user's."""

    def __init__(self, *, book: AlertBook, clock: Clock, trust: ClockTrust, timers: Timers) -> None:
        self._book = book
        self._clock = clock
        self._trust = trust
        self._timers = timers
        self._records: dict[AlertId, OfficerCallRecord] = {}
        self._next: Timer | None = None
        self.tell_post: Callable[[OfficerAnswer], None] = lambda _answer: None
        """Tells the post over data; lost when that is down."""

    def add(self, record: OfficerCallRecord) -> None:
        """Tell the post of `record`, which has its digest, from the next `tell_soon` on."""
        self._records[record.alert_id] = record

    def confirmed(self, alert_ids: Iterable[AlertId]) -> list[AlertId]:
        """The post's own "coming" for these is here; return those that it need not be told of."""
        return [one for one in alert_ids if self._records.pop(one, None) is not None]

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
                self.tell_post(
                    OfficerAnswer(
                        alert=str(record.alert_id),
                        digest=record.digest.hex(),
                        age_s=self._age_s(record),
                    )
                )
        if self._records:
            self._tell_in(_TELL_EACH_S)

    def _age_s(self, record: OfficerCallRecord) -> int | None:
        if record.answered_utc is None or not self._trust.counts_on:
            return None
        return max(0, int((self._clock.utc() - record.answered_utc).total_seconds()))
