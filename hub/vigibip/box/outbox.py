"""The alerts that wait, what the post says of them, and the plan's time limits.

Each carrier has a lane of its own, which hands it the alerts as its schedule says. Only the
post's receipt, by whichever carrier, ends an alert's wait.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from typing import Protocol

from vigibip.alert.ids import AlertId
from vigibip.alert.life import AlertEvent, AlertState
from vigibip.alert.messages import Answer, Contacts, Receipt
from vigibip.base.clock import Clock
from vigibip.base.trace import Trace
from vigibip.box.alerts import AlertBook, BoxAlert
from vigibip.box.carrier import Carrier
from vigibip.box.config import PlanSettings, QueueSettings
from vigibip.box.early_answers import EarlyAnswers
from vigibip.box.faults import FaultCode, Faults
from vigibip.box.gesture_telling import Gestures
from vigibip.box.lane import Lane
from vigibip.box.timers import Timers

_log = logging.getLogger(__name__)


class AlertWatcher(Protocol):
    """Who else acts on how the alerts stand, beside the carriers."""

    def alert_waits(self, alert: BoxAlert) -> None:
        """It waits for its receipt from now on, or still does after a restart."""
        ...

    def alert_settled(self, alert: BoxAlert) -> None:
        """Its receipt or an answer came; maybe not the first."""
        ...

    def post_answered(self, answer: Answer) -> None: ...

    def carrier_up(self, carrier: Carrier) -> None: ...

    def carrier_down(self, carrier: Carrier) -> None: ...

    def take_contacts(self, contacts: Contacts) -> None: ...


class Outbox:
    """Every waiting alert, and the plan's two time limits. Is the carriers' CarrierEvents."""

    def __init__(
        self,
        *,
        settings: QueueSettings,
        plan: PlanSettings,
        book: AlertBook,
        early_answers: EarlyAnswers,
        carriers: Sequence[Carrier],
        gestures: Gestures,
        clock: Clock,
        timers: Timers,
        faults: Faults,
        trace: Trace,
        chance: random.Random,
        watcher: AlertWatcher | None = None,
    ) -> None:
        self._settings = settings
        self._watcher = watcher
        self._gestures = gestures
        self._plan = plan
        self._book = book
        self._early_answers = early_answers
        self._clock = clock
        self._timers = timers
        self._faults = faults
        self._trace = trace
        self._waiting: dict[AlertId, BoxAlert] = {}
        self._lanes: list[Lane] = []
        for carrier in carriers:
            lane = Lane(
                carrier,
                self._lanes,
                clock=clock,
                timers=timers,
                faults=faults,
                chance=chance,
                is_fresh=self._is_fresh,
                handed_over=self._handed_over,
            )
            self._lanes.append(lane)

    def __len__(self) -> int:
        return len(self._waiting)

    def restore(self) -> None:
        """Take in what the book has from before the start."""
        for alert in self._book:
            if alert.waiting:
                self._waiting[alert.alert_id] = alert
                for lane in self._lanes:
                    lane.restore(alert)
                if self._watcher is not None:
                    self._watcher.alert_waits(alert)
            if alert.state is AlertState.PARKED:
                self._begin_refused(alert)
            self._watch(alert)

    def offer(self, alert: BoxAlert) -> None:
        """A new press: every carrier whose schedule says "at once" has it when this returns."""
        self._waiting[alert.alert_id] = alert
        for lane in self._lanes:
            lane.offer(alert)
        if self._watcher is not None:
            self._watcher.alert_waits(alert)
        self._watch(alert)
        early = self._early_answers.take(alert.alert_id)
        if early is not None:
            self._take_answer(alert, early.sequence, early.state)

    def stored(self, alert: BoxAlert) -> None:
        """The alert is on the disk; its time without a receipt may have run out before that."""
        if self._clock.monotonic_s() - alert.opened_s >= self._plan.not_reached_after_s:
            self._receipt_due(alert)

    def resend(self, alert: BoxAlert) -> bool:
        """Send a parked alert again, as one that waits; return whether a carrier has it now.

        It stays parked, with its fault, until the post takes it. Saving it is left to the caller.
        """
        alert.receipt = None
        alert.receipt_utc = None
        alert.revision += 1
        self._waiting[alert.alert_id] = alert
        handed = False
        for lane in self._lanes:
            handed |= lane.offer(alert)
        return handed

    # CarrierEvents

    def carrier_up(self, carrier: Carrier) -> None:
        _log.info("carrier %s is up, %d alerts wait", carrier.name, len(self._waiting))
        self._lane_of(carrier).came_up()
        if self._watcher is not None:
            self._watcher.carrier_up(carrier)

    def carrier_down(self, carrier: Carrier) -> None:
        _log.info("carrier %s is down", carrier.name)
        for lane in self._lanes:
            if lane.carrier is not carrier:
                lane.another_went_down()
        if self._watcher is not None:
            self._watcher.carrier_down(carrier)

    def did_not_leave(self, carrier: Carrier, alert: str) -> None:
        self._lane_of(carrier).did_not_leave(AlertId.parse(alert))

    def received_receipt(self, carrier: Carrier, receipt: Receipt) -> None:
        lane = self._lane_of(carrier)
        lane.spoke()
        alert = self._book.get(AlertId.parse(receipt.alert))
        if alert is None:
            _log.warning("a receipt for an alert that this box does not remember")
            return
        self._gestures.received(alert, receipt)
        accepted = receipt.verdict == "accepted"
        if alert.receipt == "accepted" or (alert.receipt == "refused" and not accepted):
            return
        self._trace.stamp("box.receipt", str(alert.alert_id))
        _log.info("alert %s: %s, by %s", alert.alert_id, receipt.verdict, carrier.name)
        alert.receipt = receipt.verdict
        alert.receipt_reason = receipt.reason
        alert.receipt_utc = self._clock.utc()
        alert.revision += 1
        self._book.apply(alert, AlertEvent.RECEIPT if accepted else AlertEvent.REFUSED)
        if accepted:
            self._faults.clear(FaultCode.REFUSED, str(alert.alert_id))
            if alert.delivered_s is None:
                alert.delivered_s = self._clock.monotonic_s()
            self._watch(alert)
        else:
            self._begin_refused(alert)
        self._book.save([alert])
        self._leave(alert.alert_id, lane)
        if self._watcher is not None:
            self._watcher.alert_settled(alert)

    def received_answer(self, carrier: Carrier, answer: Answer) -> None:
        concerned, early = [], []
        for text in answer.alerts:
            alert = self._book.get(AlertId.parse(text))
            if alert is not None:
                concerned.append(alert)
                self._take_answer(alert, answer.sequence, answer.state)
            elif (kept := self._early_answers.keep(AlertId.parse(text), answer)) is not None:
                early.append(kept)
        saving = self._book.save(concerned, early)
        if self._watcher is not None:
            for alert in concerned:
                self._watcher.alert_settled(alert)
            self._watcher.post_answered(answer)

        def acknowledge(_done: object) -> None:
            if not saving.cancelled() and saving.result():
                carrier.acknowledge(answer.sequence)

        saving.add_done_callback(acknowledge)

    def received_contacts(self, _carrier: Carrier, contacts: Contacts) -> None:
        if self._watcher is not None:
            self._watcher.take_contacts(contacts)

    def _lane_of(self, carrier: Carrier) -> Lane:
        return next(lane for lane in self._lanes if lane.carrier is carrier)

    def _begin_refused(self, alert: BoxAlert) -> None:
        if alert.state is not AlertState.PARKED:
            return
        reason = alert.receipt_reason or "no reason was given"
        self._faults.begin(FaultCode.REFUSED, reason, str(alert.alert_id))

    def _take_answer(self, alert: BoxAlert, sequence: int, state: str) -> None:
        if alert.answer_sequence is not None and alert.answer_sequence >= sequence:
            return
        self._trace.stamp("box.answer", str(alert.alert_id))
        alert.answer_sequence = sequence
        alert.revision += 1
        if state == "coming":
            self._book.apply(alert, AlertEvent.ANSWER)
        elif alert.state is not AlertState.COMING:
            # Nobody answered what the post has: it has it. The wait goes on all the same, because
            # the receipt alone says that it is on the post's disk.
            self._book.apply(alert, AlertEvent.RECEIPT)
            self._book.apply(alert, AlertEvent.ANSWER_OVERDUE)
        self._faults.clear(FaultCode.REFUSED, str(alert.alert_id))

    def _is_fresh(self, alert: BoxAlert) -> bool:
        now_s = self._clock.monotonic_s()
        age_s = alert.age(now_s)
        # An age that nobody knows: what this box opened lately is fresh, an older one may not be.
        known_s = now_s - alert.opened_s if age_s is None else age_s
        return known_s < self._settings.fresh_below_s and (age_s is not None or not alert.restored)

    def _handed_over(self, alert: BoxAlert) -> None:
        if not alert.handed_over:
            alert.handed_over = True
            self._trace.stamp("box.published", str(alert.alert_id))

    def _leave(self, alert_id: AlertId, by: Lane) -> None:
        if self._waiting.pop(alert_id, None) is not None:
            for lane in self._lanes:
                lane.leave(alert_id, by_another=lane is not by)
                lane.carrier.withdraw(str(alert_id))

    # The plan's time limits

    def _watch(self, alert: BoxAlert) -> None:
        now_s = self._clock.monotonic_s()
        if alert.state in (AlertState.OPENED, AlertState.HEARD):
            due_s = alert.opened_s + self._plan.not_reached_after_s
            self._timers.call_in(due_s - now_s, lambda: self._receipt_due(alert))
        elif alert.state is AlertState.DELIVERED and alert.delivered_s is not None:
            due_s = alert.delivered_s + self._plan.unanswered_after_s
            self._timers.call_in(due_s - now_s, lambda: self._answer_due(alert))

    def _receipt_due(self, alert: BoxAlert) -> None:
        # One that is not on the disk yet is looked at again once it is.
        if alert.state is not AlertState.HEARD:
            return
        if self._book.apply(alert, AlertEvent.RECEIPT_OVERDUE):
            self._book.save([alert])

    def _answer_due(self, alert: BoxAlert) -> None:
        if alert.state is not AlertState.DELIVERED:
            return
        if self._book.apply(alert, AlertEvent.ANSWER_OVERDUE):
            self._book.save([alert])
