"""Is the channel kept from us? Probe broadcasts, timed until the radio says that they left.

A frame waits while somebody else is on the air. Beside ordinary Wi-Fi, however heavy, that is some
tens of milliseconds: stations take turns, and none keeps the air longer than 5.5 ms. Who holds a
probe up for _HELD_MS takes no turns. The time that probes were held up is added up over the last
minute; pulses add up as one long hold does.
"""

# Too short to be a frame, so whoever else hears it drops it.
PROBE = b"vigibip?"

_CALM_EACH_MS = 250
# Once one was late it looks more often: a pulse is then seen nearly whole.
_WATCHFUL_EACH_MS = 50
_LATE_MS = 20
_WATCHFUL_FOR_MS = 10000
# Heavy Wi-Fi reaches it now and then, pulses of a third of a second always do.
_HELD_MS = 200
_WINDOW_S = 60
# 10 s of 60 are a jam; a pulse is known to its length only give or take half a pause.
_JAM_MS = 8000
_OVER_MS = 2000
# A radio that has not answered for so long is stuck, or the jam is older than that anyhow.
STUCK_MS = 600000


class Jam:
    """Told the time and the radio's counts, says when to probe, and whether this is a jam."""

    def __init__(self) -> None:
        self.jammed = False
        self.stuck = False
        self.held_ms = 0
        self.probes = 0
        self.probes_failed = 0
        self._seconds = [0] * _WINDOW_S
        self._second = 0
        self.next_ms = 0
        self._pause_ms = _CALM_EACH_MS
        self._watchful_until_ms = 0
        # Of the probe that is under way: when it was sent, the radio's counts that tell its end.
        self._sent_ms: int | None = None
        self._answered_then = 0
        self._failed_then = 0
        # Since when no probe has left; what is added up of it already.
        self._since_ms: int | None = None
        self._counted_ms = 0

    @property
    def under_way(self) -> bool:
        return self._sent_ms is not None

    def look(self, now_ms: int, answered: int, failed: int) -> bool:
        """Take the radio's counts (frames of which it said that they left, or did not).

        Return whether a probe is to be sent now.
        """
        self._forget(now_ms // 1000)
        if self._sent_ms is not None:
            if answered < self._answered_then:
                self.stuck = now_ms - self._sent_ms >= STUCK_MS
                self._add_up(now_ms)
                return False
            self._ended(now_ms, failed == self._failed_then)
        return now_ms >= self.next_ms

    def sent(self, now_ms: int, frames_sent: int, failed: int) -> None:
        """A probe was given to the radio as the last of `frames_sent` frames."""
        self.probes += 1
        self._sent_ms = now_ms
        self._begin(now_ms)
        self._answered_then = frames_sent
        self._failed_then = failed

    def refused(self, began_ms: int, now_ms: int) -> None:
        """The radio had no room for a probe: it cannot get rid of what it has."""
        self.probes += 1
        self.probes_failed += 1
        self._begin(began_ms)
        self._add_up(now_ms)
        self._look_again(now_ms, late=True)

    def retuned(self, now_ms: int) -> None:
        """The channel is another one: what was held is over."""
        self._sent_ms = self._since_ms = None
        self.next_ms = now_ms

    def _begin(self, now_ms: int) -> None:
        if self._since_ms is None:
            self._since_ms = now_ms
            # Between two probes a pulse has begun in the middle, as often before as after.
            self._counted_ms = now_ms - self._pause_ms // 2

    def _ended(self, now_ms: int, left: bool) -> None:
        # What is added up is what was seen to wait: a program that looked late, because the line
        # or a collection held it up, has seen nothing.
        waited_ms = now_ms - (self._sent_ms or 0)
        self._sent_ms = None
        if left:
            self._since_ms = None
        else:
            # Nobody acknowledges a broadcast: if it failed, it was not let out.
            self.probes_failed += 1
            self._add_up(now_ms)
        self._look_again(now_ms, late=waited_ms >= _LATE_MS or not left)

    def _look_again(self, now_ms: int, *, late: bool) -> None:
        if late:
            self._watchful_until_ms = now_ms + _WATCHFUL_FOR_MS
        watchful = now_ms < self._watchful_until_ms
        self._pause_ms = _WATCHFUL_EACH_MS if watchful else _CALM_EACH_MS
        self.next_ms = now_ms + self._pause_ms

    def _add_up(self, now_ms: int) -> None:
        if self._since_ms is None or now_ms - self._since_ms < _HELD_MS:
            return
        self._seconds[self._second % _WINDOW_S] += now_ms - self._counted_ms
        self._counted_ms = now_ms
        self._judge()

    def _forget(self, second: int) -> None:
        while self._second < second:
            # After a long gap once round is enough.
            self._second = max(self._second + 1, second - _WINDOW_S)
            self._seconds[self._second % _WINDOW_S] = 0
            if self._second == second:
                self._judge()

    def _judge(self) -> None:
        self.held_ms = sum(self._seconds)
        if self.held_ms >= _JAM_MS:
            self.jammed = True
        elif self.held_ms < _OVER_MS:
            self.jammed = False
