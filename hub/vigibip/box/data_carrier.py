"""The `data` carrier: alerts to the post over MQTT 5 with mutual TLS, and what comes back."""

from __future__ import annotations

import logging
import random
from collections import Counter

from pydantic import BaseModel

from vigibip.alert import topics
from vigibip.alert.messages import (
    MESSAGE_MAX_BYTES,
    Alert,
    Answer,
    AnswerAck,
    BadMacError,
    BadMessageError,
    BoxStatus,
    Contacts,
    OfficerAnswer,
    Receipt,
    open_message,
    seal_message,
)
from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError
from vigibip.box.carrier import CarrierEvents
from vigibip.box.config import DataSettings
from vigibip.box.enrolment import EnrolledPost
from vigibip.box.faults import FaultCode, Faults
from vigibip.box.schedule import Schedule
from vigibip.box.timers import Timer, Timers
from vigibip.box.trust import ClockTrust
from vigibip.mqtt.session import EndCause, Session, SessionSettings

_log = logging.getLogger(__name__)

# A fresh alert does not wait for the next attempt, but a broker that is down is not hammered.
_HURRY_PAUSE_S = 1.0
# A start that goes well is connected before that; one that hangs is a fault from then on.
_START_WITHIN_S = 5.0
# How often an attempt that is under way is looked at.
_CONNECTING_TICK_S = 1.0


class DataCarrier:
    """Keeps one connection to one post's broker, for ever; a Carrier."""

    def __init__(
        self,
        *,
        box_id: str,
        post: EnrolledPost,
        settings: DataSettings,
        schedule: Schedule,
        clock: Clock,
        trust: ClockTrust,
        timers: Timers,
        faults: Faults,
        chance: random.Random,
    ) -> None:
        self.name = "data"
        self.schedule = schedule
        self._box_id = box_id
        self._post = post
        self._settings = settings
        self._clock = clock
        self._trust = trust
        self._timers = timers
        self._faults = faults
        self._chance = chance
        self._events: CarrierEvents | None = None
        self._session: Session | None = None
        self._up = False
        self._closed = False
        self._failures = 0
        self._attempted_s = 0.0
        self._next_attempt: Timer | None = None
        self._ticking: Timer | None = None
        self._awaiting: set[str] = set()
        """Ids of alerts published on this connection, until their receipt."""
        self.counts: Counter[str] = Counter()
        """Messages by what became of them, and connections."""

    @property
    def up(self) -> bool:
        return self._up

    @property
    def in_flight(self) -> int:
        return len(self._awaiting)

    @property
    def busy(self) -> bool:
        session = self._session
        if session is None:
            return False
        return not self._up or session.unacknowledged > 0 or bool(self._awaiting)

    def start(self, events: CarrierEvents) -> None:
        self._events = events
        self._attempt()
        self._timers.call_in(_START_WITHIN_S, self._start_due)

    def send(self, alert: Alert) -> bool:
        if not self._up:
            self._hurry()
            return False
        if not self._publish(topics.ALERT, alert):
            return False
        self._awaiting.add(alert.alert)
        return True

    def withdraw(self, alert: str) -> None:
        # What is published is gone; nobody waits for its receipt on this connection any more.
        self._awaiting.discard(alert)

    def acknowledge(self, sequence: int) -> None:
        self._publish(topics.ANSWER_ACK, AnswerAck(sequence=sequence))

    def tell_status(self, status: BoxStatus) -> None:
        self._publish(topics.STATUS, status)

    def tell_gesture(self, alert: Alert) -> None:
        self._publish(topics.ALERT, alert)

    def tell_officer_answer(self, answer: OfficerAnswer) -> bool:
        return self._publish(topics.OFFICER_ANSWER, answer)

    async def close(self) -> None:
        self._closed = True
        self._up = False
        for timer in (self._next_attempt, self._ticking):
            if timer is not None:
                timer.cancel()
        if self._session is not None:
            self._session.close()
            self._session = None

    def _publish(self, kind: str, message: BaseModel) -> bool:
        if not self._up or self._session is None:
            return False
        payload = seal_message(self._post.up_key, message)
        return self._session.publish(topics.up(self._box_id, kind), payload)

    # The connection's life

    def _attempt(self) -> None:
        self._next_attempt = None
        if self._closed or self._session is not None:
            return
        self._attempted_s = self._clock.monotonic_s()
        sure = self._trust.sure
        if sure:
            self._faults.clear(FaultCode.CLOCK_UNSURE)
        else:
            self._faults.begin(FaultCode.CLOCK_UNSURE, "certificate dates are not looked at")
        self.counts["connection_attempts"] += 1
        try:
            tls = self._post.tls_context(check_time=sure)
        except StorageError as error:
            self.session_ended(EndCause.BROKEN, str(error))
            return
        settings = SessionSettings(
            host=self._post.broker_host,
            port=self._post.broker_port,
            tls=tls,
            identity=self._box_id,
            subscription=topics.all_down(self._box_id),
            message_max_bytes=MESSAGE_MAX_BYTES,
            keepalive_s=self._settings.keepalive_s,
            connect_timeout_s=self._settings.connect_timeout_s,
            # Once for the name and TCP, once for TLS, and then the broker's word: each can hang.
            up_within_s=2 * self._settings.connect_timeout_s + self._settings.publish_ack_wait_s,
            acknowledged_within_s=self._settings.publish_ack_wait_s,
        )
        self._session = Session(settings, self, self._clock)
        self._session.connect()
        self._ticking = self._timers.call_in(_CONNECTING_TICK_S, self._tick)

    def _start_due(self) -> None:
        if not self._closed and not self._up and self._failures == 0:
            self._faults.begin(FaultCode.DATA, "no connection since the start")

    def _hurry(self) -> None:
        if self._next_attempt is None:
            return
        since_s = self._clock.monotonic_s() - self._attempted_s
        self._next_attempt.cancel()
        self._next_attempt = self._timers.call_in(max(0.0, _HURRY_PAUSE_S - since_s), self._attempt)

    def session_connected(self) -> None:
        _log.info("data: connected to %s:%d", self._post.broker_host, self._post.broker_port)
        self._up = True
        if self._events is not None:
            self._events.carrier_up(self)

    def session_subscribed(self) -> None:
        # Only now do receipts arrive. Alerts did not wait for that.
        self._failures = 0
        self._faults.clear(FaultCode.DATA)

    def session_ended(self, cause: EndCause, reason: str) -> None:
        was_up, self._up = self._up, False
        self._session = None
        self._awaiting.clear()
        if self._ticking is not None:
            self._ticking.cancel()
        if cause is EndCause.HUNG:
            self.counts["hung_attempts"] += 1
        elif cause is EndCause.DEAD:
            self.counts["dead_links"] += 1
        if self._closed:
            return
        self._faults.begin(FaultCode.DATA, reason)
        if was_up and self._events is not None:
            self._events.carrier_down(self)
        pause_s = min(
            self._settings.reconnect_max_s,
            self._settings.reconnect_first_s * 2.0 ** min(self._failures, 16),
        )
        # Ten thousand boxes lose the same broker at the same moment: spread their return.
        pause_s *= self._chance.uniform(0.5, 1.0)
        self._failures += 1
        _log.info("data: %s; next attempt in %.1f s", reason, pause_s)
        self._next_attempt = self._timers.call_in(pause_s, self._attempt)

    def _tick(self) -> None:
        session = self._session
        if session is None:
            return
        session.keep_alive()
        if self._session is not session:
            return
        pause_s = min(self._settings.keepalive_s / 4, self._settings.publish_ack_wait_s / 2)
        self._ticking = self._timers.call_in(
            pause_s if self._up else min(pause_s, _CONNECTING_TICK_S), self._tick
        )

    # What the post says

    def session_message(self, topic: str, payload: bytes) -> None:
        if self._events is None:
            return
        try:
            if topic == topics.down(self._box_id, topics.RECEIPT):
                receipt = open_message(self._post.down_key, payload, Receipt)
                self.counts["receipts"] += 1
                self._awaiting.discard(receipt.alert)
                self._events.received_receipt(self, receipt)
            elif topic == topics.down(self._box_id, topics.ANSWER):
                answer = open_message(self._post.down_key, payload, Answer)
                self.counts["answers"] += 1
                self._events.received_answer(self, answer)
            elif topic == topics.down(self._box_id, topics.CONTACTS):
                contacts = open_message(self._post.down_key, payload, Contacts)
                self.counts["contacts"] += 1
                self._events.received_contacts(self, contacts)
            else:
                self.counts["unknown_topic"] += 1
        except BadMacError:
            self.counts["forged"] += 1
            self._faults.tell(FaultCode.FORGED_MESSAGE, "its authentication failed")
        except BadMessageError as error:
            self.counts["wrong_schema"] += 1
            self._faults.tell(FaultCode.POST_MESSAGE, str(error))
