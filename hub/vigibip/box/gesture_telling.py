"""What a hand said beyond that it pressed: a severity, a withdrawal, a duress. Words for the post.

No gesture stops an alert, changes its life, or is told apart in the shop: neither in a log nor in
what a command says. It mostly comes when the post has the alert already; so the alert is told
again, with the gesture in it, until the post's receipt repeats the gesture.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from vigibip.alert.ids import AlertId
from vigibip.alert.messages import Receipt
from vigibip.base.clock import Clock
from vigibip.box.alerts import AlertBook, BoxAlert
from vigibip.box.carrier import Carrier
from vigibip.box.gesture import mark_of, merged, severity_of
from vigibip.box.timers import Timers

_log = logging.getLogger(__name__)

_AGAIN_FIRST_S = 5.0
_AGAIN_MAX_S = 60.0
# Older, it helps nobody on the way; and an older post never repeats a gesture.
_TELL_FOR_S = 3600.0
_AGE_LOST = 0xFFFF


class Gestures:
    """Tells the post what hands said of alerts that it may have already."""

    def __init__(
        self, *, book: AlertBook, carriers: Sequence[Carrier], clock: Clock, timers: Timers
    ) -> None:
        self._book = book
        self._carriers = carriers
        self._clock = clock
        self._timers = timers
        self._untold: dict[AlertId, float] = {}
        """Alerts whose gesture the post has not confirmed, and since when (monotonic)."""

    def restore(self) -> None:
        """Go on with what the book has from before the start."""
        for alert in self._book:
            if alert.gesture != alert.gesture_told:
                self._begin(alert, alert.opened_s)

    def take(self, alert: BoxAlert, gesture: int, age_s: int) -> bool:
        """A frame of this press says `gesture`; return whether that is new.

        age_s: as the wire tells it. Saving the alert is left to the caller.
        """
        after = merged(alert.gesture, gesture)
        if after == alert.gesture:
            return False
        now_s = self._clock.monotonic_s()
        alert.gesture = after
        alert.gesture_s = None if age_s == _AGE_LOST else now_s - age_s
        alert.revision += 1
        alert.gesture_revision = alert.revision
        self._begin(alert, now_s)
        return True

    def received(self, alert: BoxAlert, receipt: Receipt) -> None:
        """A receipt came for it; one that repeats the gesture ends the telling."""
        if alert.gesture == alert.gesture_told:
            return
        told = (receipt.severity, receipt.mark)
        if told == (severity_of(alert.gesture), mark_of(alert.gesture)):
            alert.gesture_told = alert.gesture
            alert.revision += 1
            self._untold.pop(alert.alert_id, None)
            self._book.save([alert])

    def _begin(self, alert: BoxAlert, since_s: float) -> None:
        begun = alert.alert_id in self._untold
        self._untold[alert.alert_id] = since_s
        if begun:
            self._send(alert)
        else:
            self._tell(alert, _AGAIN_FIRST_S)

    def _tell(self, alert: BoxAlert, pause_s: float) -> None:
        since_s = self._untold.get(alert.alert_id)
        if since_s is None:
            return
        if self._clock.monotonic_s() - since_s > _TELL_FOR_S:
            del self._untold[alert.alert_id]
            _log.warning("alert %s: the post never confirmed all of it", alert.alert_id)
            return
        self._send(alert)
        longer_s = min(_AGAIN_MAX_S, 2 * pause_s)
        self._timers.call_in(pause_s, lambda: self._tell(alert, longer_s))

    def _send(self, alert: BoxAlert) -> None:
        # Before its receipt the lanes send it too; a doubled alert is one alert.
        message = alert.message(self._clock.monotonic_s())
        for carrier in self._carriers:
            carrier.tell_gesture(message)
