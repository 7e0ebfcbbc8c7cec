"""When a carrier has an alert, first and again: one policy object a carrier.

The outbox's lanes ask it; it knows no clock and keeps nothing.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from vigibip.box.config import PlanSettings, QueueSettings

_JITTER = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The plan of one carrier. `start_after_s` alone looks at the carriers listed before it."""

    start_after_s: float
    """So long behind the carriers before it, while one of them is up; at once while none is."""
    again_s: tuple[float, ...]
    """Pauses without a receipt between one hand-over and the next; the last one goes on for ever.
    Never empty."""
    jitter: float
    """Each pause is longer or shorter by up to this part of itself, drawn anew."""
    backlog_in_flight: int
    """Alerts of the backlog that hold a place at one time; fresh ones need none."""
    backlog_hold_s: float
    """An alert of the backlog holds its place until its receipt, at most so long or its pause."""
    resend_on_up: bool
    """Coming up again means that what was handed over before may be lost on the way."""
    silent_after_s: float | None
    """No receipt by this carrier for so long, while it is up: the post is silent. None: a receipt
    may well take longer, and its absence tells nothing."""

    def pause_s(self, handed_over: int, chance: random.Random) -> float:
        """Return the pause after so many hand-overs of one alert, 1 or more."""
        pause_s = self.again_s[min(handed_over, len(self.again_s)) - 1]
        return pause_s * (1 + chance.uniform(-self.jitter, self.jitter))


def data_schedule(queue: QueueSettings, plan: PlanSettings) -> Schedule:
    """Return the plan of MQTT: at once, and again in seconds, for a repetition costs nothing."""
    pauses_s = [queue.receipt_wait_s]
    while pauses_s[-1] < queue.receipt_wait_max_s:
        pauses_s.append(min(queue.receipt_wait_max_s, 2 * pauses_s[-1]))
    return Schedule(
        start_after_s=0.0,
        again_s=tuple(pauses_s),
        jitter=_JITTER,
        backlog_in_flight=queue.backlog_in_flight,
        backlog_hold_s=math.inf,
        resend_on_up=True,
        silent_after_s=plan.not_reached_after_s,
    )
