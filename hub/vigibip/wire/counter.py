"""Counters that never go back: reserved in blocks on storage before any of a block is used.

After a power cut the rest of a block is skipped; no number is ever used twice.
"""

# MicroPython has no typing module; a type checker takes this name for true.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = 64
# A reservation itself must fit 32 bits on storage: one that wrapped to 0 would start all over.
END_MAX = 0xFFFFFFFF
HIGHEST = END_MAX - 1


class ReservedCounter:
    """Hands out numbers below a reservation that `reserve(end)` has stored.

    `reserve` returns only once `end` is on storage; what it raises goes through, and no number
    is handed out. `reserved` is the end that storage holds at start, 0 on a new device: counting
    goes on from there. Number 0 is never used: it means "none" on the wire. Raises ValueError
    when `reserved` is no 32-bit number: starting again from 1 would use nonces twice.
    """

    def __init__(
        self, reserved: int, reserve: "Callable[[int], object]", block: int = BLOCK
    ) -> None:
        if not 0 <= reserved <= END_MAX or block < 1:
            raise ValueError("a reservation is a 32-bit number, a block at least 1")
        self._next = max(reserved, 1)
        self._end = self._next
        self._reserve = reserve
        self._block = block

    def next(self) -> int:
        """Return the next number. Raises OverflowError after HIGHEST: the key is used up."""
        if self._next > HIGHEST:
            raise OverflowError("counter used up: a new key is needed")
        if self._next >= self._end:
            end = min(self._next + self._block, END_MAX)
            self._reserve(end)
            self._end = end
        number = self._next
        self._next += 1
        return number
