"""Slows down whoever tries passwords, without keeping a dispatcher out for long.

An address has one count, a login another. A login that once entered from an address has a count of
its own there, and only that one: whoever tries that login from elsewhere does not keep it out, nor
do others behind the same address.
"""

from __future__ import annotations

from collections import OrderedDict

from vigibip.base.clock import Clock

# So many failures are free; each further one doubles the wait, up to the longest.
_FREE = 5
_LONGEST_S = 60.0
_FORGET_S = 900.0
# Bounds the memory that a flood of invented logins can take; the oldest are forgotten first.
_KEYS_MAX = 10_000


class Throttle:
    """Counts the failures of each login and of each address."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # key: (failures, when the last one was, monotonic)
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._entered: OrderedDict[str, None] = OrderedDict()

    def wait_s(self, login: str, address: str) -> float:
        """Return how long this login must still wait at this address; 0: it may try now."""
        return max(self._wait_s(key) for key in self._keys(login, address))

    def failed(self, login: str, address: str) -> None:
        """Count one failure."""
        for key in self._keys(login, address):
            self._failures[key] = (self._recent(key) + 1, self._clock.monotonic_s())
            self._failures.move_to_end(key)
        while len(self._failures) > _KEYS_MAX:
            self._failures.popitem(last=False)

    def passed(self, login: str, address: str) -> None:
        """Take back the try that `failed` counted beforehand, and the login's other failures.

        Those of the address stay: an account of one's own is no way to try other people's.
        """
        for key in self._keys(login, address):
            count, last_s = self._failures.pop(key, (0, 0.0))
            if key.startswith("address ") and count > 1:
                self._failures[key] = (count - 1, last_s)
        self._entered[_pair(login, address)] = None
        self._entered.move_to_end(_pair(login, address))
        while len(self._entered) > _KEYS_MAX:
            self._entered.popitem(last=False)

    def _keys(self, login: str, address: str) -> tuple[str, ...]:
        pair = _pair(login, address)
        return (pair,) if pair in self._entered else (f"login {login}", f"address {address}")

    def _recent(self, key: str) -> int:
        count, last_s = self._failures.get(key, (0, 0.0))
        return count if self._clock.monotonic_s() - last_s < _FORGET_S else 0

    def _wait_s(self, key: str) -> float:
        count = self._recent(key)
        if count < _FREE:
            return 0.0
        pause_s = min(_LONGEST_S, 2.0 ** min(count - _FREE + 1, 10))
        return max(0.0, self._failures[key][1] + pause_s - self._clock.monotonic_s())


def _pair(login: str, address: str) -> str:
    return f"pair {login} {address}"
