"""What a bip tells about itself: in each press a little, in its status all of it."""

from version import FIRMWARE
from voice import Repeated
from wire import frame

_MIN_MS = 60000
_STATUS_FIRST_MS = 500
_COUNT_MAX = 0xFFFF
_FEW_MAX = 0xFF
_DAY_MS = 86400000


class Reports:
    """Its own state, kept up to date by the runner and the sender, and when it is told next."""

    def __init__(self, voice, now_ms, status_min, edition):
        self.battery_mv = 0
        self.reset_cause = 0
        self.crashes = 0
        self.last_crash = (0, 0, 0)  # digest, module, line
        self.complaints = 0
        # Presses that were not sent, and not reached, since the bip was provisioned.
        self.unheard = 0
        self.unreached = 0
        # What radio and flash did not take since the last status that was answered.
        self.sends_failed = 0
        self.stores_failed = 0
        self.since_ms = now_ms
        self.due_ms = now_ms + voice.random(_STATUS_FIRST_MS)
        self.status_min = status_min
        self._edition = edition
        self._voice = voice
        self._status = Repeated(voice)

    def is_busy(self) -> bool:
        return self._status.tries > 0

    def begins(self, now_ms):
        """Whether the next tick seals a new status."""
        return now_ms >= self.due_ms and not self._status.tries

    def tick(self, now_ms, actions):
        """Send the status, when it is due."""
        if now_ms < self.due_ms:
            return
        if self._status.tick(now_ms, frame.STATUS, lambda: self._payload(now_ms), actions):
            self.due_ms = self._status.due_ms
        else:
            self._rest(now_ms)

    def takes(self, answered, now_ms):
        """Whether an answer to `answered` is the status's."""
        if not self._status.takes(answered):
            return False
        self.sends_failed = self.stores_failed = 0
        self.complain(frame.LAST_RESORT, False)
        self._rest(now_ms)
        return True

    def complain(self, of: int, now: bool) -> None:
        """Complain, or no longer, of one of the wire's complaints."""
        self.complaints = self.complaints | of if now else self.complaints & ~of

    def feels_low(self, now_ms: int) -> bool:
        """Whether the palm is told of a low battery with this status: with one of each day's."""
        before_ms = now_ms - self.status_min * _MIN_MS
        low = bool(self.complaints & frame.BATTERY_LOW)
        return low and now_ms // _DAY_MS != before_ms // _DAY_MS

    def press_payload(self, press, now_ms):
        return frame.pack_press(
            press.number,
            press.age_s(now_ms),
            self.battery_mv,
            FIRMWARE,
            self.reset_cause,
            self._voice.rssi_dbm,
            press.wakes,
            press.gesture,
            press.gesture_age_s(now_ms),
        )

    def count_unheard(self):
        self.unheard = min(self.unheard + 1, _COUNT_MAX)

    def count_unreached(self):
        self.unreached = min(self.unreached + 1, _COUNT_MAX)

    def count_failed_send(self):
        self.sends_failed = min(self.sends_failed + 1, _FEW_MAX)

    def count_failed_store(self):
        self.stores_failed = min(self.stores_failed + 1, _FEW_MAX)

    def settle(self, now_ms: int, status_min: int, edition: int) -> None:
        """Other settings are in force; a status tells which."""
        self.status_min = status_min
        self._edition = edition
        self.due_ms = now_ms

    def restore(self, now_ms, since_ms, due_ms):
        """The clock goes on since the record: so do uptime and status."""
        self.since_ms = min(since_ms, now_ms)
        self.due_ms = min(due_ms, now_ms + self.status_min * _MIN_MS)

    def _rest(self, now_ms):
        # A tenth of jitter, so that a street's bips do not stay in step.
        interval_ms = self.status_min * _MIN_MS
        self.due_ms = now_ms + interval_ms - self._voice.random(interval_ms // 10)

    def _payload(self, now_ms):
        return frame.pack_status(
            self.battery_mv,
            FIRMWARE,
            self.reset_cause,
            self._voice.rssi_dbm,
            self.unheard,
            self.unreached,
            self.crashes,
            min(max(0, now_ms - self.since_ms) // _MIN_MS, _COUNT_MAX),
            self.status_min,
            self._edition,
            self.sends_failed,
            self.stores_failed,
            self.complaints,
            *self.last_crash,
        )
