"""Counters that never go back: reserved in blocks on storage before any of a block is used.

After a power cut the rest of a block is skipped; no number is ever used twice.
"""

BLOCK = 64
HIGHEST = 0xFFFFFFFF


class ReservedCounter:
    """Hands out numbers below a reservation that `reserve(end)` has stored.

    `reserve` returns only once `end` is on storage; what it raises goes through, and no number
    is handed out. `reserved` is the end that storage holds at start, 0 on a new device: counting
    goes on from there. Number 0 is never used: it means "none" on the wire.
    """

    def __init__(self, reserved, reserve, block=BLOCK):
        self._next = reserved if reserved > 0 else 1
        self._end = self._next
        self._reserve = reserve
        self._block = block

    def next(self):
        """Return the next number. Raises OverflowError after 2**32 - 1: the key is used up."""
        if self._next > HIGHEST:
            raise OverflowError("counter used up: a new key is needed")
        if self._next >= self._end:
            end = self._next + self._block
            self._reserve(end)
            self._end = end
        number = self._next
        self._next += 1
        return number
