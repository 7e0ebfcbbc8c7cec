"""Proof that the SMS path would work: an authenticated probe there and back, before it is needed.

Daily at a jittered hour; after data fell, when everything hangs on this path; and after an alert
by SMS, so that the silence of a box that was smashed then means something. Probes go last in every
lane, and a box whose alert waits for its receipt sends none: that alert tells more.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from vigibip.alert.sms_form import SmsKind, SmsMessage
from vigibip.base.clock import Clock
from vigibip.box import sms_words
from vigibip.box.faults import FaultCode, Faults
from vigibip.box.sms_path import SmsPath
from vigibip.box.sms_settings import ProbeSettings
from vigibip.box.timers import Timer, Timers
from vigibip.box.trust import ClockTrust
from vigibip.sms.errors import SmsError
from vigibip.sms.lanes import Lane

_log = logging.getLogger(__name__)

_PREFIX = "probe"
_SPREAD = 1 / 6
# What goes wrong again and again asks for no more than one round in so long.
_APART_S = 3600.0
# While an alert waits.
_POSTPONED_S = 900.0
# For 40 minutes the post takes an alert by SMS for a sign of life. This round is there by then, and
# not too soon: it is to find out about whoever smashes the box after the press.
_AFTER_ALERT_S = (300.0, 600.0)
_FAILED_FIRST_S, _FAILED_MAX_S = 3600.0, 6 * 3600.0
# At most so many numbers a round; a round with one number asks it twice.
_TRIES_MIN, _TRIES_MAX = 2, 4
# No proof for so many intervals, whatever postponed it.
_STALE_INTERVALS = 2.0


class Probe(StrEnum):
    """Where the last round stands."""

    NONE = "none"
    UNDER_WAY = "under-way"
    PROVEN = "proven"
    FAILED = "failed"


class WhyNot(StrEnum):
    """Why a round failed."""

    NOTHING = ""
    NO_NUMBER = "no-number"
    """The post tells its numbers over data, and has not yet."""
    NOT_READY = "modem-not-ready"
    REFUSED = "refused"
    NO_REPLY = "no-reply"


class PathProof:
    """Probes the path and tells since when it is unproven."""

    def __init__(
        self,
        *,
        path: SmsPath,
        settings: ProbeSettings,
        clock: Clock,
        trust: ClockTrust,
        timers: Timers,
        faults: Faults,
        chance: random.Random,
    ) -> None:
        self._path = path
        self._settings = settings
        self._clock = clock
        self._trust = trust
        self._timers = timers
        self._faults = faults
        self._chance = chance
        self._next: Timer | None = None
        self._giving_up: Timer | None = None
        self._proven_s: float | None = None
        """When it was last proven; None: not as far as anybody knows."""
        self._started_s = 0.0
        self._asked: set[int] = set()
        """Sequences of this round's probes."""
        self._tries = 0
        self._failed_rounds = 0
        self._asked_s = -math.inf
        """When the last probe was sent, or tried to be."""
        self._planned_s: float | None = None
        """When the next round was due before data fell; None: nothing was brought forward."""
        self._data_up = False
        self.state = Probe.NONE
        self.why = WhyNot.NOTHING
        """Why the last round failed."""
        self.detail = ""
        self.advice = ""
        self.alert_waits: Callable[[], bool] = lambda: False
        path.join(_PREFIX, self)

    def start(self) -> None:
        """Go on from what the disk knows of the last proof."""
        now_s = self._started_s = self._clock.monotonic_s()
        proven_utc, now_utc = self._path.memory.proven_utc, self._trust.utc_if_sure()
        if proven_utc is not None and now_utc is not None and proven_utc <= now_utc:
            self._proven_s = now_s - (now_utc - proven_utc).total_seconds()
        if self._proven_s is None:
            self._in(self._soon_s())
        else:
            self._in(max(self._soon_s(), self._proven_s + self._interval_s() - now_s))
            if not self._data_up:
                # A power cut after an alert, maybe, and the post waits for a sign of life.
                self.data_fell()

    def data_fell(self) -> None:
        """From now on everything hangs on this path: prove it soon, unless a probe just did."""
        self._data_up = False
        if self.state is Probe.PROVEN and self._clock.monotonic_s() < self._asked_s + _APART_S:
            return
        if self._next is not None and self._planned_s is None:
            self._planned_s = self._next.due_s
        self._sooner()

    def data_is_back(self) -> None:
        """What data's fall had asked for is no longer urgent."""
        self._data_up = True
        if self._next is not None and self._planned_s is not None:
            self._in(self._planned_s - self._clock.monotonic_s())
        self._planned_s = None

    def receipt_came(self) -> None:
        """An alert that went by SMS has its receipt by SMS: a proof, and a reason to go on.

        Whoever smashes the box does so now. A probe follows soon, and the post waits for it.
        """
        self.proven()
        self._in(self._chance.uniform(*_AFTER_ALERT_S))

    def refused(self, error: SmsError) -> None:
        """The modem gave up an alert's SMS; being ready, it is no help."""
        if self._path.up and self.state is not Probe.UNDER_WAY:
            self._begin_fault(_told(WhyNot.REFUSED, str(error), error.advice))
            self._sooner()

    def probe_now(self) -> None:
        """Begin a round at once: somebody stands beside the box and waits."""
        self._begin_round()

    def describe(self) -> dict[str, Any]:
        """Return where the last round stands, for people."""
        return {
            "state": self.state.value,
            "why": self.why.value,
            "detail": self.detail,
            "advice": self.advice,
            "tries": self._tries,
        }

    def replied(self, sequence: int) -> None:
        """The post's authenticated reply to the probe of that sequence came."""
        if sequence not in self._asked:
            self._path.counts["late_replies"] += 1
            return
        self.proven()

    def proven(self) -> None:
        """Ours went there and the post's word came back, just now."""
        self._proven_s = self._clock.monotonic_s()
        self._path.memory.proven()
        self._faults.clear(FaultCode.SMS_UNPROVEN)
        if self.state is Probe.UNDER_WAY:
            self._path.withdraw(_PREFIX)
        self._end(Probe.PROVEN, WhyNot.NOTHING)
        self._failed_rounds = 0
        self._planned_s = None
        self._in(self._interval_s())

    # PathUser

    def path_changed(self) -> None:
        if self._path.up and self._failed_rounds:
            self._sooner()

    def sms_left(self, _key: str) -> None:
        pass

    def sms_failed(self, _key: str, error: SmsError) -> None:
        if self.state is Probe.UNDER_WAY:
            self.why, self.detail, self.advice = WhyNot.REFUSED, str(error), error.advice
            self._ask_next()

    # A round

    def _due(self) -> None:
        self._next = None
        if self.alert_waits():
            # The alerts' own receipts prove the path meanwhile, or tell that it is dead.
            self._look_for_age()
            self._in(_POSTPONED_S * self._chance.uniform(1.0, 2.0))
            return
        self._begin_round()

    def _begin_round(self) -> None:
        self._tries = 0
        self._planned_s = None
        self._ask_next()

    def _ask_next(self) -> None:
        """Ask the next number, or end the round when each had its turn."""
        self._cancel()
        numbers = self._path.post_numbers
        if not numbers:
            self._failed(WhyNot.NO_NUMBER)
            return
        if not self._path.up:
            self._failed(WhyNot.NOT_READY)
            return
        if self._tries >= min(_TRIES_MAX, max(_TRIES_MIN, len(numbers))):
            self._failed(self.why or WhyNot.NO_REPLY, self.detail, self.advice)
            return
        if self._tries == 0:
            self._asked.clear()
            self.why, self.detail, self.advice = WhyNot.NOTHING, "", ""
        sequence = self._path.memory.take_sequence()
        self._asked.add(sequence)
        self._asked_s = self._clock.monotonic_s()
        self.state = Probe.UNDER_WAY
        # The number that failed last round is not the first of this one.
        number = numbers[(self._failed_rounds + self._tries) % len(numbers)]
        self._tries += 1
        self._giving_up = self._timers.call_in(self._settings.reply_within_s, self._ask_next)
        message = SmsMessage(kind=SmsKind.PROBE, sequence=sequence)
        self._path.say(number, sms_words.PROBE, message, lane=Lane.PROBE, key=_PREFIX, report=False)

    def _failed(self, why: WhyNot, detail: str = "", advice: str = "") -> None:
        _log.warning("the SMS path is unproven: %s", _told(why, detail))
        self._path.withdraw(_PREFIX)
        self._end(Probe.FAILED, why, detail, advice)
        self._failed_rounds += 1
        self._begin_fault(_told(why, detail, advice))
        pause_s = min(_FAILED_MAX_S, _FAILED_FIRST_S * 2.0 ** min(self._failed_rounds - 1, 8))
        self._in(pause_s * self._chance.uniform(1 - _SPREAD, 1 + _SPREAD))

    def _end(self, state: Probe, why: WhyNot, detail: str = "", advice: str = "") -> None:
        self._cancel()
        self.state, self.why, self.detail, self.advice = state, why, detail, advice
        if state is Probe.PROVEN:
            self._asked.clear()

    # When

    def _sooner(self) -> None:
        """Bring the next round forward, never two rounds close together."""
        if self._next is None:
            return
        now_s = self._clock.monotonic_s()
        due_s = max(now_s, self._asked_s + _APART_S) + self._soon_s()
        if due_s < self._next.due_s:
            self._in(due_s - now_s)

    def _in(self, delay_s: float) -> None:
        if self._next is not None:
            self._next.cancel()
        self._next = self._timers.call_in(delay_s, self._due)

    def _cancel(self) -> None:
        for timer in (self._giving_up, self._next):
            if timer is not None:
                timer.cancel()
        self._giving_up = self._next = None

    def _interval_s(self) -> float:
        return self._settings.every_s * self._chance.uniform(1 - _SPREAD, 1 + _SPREAD)

    def _soon_s(self) -> float:
        return self._chance.uniform(0.0, self._settings.soon_s)

    def _age_s(self) -> float:
        since_s = self._started_s if self._proven_s is None else self._proven_s
        return self._clock.monotonic_s() - since_s

    def _look_for_age(self) -> None:
        if self._age_s() > _STALE_INTERVALS * self._settings.every_s:
            self._begin_fault("an alert waits")

    def _begin_fault(self, why: str) -> None:
        proven_utc = self._path.memory.proven_utc
        since = (
            "never proven" if proven_utc is None else f"last proven {proven_utc:%Y-%m-%dT%H:%MZ}"
        )
        self._faults.begin(FaultCode.SMS_UNPROVEN, f"{since}: {why}")


def _told(*parts: str) -> str:
    return " ; ".join(part for part in parts if part)
