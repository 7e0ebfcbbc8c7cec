"""One carrier's share of the outbox: what it was handed, when, and when it is handed it again.

Fresh alerts go when their time comes. The backlog goes oldest first, a few at a time, those that
were tried least often before those that were tried in vain, so that one that the post never
answers stops nobody. Lanes share nothing: what one carrier has or lost is no other's business.
"""

from __future__ import annotations

import heapq
import logging
import math
import random
from collections.abc import Callable, Sequence

from vigibip.alert.ids import AlertId
from vigibip.base.clock import Clock
from vigibip.box.alerts import BoxAlert
from vigibip.box.carrier import Carrier
from vigibip.box.faults import FaultCode, Faults
from vigibip.box.timers import Timers

_log = logging.getLogger(__name__)

# A timer may come a rounding error early.
_DUE_WITHIN_S = 0.001


class _Try:
    """One alert that waits for its receipt, on one carrier."""

    __slots__ = (
        "alert",
        "begun",
        "flying",
        "handed_over",
        "handed_s",
        "holds_place",
        "lost",
        "since_s",
    )

    def __init__(self, alert: BoxAlert, since_s: float) -> None:
        self.alert = alert
        self.since_s = since_s
        self.begun = False
        """False while the carriers before this one have their time with it."""
        self.handed_over = 0
        self.flying = False
        """Handed over, and the pause after that has not run out."""
        self.lost = False
        """Handed over, and known not to have left."""
        self.holds_place = False
        self.handed_s: float | None = None
        """When the carrier first had it, since it last came up when that matters; None: not yet."""


class Lane:
    """Hands every waiting alert to one carrier, as its schedule says."""

    def __init__(
        self,
        carrier: Carrier,
        before: Sequence[Lane],
        *,
        clock: Clock,
        timers: Timers,
        faults: Faults,
        chance: random.Random,
        is_fresh: Callable[[BoxAlert], bool],
        handed_over: Callable[[BoxAlert], None],
    ) -> None:
        """`before`: the lanes of the carriers listed before it."""
        self.carrier = carrier
        self._schedule = carrier.schedule
        self._before = tuple(before)
        self._clock = clock
        self._timers = timers
        self._faults = faults
        self._chance = chance
        self._is_fresh = is_fresh
        self._handed_over = handed_over
        self._tries: dict[AlertId, _Try] = {}
        self._backlog: list[tuple[int, int, AlertId]] = []
        """Heap of (hand-overs, number, id); one that flies or is gone is skipped."""
        self._places = 0
        self._looking_again = False
        self._up_since_s = -math.inf
        self._spoke_s = -math.inf
        """When the last receipt came by this carrier."""

    def restore(self, alert: BoxAlert) -> None:
        """Take in an alert from before the start; the carriers are not started yet."""
        one = self._tries[alert.alert_id] = _Try(alert, self._clock.monotonic_s())
        if self._before:
            # A carrier that has not told anything yet may well be up in a moment.
            self._timers.call_in(self._schedule.start_after_s, lambda: self._begin(one))
        else:
            one.begun = True
            self._push_back(one)

    def offer(self, alert: BoxAlert) -> bool:
        """Take in an alert that is new to the carrier; return whether it has it already."""
        self.leave(alert.alert_id)
        one = self._tries[alert.alert_id] = _Try(alert, self._clock.monotonic_s())
        if self._defers(one):
            return False
        one.begun = True
        # New: at once, whatever its age and whatever waits.
        if self._hand_over(one):
            return True
        self._push_back(one)
        return False

    def leave(self, alert_id: AlertId, *, by_another: bool = False) -> None:
        """Its wait is over, `by_another`: by another carrier's receipt."""
        one = self._tries.pop(alert_id, None)
        if one is None:
            return
        if not by_another:
            one.handed_s = None
        elif FaultCode.POST_SILENT in self._faults.codes():
            self._tell_silence(one)
        if math.isinf(self._schedule.backlog_hold_s):
            self._land(one)
        # Else its place comes back in its time: an alert that another carrier delivers draws no
        # costly message of the next one after it.
        self._send_backlog()

    def came_up(self) -> None:
        """The carrier can send."""
        self._up_since_s = self._clock.monotonic_s()
        self._backlog.clear()
        fresh = []
        for one in self._tries.values():
            if self._schedule.resend_on_up or one.lost:
                # The ids make sending it again harmless.
                self._land(one)
                one.handed_s = None
            if one.flying or not one.begun or self._defers(one):
                continue
            if self._is_fresh(one.alert):
                fresh.append(one)
            else:
                self._push_back(one)
        for one in fresh:
            if not self._hand_over(one):
                self._push_back(one)
        self._send_backlog()

    def another_went_down(self) -> None:
        """A carrier before this one is down: nobody waits for it any more."""
        for one in [one for one in self._tries.values() if not one.begun]:
            self._begin(one)

    def spoke(self) -> None:
        """A receipt came by this carrier."""
        self._spoke_s = self._clock.monotonic_s()
        if self._schedule.silent_after_s is not None:
            self._faults.clear(FaultCode.POST_SILENT)

    def did_not_leave(self, alert_id: AlertId) -> None:
        """The carrier gave up on what it was handed: its place is free, its next time stands."""
        one = self._tries.get(alert_id)
        if one is not None and one.flying:
            one.lost = True
            self._give_place_back(one)
            self._send_backlog()

    # First

    def _begin(self, one: _Try) -> None:
        if one.begun or self._tries.get(one.alert.alert_id) is not one or self._defers(one):
            return
        one.begun = True
        self._go(one)

    def _defers(self, one: _Try) -> bool:
        """Tell whether those before it have their time yet; if so `_begin` follows."""
        if one.handed_over:
            return False
        up_since_s = [lane._up_since_s for lane in self._before if lane.carrier.up]
        if not up_since_s:
            return False
        head_start_from_s = max(one.since_s, min(up_since_s))
        wait_s = head_start_from_s + self._schedule.start_after_s - self._clock.monotonic_s()
        if wait_s <= _DUE_WITHIN_S:
            return False
        one.begun = False
        self._timers.call_in(wait_s, lambda: self._begin(one))
        return True

    # Each time

    def _go(self, one: _Try) -> None:
        if self._is_fresh(one.alert) and self._hand_over(one):
            return
        self._push_back(one)
        self._send_backlog()

    def _hand_over(self, one: _Try) -> bool:
        alert, now_s = one.alert, self._clock.monotonic_s()
        if not self.carrier.send(alert.message(now_s)):
            self._look_again_later()
            return False
        self._handed_over(alert)
        one.handed_over += 1
        one.flying, one.lost = True, False
        if one.handed_s is None:
            one.handed_s = now_s
            if self._schedule.silent_after_s is not None:
                self._timers.call_in(
                    self._schedule.silent_after_s, lambda: self._look_for_silence(one)
                )
        time = one.handed_over
        pause_s = self._schedule.pause_s(time, self._chance)
        self._timers.call_in(pause_s, lambda: self._pause_is_over(one, time))
        return True

    def _look_again_later(self) -> None:
        # Down: coming up is what ends it. Up and yet not able: nothing else would.
        if self.carrier.up and not self._looking_again:
            self._looking_again = True
            self._timers.call_in(self._schedule.pause_s(1, self._chance), self._look_again)

    def _look_again(self) -> None:
        self._looking_again = False
        self._send_backlog()

    def _pause_is_over(self, one: _Try, time: int) -> None:
        current = self._tries.get(one.alert.alert_id) is one
        if not current or not one.flying or one.handed_over != time:
            return
        _log.info("alert %s: no receipt by %s yet", one.alert.alert_id, self.carrier.name)
        self._look_for_silence(one)
        self._land(one)
        self._go(one)

    def _send_backlog(self) -> None:
        while self._backlog and self._places < self._schedule.backlog_in_flight:
            handed_over, number, alert_id = heapq.heappop(self._backlog)
            one = self._tries.get(alert_id)
            if one is None or one.flying or one.handed_over != handed_over or not one.begun:
                continue
            if self._defers(one):
                continue
            if not self.carrier.up or not self._hand_over(one):
                heapq.heappush(self._backlog, (handed_over, number, alert_id))
                return
            one.holds_place = True
            self._places += 1
            if math.isfinite(self._schedule.backlog_hold_s):
                self._release_later(one)

    def _release_later(self, one: _Try) -> None:
        time = one.handed_over

        def release() -> None:
            if one.handed_over == time:
                self._give_place_back(one)
                self._send_backlog()

        self._timers.call_in(self._schedule.backlog_hold_s, release)

    def _push_back(self, one: _Try) -> None:
        heapq.heappush(self._backlog, (one.handed_over, one.alert.number, one.alert.alert_id))

    def _land(self, one: _Try) -> None:
        one.flying = one.lost = False
        self._give_place_back(one)

    def _give_place_back(self, one: _Try) -> None:
        if one.holds_place:
            one.holds_place = False
            self._places -= 1

    # Silence

    def _look_for_silence(self, one: _Try) -> None:
        # A live broker in front of a dead post: the carrier is up and nobody takes the alerts.
        silent_after_s = self._schedule.silent_after_s
        if silent_after_s is None or one.handed_s is None or not self.carrier.up:
            return
        if one.handed_s < self._up_since_s:
            return
        silent_since_s = max(one.handed_s, self._spoke_s)
        if self._clock.monotonic_s() - silent_since_s < silent_after_s:
            return
        if self._tries.get(one.alert.alert_id) is one:
            self._faults.begin(FaultCode.POST_SILENT, f"alert {one.alert.alert_id} waits")
        else:
            self._tell_silence(one)

    def _tell_silence(self, one: _Try) -> None:
        # Nothing is on its way that would show the end of it: told like an event.
        if self._schedule.silent_after_s is not None:
            self._faults.tell(
                FaultCode.POST_SILENT,
                f"alert {one.alert.alert_id}: no receipt by {self.carrier.name}, only by another",
            )
