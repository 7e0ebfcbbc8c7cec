"""How many strangers may try to enrol, and how fast. No I/O; time comes from the clock."""

from __future__ import annotations

from collections import OrderedDict

from vigibip.base.clock import Clock

# Each opening costs the post a TLS handshake, some milliseconds beside the alerts. An enrolment
# takes two, so that an installer with a street of boxes is never slowed.
ADDRESS_BURST = 40.0
ADDRESS_PER_S = 1.0
TOTAL_BURST = 200.0
TOTAL_PER_S = 20.0
# A refusal costs as much as these openings: whoever guesses is soon down to one try in 10 s.
REFUSAL_COST = 10.0
_DEBT_MAX = 60.0
# Addresses remembered; beyond, the one longest unseen is forgotten.
_ADDRESSES_MAX = 1024


class _Bucket:
    __slots__ = ("_at_s", "_burst", "_per_s", "level")

    def __init__(self, burst: float, per_s: float, now_s: float) -> None:
        self._burst = burst
        self._per_s = per_s
        self._at_s = now_s
        self.level = burst

    def refill(self, now_s: float) -> None:
        self.level = min(self._burst, self.level + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s

    def charge(self, cost: float) -> None:
        self.level = max(-_DEBT_MAX, self.level - cost)


class AttemptLimiter:
    """Admits connections by address and in all; refusals make an address wait longer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._total = _Bucket(TOTAL_BURST, TOTAL_PER_S, clock.monotonic_s())
        self._addresses: OrderedDict[str, _Bucket] = OrderedDict()

    def admit(self, address: str) -> bool:
        """Tell whether a connection from `address` is taken now, and count it if so."""
        now_s = self._clock.monotonic_s()
        own = self._bucket(address, now_s)
        self._total.refill(now_s)
        if own.level < 1 or self._total.level < 1:
            return False
        own.charge(1)
        self._total.charge(1)
        return True

    def refused(self, address: str) -> None:
        """Count a token or a proof from `address` that was refused."""
        self._bucket(address, self._clock.monotonic_s()).charge(REFUSAL_COST)

    def _bucket(self, address: str, now_s: float) -> _Bucket:
        bucket = self._addresses.get(address)
        if bucket is None:
            bucket = self._addresses[address] = _Bucket(ADDRESS_BURST, ADDRESS_PER_S, now_s)
            if len(self._addresses) > _ADDRESSES_MAX:
                self._addresses.popitem(last=False)
        self._addresses.move_to_end(address)
        bucket.refill(now_s)
        return bucket
