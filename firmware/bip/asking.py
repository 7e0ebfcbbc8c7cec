"""Asks the box for what it keeps for this bip, one thing at a time.

Loaded only when a reply has told that something waits.
"""

from voice import Repeated
from wire import frame


class Asking:
    """One ask, until it is answered or given up; then it is over, and another may begin."""

    def __init__(self, voice):
        self.due_ms = 0
        self.is_over = True
        self._ask = Repeated(voice)
        self._payload = b""

    def ask(self, payload: bytes, now_ms: int) -> None:
        """Ask for what `payload` says, of wire.parcel.pack_ask."""
        self._ask.end()
        self._payload = payload
        self.due_ms = now_ms
        self.is_over = False

    def tick(self, now_ms, actions):
        """Send the ask, when it is due."""
        if self.is_over or now_ms < self.due_ms:
            return
        if self._ask.tick(now_ms, frame.ASK, lambda: self._payload, actions):
            self.due_ms = self._ask.due_ms
        else:
            self.is_over = True

    def takes(self, answered: int) -> bool:
        """Whether an answer to `answered` is for this ask; it is over then."""
        if not self._ask.takes(answered):
            return False
        self.is_over = True
        return True
