"""Which alert leaves when, by which carrier, and what its silence means.

Fresh alerts go at once. The backlog goes oldest first, a few at a time, those that were tried
least often before those that were tried in vain, so that one that the post never answers stops
nobody. Only the post's receipt ends an alert's wait.
"""

from __future__ import annotations

import heapq
import logging
import math
import random
from collections.abc import Sequence

from vigibip.alert.ids import AlertId
from vigibip.alert.life import AlertEvent, AlertState
from vigibip.alert.messages import Alert, Answer, Receipt
from vigibip.base.clock import Clock
from vigibip.base.trace import Trace
from vigibip.box.alerts import AlertBook, BoxAlert
from vigibip.box.carrier import Carrier
from vigibip.box.config import PlanSettings, QueueSettings
from vigibip.box.early_answers import EarlyAnswers
from vigibip.box.faults import FaultCode, Faults
from vigibip.box.timers import Timers

_log = logging.getLogger(__name__)

_JITTER = 0.2


class _Entry:
    """One alert that waits for its receipt."""

    __slots__ = ("alert", "attempts", "flying", "from_backlog", "handed_s")

    def __init__(self, alert: BoxAlert) -> None:
        self.alert = alert
        self.attempts = 0
        self.flying = False
        """Handed to a carrier, and the time to hear of it has not run out."""
        self.from_backlog = False
        self.handed_s: float | None = None
        """When a carrier first had it over the connection of now; None: not yet."""


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
        clock: Clock,
        timers: Timers,
        faults: Faults,
        trace: Trace,
        chance: random.Random,
    ) -> None:
        self._settings = settings
        self._plan = plan
        self._book = book
        self._early_answers = early_answers
        self._carriers = carriers
        self._clock = clock
        self._timers = timers
        self._faults = faults
        self._trace = trace
        self._chance = chance
        self._entries: dict[AlertId, _Entry] = {}
        self._backlog: list[tuple[int, int, AlertId]] = []
        """Heap of (attempts, number, id); an entry that flies or is gone is skipped."""
        self._backlog_flying = 0
        self._post_spoke_s = -math.inf
        """When the last receipt came."""

    def __len__(self) -> int:
        return len(self._entries)

    def restore(self) -> None:
        """Take in what the book has from before the start."""
        for alert in self._book:
            if alert.waiting:
                entry = self._entries[alert.alert_id] = _Entry(alert)
                self._push_back(entry)
            if alert.state is AlertState.PARKED:
                self._begin_refused(alert)
            self._watch(alert)

    def offer(self, alert: BoxAlert) -> None:
        """A new press: every carrier that is up has it when this returns."""
        entry = self._entries[alert.alert_id] = _Entry(alert)
        self._send(entry)
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
        entry = self._entries.get(alert.alert_id)
        if entry is None:
            entry = self._entries[alert.alert_id] = _Entry(alert)
        return self._send(entry)

    # CarrierEvents

    def carrier_up(self, carrier: Carrier) -> None:
        _log.info("carrier %s is up, %d alerts wait", carrier.name, len(self._entries))
        # What was handed over before may be lost: the ids make sending it again harmless.
        self._backlog.clear()
        self._backlog_flying = 0
        fresh = []
        for entry in self._entries.values():
            entry.flying = entry.from_backlog = False
            entry.handed_s = None
            if self._is_fresh(entry.alert):
                fresh.append(entry)
            else:
                self._push_back(entry)
        for entry in fresh:
            self._send(entry)
        self._send_backlog()

    def carrier_down(self, carrier: Carrier) -> None:
        _log.info("carrier %s is down", carrier.name)

    def received_receipt(self, carrier: Carrier, receipt: Receipt) -> None:
        self._post_spoke_s = self._clock.monotonic_s()
        self._faults.clear(FaultCode.POST_SILENT)
        alert = self._book.get(AlertId.parse(receipt.alert))
        if alert is None:
            _log.warning("a receipt for an alert that this box does not remember")
            return
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
        self._leave(alert.alert_id)

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

        def acknowledge(_done: object) -> None:
            if not saving.cancelled() and saving.result():
                carrier.acknowledge(answer.sequence)

        saving.add_done_callback(acknowledge)

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

    # Sending

    def _is_fresh(self, alert: BoxAlert) -> bool:
        now_s = self._clock.monotonic_s()
        age_s = alert.age(now_s)
        # An age that nobody knows: what this box opened lately is fresh, an older one may not be.
        known_s = now_s - alert.opened_s if age_s is None else age_s
        return known_s < self._settings.fresh_below_s and (age_s is not None or not alert.restored)

    def _send(self, entry: _Entry) -> bool:
        alert = entry.alert
        message = Alert(
            alert=str(alert.alert_id),
            age_s=alert.age(self._clock.monotonic_s()),
            late=alert.late,
            battery_mv=alert.battery_mv,
            rssi_dbm=alert.rssi_dbm,
        )
        handed = [carrier for carrier in self._carriers if carrier.send(message)]
        if not handed:
            return False
        if entry.attempts == 0:
            self._trace.stamp("box.published", message.alert)
        entry.attempts += 1
        entry.flying = True
        if entry.handed_s is None:
            entry.handed_s = self._clock.monotonic_s()
            self._timers.call_in(
                self._plan.not_reached_after_s, lambda: self._look_for_silence(entry)
            )
        wait_s = min(
            self._settings.receipt_wait_max_s,
            self._settings.receipt_wait_s * 2.0 ** min(entry.attempts - 1, 16),
        )
        wait_s *= 1 + self._chance.uniform(-_JITTER, _JITTER)
        attempt = entry.attempts
        self._timers.call_in(wait_s, lambda: self._no_receipt(entry, attempt))
        return True

    def _no_receipt(self, entry: _Entry, attempt: int) -> None:
        current = self._entries.get(entry.alert.alert_id) is entry
        if not current or not entry.flying or entry.attempts != attempt:
            return
        _log.info("alert %s: no receipt yet, sending it again", entry.alert.alert_id)
        self._look_for_silence(entry)
        self._land(entry)
        if self._is_fresh(entry.alert) and self._send(entry):
            return
        self._push_back(entry)
        self._send_backlog()

    def _look_for_silence(self, entry: _Entry) -> None:
        # A live broker in front of a dead post: every carrier is up and nobody takes the alerts.
        waits = self._entries.get(entry.alert.alert_id) is entry
        if not waits or entry.handed_s is None or not any(one.up for one in self._carriers):
            return
        since_s = max(entry.handed_s, self._post_spoke_s)
        if self._clock.monotonic_s() - since_s >= self._plan.not_reached_after_s:
            self._faults.begin(FaultCode.POST_SILENT, f"alert {entry.alert.alert_id} waits")

    def _send_backlog(self) -> None:
        while self._backlog and self._backlog_flying < self._settings.backlog_in_flight:
            attempts, number, alert_id = heapq.heappop(self._backlog)
            entry = self._entries.get(alert_id)
            if entry is None or entry.flying or entry.attempts != attempts:
                continue
            if not self._send(entry):
                heapq.heappush(self._backlog, (attempts, number, alert_id))
                return
            entry.from_backlog = True
            self._backlog_flying += 1

    def _push_back(self, entry: _Entry) -> None:
        heapq.heappush(self._backlog, (entry.attempts, entry.alert.number, entry.alert.alert_id))

    def _land(self, entry: _Entry) -> None:
        entry.flying = False
        if entry.from_backlog:
            entry.from_backlog = False
            self._backlog_flying -= 1

    def _leave(self, alert_id: AlertId) -> None:
        entry = self._entries.pop(alert_id, None)
        if entry is not None:
            self._land(entry)
            self._send_backlog()

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
