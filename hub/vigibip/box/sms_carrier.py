"""The `sms` carrier: alerts to the post by SMS, and its receipts and answers that come back."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import tzinfo

from vigibip.alert.ids import AlertId
from vigibip.alert.messages import Alert, Answer, BoxStatus, OfficerAnswer, Receipt
from vigibip.alert.sms_form import SmsKind, SmsMessage
from vigibip.base.clock import Clock
from vigibip.base.trace import Trace
from vigibip.box import sms_words
from vigibip.box.carrier import CarrierEvents
from vigibip.box.path_proof import PathProof
from vigibip.box.schedule import Schedule
from vigibip.box.sms_path import SmsPath
from vigibip.box.sms_settings import SmsSettings
from vigibip.box.timers import Timers
from vigibip.box.trust import ClockTrust
from vigibip.sms.errors import SmsError
from vigibip.sms.lanes import Lane

_log = logging.getLogger(__name__)

_PREFIX = "alert"
# What the modem gave up did not go: it is tried again sooner than an SMS that may be on its way.
_FAILED_PAUSE_S = 10.0
_FAILURES_MAX = 3
# An SMS every three seconds is what modems do; what waits longer for its turn is told older.
_BACKLOG_IN_FLIGHT = 2
_BACKLOG_HOLD_S = 15.0


def sms_schedule(settings: SmsSettings) -> Schedule:
    """Return the plan of SMS: behind data, seldom again, for each one costs and takes its time."""
    return Schedule(
        start_after_s=settings.start_after_s,
        again_s=settings.retry_pauses_s,
        jitter=0.0,
        backlog_in_flight=_BACKLOG_IN_FLIGHT,
        backlog_hold_s=_BACKLOG_HOLD_S,
        # The modem's queue keeps what did not leave, and what left is the network's.
        resend_on_up=False,
        silent_after_s=None,
    )


class _Waiting:
    """One alert that was handed over and has no receipt."""

    __slots__ = ("alert", "failures", "gone", "handed_s", "number", "rests_until_s")

    def __init__(self) -> None:
        self.alert: Alert | None = None
        self.handed_s = 0.0
        self.number = -1
        """Which of the post's numbers has it, counted on each time that one had its turn."""
        self.gone = False
        """It left, or was given up: nothing of it waits in the modem's queue."""
        self.failures = 0
        """Since the last hand-over."""
        self.rests_until_s = 0.0
        """An earlier run's SMS has its pause until then."""


class SmsCarrier:
    """A Carrier over an SmsPath. One SMS a hand-over, to the post's next number each time."""

    def __init__(
        self,
        *,
        schedule: Schedule,
        zone: tzinfo,
        path: SmsPath,
        proof: PathProof,
        clock: Clock,
        trust: ClockTrust,
        timers: Timers,
        trace: Trace,
    ) -> None:
        self.name = "sms"
        self.schedule = schedule
        self._zone = zone
        self._path = path
        self._proof = proof
        self._clock = clock
        self._trust = trust
        self._timers = timers
        self._trace = trace
        self._events: CarrierEvents | None = None
        self._told_up = False
        self._told_ready = False
        self._waiting: dict[str, _Waiting] = {}
        path.join(_PREFIX, self)
        path.on_message = self._take

    @property
    def up(self) -> bool:
        """True also while only the network seems gone: an alert is worth the attempt."""
        return (
            self._events is not None and self._path.tries_alerts and bool(self._path.post_numbers)
        )

    @property
    def counts(self) -> Mapping[str, int]:
        return self._path.counts

    @property
    def in_flight(self) -> int:
        return len(self._waiting)

    @property
    def busy(self) -> bool:
        return self._path.busy

    def start(self, events: CarrierEvents) -> None:
        self._events = events
        self._path.start()
        self._proof.start()
        self.path_changed()

    def send(self, alert: Alert) -> bool:
        if not self.up:
            return False
        now_s = self._clock.monotonic_s()
        waiting = self._waiting.get(alert.alert)
        if waiting is None:
            waiting = self._waiting[alert.alert] = _Waiting()
            waiting.rests_until_s = now_s + self._rest_s(alert.alert)
            if waiting.rests_until_s > now_s:
                waiting.gone = True
                self._timers.call_in(
                    waiting.rests_until_s - now_s, lambda: self._rested(alert.alert)
                )
        waiting.alert = alert
        waiting.handed_s = now_s
        waiting.failures = 0
        if now_s < waiting.rests_until_s:
            return True
        if waiting.number < 0 or waiting.gone:
            waiting.number += 1
        # Else it has not left for that number yet: written anew, it keeps its turn there.
        self._write(waiting)
        return True

    def withdraw(self, alert: str) -> None:
        """Its receipt came, by whichever way: what has not left yet stays here."""
        self._path.memory.waits_no_more(AlertId.parse(alert))
        if self._waiting.pop(alert, None) is not None:
            self._path.withdraw(f"{_PREFIX}:{alert}")

    def acknowledge(self, sequence: int) -> None:
        """Nothing: the post asks for it over data; an SMS more would tell nobody anything."""

    def tell_status(self, status: BoxStatus) -> None:
        """Nothing: that this box lives is told over data, that this path does by a probe."""

    def tell_gesture(self, alert: Alert) -> None:
        """Never: it goes over data alone."""
        del alert

    def tell_officer_answer(self, answer: OfficerAnswer) -> bool:
        """Never: it goes over data alone."""
        del answer
        return False

    async def close(self) -> None:
        self._events = None
        await self._path.close()

    # PathUser

    def path_changed(self) -> None:
        if self._events is None:
            return
        was_up, was_ready = self._told_up, self._told_ready
        self._told_up = self.up
        self._told_ready = self._told_up and self._path.up
        if was_up and not self._told_up:
            self._events.carrier_down(self)
        # A network that is there again is news, whatever was tried without it.
        if (self._told_up and not was_up) or (self._told_ready and not was_ready):
            for waiting in self._waiting.values():
                # Written while the modem was gone: its age is told anew.
                if not waiting.gone:
                    self._write(waiting)
            self._events.carrier_up(self)

    def sms_left(self, key: str) -> None:
        if (waiting := self._of(key)) is not None and not waiting.gone:
            waiting.gone = True
            alert = key.partition(":")[2]
            self._trace.stamp("box.sms_sent", alert)
            self._path.memory.has_left(AlertId.parse(alert))

    def sms_failed(self, key: str, error: SmsError) -> None:
        waiting = self._of(key)
        if waiting is None or self._events is None:
            return
        waiting.failures += 1
        waiting.gone = True
        other_number = len(self._path.post_numbers) > 1
        if waiting.failures > _FAILURES_MAX or not (error.retry or other_number):
            self._proof.refused(error)
            self._events.did_not_leave(self, key.partition(":")[2])
            return
        handed_s = waiting.handed_s

        def again() -> None:
            if self._of(key) is waiting and waiting.handed_s == handed_s:
                waiting.number += 1
                self._write(waiting)

        self._timers.call_in(_FAILED_PAUSE_S, again)

    def _of(self, key: str) -> _Waiting | None:
        return self._waiting.get(key.partition(":")[2])

    # Out

    def _rest_s(self, alert: str) -> float:
        """Return what is left of the pause since an earlier run's SMS of this alert.

        A box that starts again and again would send one each time.
        """
        left = self._path.memory.left_before(AlertId.parse(alert))
        if left is None:
            return 0.0
        count, ago_s = left
        pauses_s = self.schedule.again_s
        return max(0.0, pauses_s[min(count, len(pauses_s)) - 1] - ago_s)

    def _rested(self, alert: str) -> None:
        waiting = self._waiting.get(alert)
        # A later hand-over may have been quicker.
        if waiting is not None and waiting.number < 0 and self._events is not None:
            waiting.number += 1
            self._write(waiting)

    def _write(self, waiting: _Waiting) -> None:
        alert, numbers = waiting.alert, self._path.post_numbers
        if alert is None or not numbers:
            return
        waiting.gone = False
        age_s = alert.age_s
        if age_s is not None:
            age_s += int(self._clock.monotonic_s() - waiting.handed_s)
        now_utc = self._clock.utc() if self._trust.counts_on else None
        message = SmsMessage(
            kind=SmsKind.ALERT,
            sequence=self._path.memory.take_sequence(),
            alerts=(AlertId.parse(alert.alert),),
            age_s=age_s,
            written_s=0 if now_utc is None else int(now_utc.timestamp()),
            late=alert.late,
        )
        contacts = self._path.memory.contacts
        words = sms_words.alert_words(
            "" if contacts is None else contacts.spoken,
            "" if contacts is None else contacts.address,
            sms_words.moment(age_s, now_utc, self._zone),
            self._path.room(message),
        )
        self._path.say(
            numbers[waiting.number % len(numbers)],
            words,
            message,
            lane=Lane.ALERT,
            key=f"{_PREFIX}:{alert.alert}",
            report=True,
        )

    # In

    def _take(self, message: SmsMessage) -> None:
        if message.kind is SmsKind.PROBE_REPLY:
            self._proof.replied(message.answers)
            return
        if self._events is None:
            return
        alerts = [str(alert) for alert in message.alerts]
        if message.kind in (SmsKind.RECEIPT, SmsKind.REFUSAL):
            if any(alert in self._waiting for alert in alerts):
                # Ours went there, and its word came back.
                self._proof.receipt_came()
            verdict = "accepted" if message.kind is SmsKind.RECEIPT else "refused"
            for alert in alerts:
                receipt = {"alert": alert, "verdict": verdict}
                self._events.received_receipt(self, Receipt.model_validate(receipt))
        elif message.answers > 0:
            state = "coming" if message.kind is SmsKind.COMING else "unanswered"
            answer = {"sequence": message.answers, "alerts": alerts, "state": state}
            self._events.received_answer(self, Answer.model_validate(answer))
