"""By which ways each box was heard, and when: in memory, with what the store knew at the start."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from vigibip.base.clock import Clock
from vigibip.post.store.paths import PathView

# After a restart: an alert by SMS as old as this waits no more for an SMS.
_ALERT_COUNTS = timedelta(hours=24)


def _nobody(_box_id: str) -> None:
    pass


class Ways:
    """`on_data` is called whenever a box has spoken over data that was reached by SMS alone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard_s: dict[str, float] = {}
        self._proven_s: dict[str, float] = {}
        self._expected_s: dict[str, float] = {}
        self._alert_s: dict[str, float] = {}
        self._by_sms: set[str] = set()
        self._remembered: set[str] = set()
        self._heard_before: dict[str, datetime] = {}
        self._unwritten: dict[str, datetime] = {}
        self.somebody_new = False
        """A box was heard for the first time of all, and nobody has taken that yet."""
        self.on_data: Callable[[str], None] = _nobody

    def restore(self, paths: Iterable[PathView]) -> None:
        """Take over what the store knows; what was heard since the start is newer."""
        now, now_s = self._clock.utc(), self._clock.monotonic_s()
        expected: dict[str, float] = {}
        for path in paths:
            box_id = path.box_id
            if path.heard_at is not None:
                self._heard_before.setdefault(box_id, path.heard_at)
            if path.phone is not None and path.expected_since is not None:
                expected[box_id] = now_s - _seconds(now, path.expected_since)
            if path.proven_at is not None:
                proven_s = now_s - _seconds(now, path.proven_at)
                self._proven_s[box_id] = max(proven_s, self._proven_s.get(box_id, proven_s))
            if path.alert_at is not None:
                alert_s = now_s - _seconds(now, path.alert_at)
                self._alert_s[box_id] = max(alert_s, self._alert_s.get(box_id, alert_s))
            recent = path.alert_at is not None and now - path.alert_at < _ALERT_COUNTS
            silent = path.heard_at is None or (path.alert_at or now) > path.heard_at
            if recent and silent and box_id not in self._heard_s and box_id not in self._by_sms:
                self._by_sms.add(box_id)
                self._remembered.add(box_id)
        self._expected_s = expected

    # What happens

    def heard(self, box_id: str) -> None:
        """The box has said something authentic over data."""
        if not self.ever_heard(box_id):
            self.somebody_new = True
        self._heard_s[box_id] = self._clock.monotonic_s()
        self._unwritten[box_id] = self._clock.utc()
        if box_id in self._by_sms:
            self._by_sms.discard(box_id)
            self._remembered.discard(box_id)
            self.on_data(box_id)

    def proven(self, box_id: str) -> None:
        """The box has said something authentic and new by SMS."""
        self._proven_s[box_id] = self._clock.monotonic_s()

    def alert_by_sms(self, box_id: str) -> None:
        """An alert of the box came by SMS: nothing says that data would reach it."""
        self._alert_s[box_id] = self._clock.monotonic_s()
        self._by_sms.add(box_id)
        self._remembered.discard(box_id)

    def data_is_silent(self, box_id: str) -> None:
        """Data does not bring the box what waits for it."""
        self._by_sms.add(box_id)

    # What is known

    def by_sms_alone(self, box_id: str) -> bool:
        """True from an alert by SMS, or from data's silence, until the box is heard over data."""
        return box_id in self._by_sms

    def remembered(self, box_id: str) -> bool:
        """True while that is known from before the start alone: data may reach it by now."""
        return box_id in self._remembered

    def heard_within(self, box_id: str, duration_s: float) -> bool:
        heard_s = self._heard_s.get(box_id)
        return heard_s is not None and self._clock.monotonic_s() - heard_s <= duration_s

    def heard_s(self, box_id: str) -> float | None:
        """When it was last heard over data since the start, on the monotonic clock."""
        return self._heard_s.get(box_id)

    def ever_heard(self, box_id: str) -> bool:
        return box_id in self._heard_s or box_id in self._heard_before

    def last_heard_at(self, box_id: str) -> datetime | None:
        heard_s = self._heard_s.get(box_id)
        if heard_s is None:
            return self._heard_before.get(box_id)
        return self._clock.utc() - timedelta(seconds=self._clock.monotonic_s() - heard_s)

    def proven_s(self, box_id: str) -> float | None:
        """When SMS of it last proved that way; negative: before this machine's clock began."""
        return self._proven_s.get(box_id)

    def proven_by_alert(self, box_id: str) -> bool:
        """True while the last SMS that proved that way was an alert."""
        alert_s, proven_s = self._alert_s.get(box_id), self._proven_s.get(box_id)
        return alert_s is not None and proven_s is not None and alert_s >= proven_s

    def expected_s(self, box_id: str) -> float | None:
        """Since when its SMS way is expected to work; None: it has none."""
        return self._expected_s.get(box_id)

    def take_unwritten(self, at_most: int) -> dict[str, datetime]:
        """Return who was heard when, as far as nobody has taken it yet."""
        self.somebody_new = False
        boxes = list(self._unwritten)[:at_most]
        return {box_id: self._unwritten.pop(box_id) for box_id in boxes}


def _seconds(now: datetime, before: datetime) -> float:
    """A time from the future, from before the clock was set back, counts as now."""
    return max(0.0, (now - before).total_seconds())
