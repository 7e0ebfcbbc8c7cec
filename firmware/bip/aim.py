"""Where and how fast a bip transmits: the known channel while it answers, then all of them."""

CHANNELS = 13

# After the n-th transmission of a press, the pause before the next; the last one repeats.
_PAUSES_MS = (40, 55, 80, 120, 180, 250)
# Transmissions without a reply on the known channel before the hunt begins, about 0.4 s.
_TRIES_BEFORE_HUNT = 5
# Longer than a box takes to store a press and reply; all channels once take about 2 s.
_DWELL_MS = 110
# Home each fourth time: the receiver may only have been restarting. Once all channels were silent,
# each second time: loss is then likelier than a move.
_HOME_EACH = 4
_HOME_EACH_LATER = 2
# The usual choices of an access point first: a receiver's channel is chosen among them.
_ORDER = (1, 6, 11, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13)


class Aim:
    """home: the channel of the last reply. tuned: the one that the radio is on."""

    def __init__(self, channel, random):
        self.home = channel
        self.tuned = channel
        self._random = random
        self._silent = 0
        self._shots = 0
        self._hunt = 0
        self._away = 0  # of the hunt's shots, those not sent home

    def begin(self) -> None:
        """A press was made, or is tried again: the known channel first, and fast."""
        self._silent = 0
        self._shots = 0

    def answered(self) -> None:
        """An authentic reply came on the channel that the radio is on."""
        self._silent = 0
        self.home = self.tuned

    def shoot(self) -> bool:
        """Choose the channel of the next transmission. Return whether the radio must be tuned."""
        channel = self.home
        if self._hunting():
            home_each = _HOME_EACH if self._away < CHANNELS else _HOME_EACH_LATER
            if self._hunt % home_each:
                channel = _ORDER[self._away % CHANNELS]
                self._away += 1
            self._hunt += 1
        self._silent += 1
        changed = bool(channel != self.tuned)
        self.tuned = channel
        return changed

    def pause_ms(self) -> int:
        """Return how long to wait for replies before the next transmission of a press."""
        if self._hunting():
            pause_ms = _DWELL_MS
        else:
            pause_ms = _PAUSES_MS[min(self._shots, len(_PAUSES_MS) - 1)]
        self._shots += 1
        jitter_ms: int = self._random(pause_ms // 3)
        return pause_ms + jitter_ms

    def _hunting(self) -> bool:
        return self._silent >= _TRIES_BEFORE_HUNT
