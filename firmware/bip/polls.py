"""How a press that was heard is asked about: fast at first, then slower, then with the status."""

from voice import TRIES, TRY_MS
from wire import frame

_FAST_MS = 1000
_FAST_FOR_MS = 120000
_SLOW_MS = 10000
SLOW_FOR_MS = 1800000
# Later than any status, which calls it in.
_LATE_MS = 172800000


class Polls:
    """Sends the polls of each press that was heard. A mark goes in a poll's place."""

    def __init__(self, voice, reports):
        self._voice = voice
        self._reports = reports

    def is_fast(self, press, now_ms):
        return now_ms - press.fresh_ms() < _FAST_FOR_MS

    def next_ms(self, press, now_ms):
        """Return when `press` is polled for next."""
        fresh_for_ms = now_ms - press.fresh_ms()
        if fresh_for_ms < _FAST_FOR_MS:
            return max(now_ms, press.poll_start_ms + _FAST_MS)
        if fresh_for_ms < SLOW_FOR_MS:
            return max(now_ms, press.poll_start_ms + _SLOW_MS)
        return now_ms + _LATE_MS

    def tick(self, press, now_ms, actions):
        """Poll for `press`, which is due."""
        if press.tries >= TRIES:
            press.tries = 0
            press.poll_ms = self.next_ms(press, now_ms)
            return
        if press.tries == 0:
            press.poll_start_ms = now_ms
        voice = self._voice
        counter = voice.counter.next()
        if press.mark_waits:
            kind, payload = frame.PRESS, self._reports.press_payload(press, now_ms)
        else:
            kind, payload = frame.POLL, frame.pack_poll(press.number)
        press.ask(counter)
        press.tries += 1
        press.poll_ms = now_ms + TRY_MS + voice.random(TRY_MS // 4)
        voice.shoot(actions)
        voice.say(voice.seal(kind, counter, payload), press.tries == TRIES, actions)
