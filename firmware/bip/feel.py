"""What the palm is told: pulses of the vibration motor, as data, and when each may begin.

No pattern begins like another, so that each is known by its last pulse, by a palm as by a test.
Short is as long as a small motor needs to be felt at all.
"""

SHORT_MS = 100
LONG_MS = 350
GAP_MS = 120
# Between two patterns, and before one that was cut short begins anew.
REST_MS = 600

_S = SHORT_MS
_L = LONG_MS

PATTERNS = {
    "heard": (_S, _S),
    "delivered": (_S, _L),
    "coming": (_L, _L, _L),
    "not_sent": (_L, _S, _S, _S),
    "not_reached": (_L, _S, _L),
    "unanswered": (_L, _S, _S, _L),
    # A withdrawal and a duress feel alike: whoever stands beside learns nothing.
    "noted": (_L, _L, _S, _L),
    "battery_low": (_L, _L, _S, _S),
}
# More than can wait in earnest: the oldest gives way.
_WAITING_MAX = 6


class Player:
    """Plays patterns one after another through `switch(on)`; time comes in as `now_ms`.

    is_silent: nothing is played.
    """

    def __init__(self, switch):
        self._switch = switch
        self.is_silent = False
        self._waiting = []
        self._pulse = 0
        self._next_ms = 0
        self.on = False

    def play(self, name, now_ms):
        """Play the pattern of `name` after those that wait."""
        if self.is_silent:
            return
        if not self._waiting:
            self._next_ms = max(self._next_ms, now_ms)
        elif len(self._waiting) >= _WAITING_MAX:
            self._waiting.pop(1)
        self._waiting.append(name)

    def idle(self) -> bool:
        return not self._waiting

    def due_ms(self):
        """Return when to call `step` next, None when nothing is to be played."""
        return self._next_ms if self._waiting else None

    def step(self, now_ms, quiet_until_ms):
        """Switch the motor when it is due.

        No pulse begins that would not end before `quiet_until_ms`, when a press is sent: motor
        and radio together would draw more than the cell gives. None: nothing is sent.
        """
        if not self._waiting or now_ms < self._next_ms:
            return
        pattern = PATTERNS[self._waiting[0]]
        if self.on:
            self._end_pulse(now_ms)
        elif quiet_until_ms is None or now_ms + pattern[self._pulse] <= quiet_until_ms:
            self._turn(True)
            self._next_ms = now_ms + pattern[self._pulse]
        else:
            # A longer gap would not be recognised: what was begun begins anew, after a rest.
            rest_ms = REST_MS if self._pulse else 0
            self._pulse = 0
            self._next_ms = max(quiet_until_ms + 1, now_ms + rest_ms)

    def clear(self, now_ms):
        """A new press: stop, and forget what waits. It would be taken for an answer to that one."""
        if self.on or self._pulse:
            # What was begun must not run into the next pattern.
            self._next_ms = now_ms + REST_MS
        if self.on:
            self._turn(False)
        self._pulse = 0
        self._waiting = []

    def hush(self, now_ms):
        """Switch the motor off now; unless the pulse was nearly over, its pattern begins anew."""
        if not self.on:
            return
        if self._next_ms - now_ms <= SHORT_MS // 2:
            self._end_pulse(now_ms)
        else:
            self._turn(False)
            self._pulse = 0
            self._next_ms = now_ms + REST_MS

    def _end_pulse(self, now_ms):
        self._turn(False)
        self._pulse += 1
        self._next_ms = now_ms + GAP_MS
        if self._pulse == len(PATTERNS[self._waiting[0]]):
            self._waiting.pop(0)
            self._pulse = 0
            self._next_ms = now_ms + REST_MS

    def _turn(self, on):
        self.on = on
        self._switch(on)
