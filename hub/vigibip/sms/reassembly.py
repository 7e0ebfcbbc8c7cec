"""Parts of long texts, put together: in any order, twice, late, or never complete.

What is kept is bounded, for a sender and in all, and strangers' parts are kept apart from those
of people we know: a flood of theirs pushes out only their own. Parts live in memory alone: what
must survive a power cut fits one part.
"""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from vigibip.base.clock import Clock
from vigibip.sms.address import Address
from vigibip.sms.pdu import Deliver
from vigibip.sms.user_data import UserData, join_text

TIMEOUT_S = 3600.0
"""Networks bring a part that failed again after minutes; an hour later nobody waits for it."""
PARTS_MAX = 20
"""3,060 characters. No person writes more to a town's police, and no machine of ours does."""
UNFINISHED_PER_SENDER_MAX = 4
UNFINISHED_MAX = 64
"""Of those we know, and again of strangers: 2 x 64 x 20 parts are 360 KiB at worst."""
FINISHED_MAX = 256
"""Remembered to recognise their parts when the network brings them twice."""

_Key = tuple[Address, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A text with all its parts, or a single one. `text` None: it is data.

    `token` goes to `finish` once the text is safe; until then its last part may come again and
    completes it again.
    """

    sender: Address
    text: str | None = field(repr=False)
    sent_utc: datetime | None
    token: _Key | None = None


@dataclass(slots=True)
class _Unfinished:
    started_s: float
    parts: dict[int, UserData] = field(default_factory=dict)


class Reassembly:
    """Joins the parts of one modem. `counts` tells what did not end well, by kind."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pools: dict[bool, OrderedDict[_Key, _Unfinished]] = {
            True: OrderedDict(),
            False: OrderedDict(),
        }
        self._finished: OrderedDict[_Key, tuple[float, frozenset[bytes]]] = OrderedDict()
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> Mapping[str, int]:
        """duplicate, too-long, restarted, timed-out, pushed-out."""
        return self._counts

    @property
    def unfinished(self) -> int:
        return sum(len(pool) for pool in self._pools.values())

    def add(self, message: Deliver, *, known: bool) -> Whole | None:
        """Take one DELIVER; return the text if it is whole now.

        `known`: the sender is one whose parts strangers must not push out.
        """
        place = message.data.concatenation
        if place is None or place.parts == 1:
            return Whole(sender=message.sender, text=message.data.text, sent_utc=message.sent_utc)
        self._forget_old()
        key = (message.sender, place.bits, place.reference, place.parts)
        if place.parts > PARTS_MAX:
            self._counts["too-long"] += 1
            return None
        finished = self._finished.get(key)
        if finished is not None and _digest(place.part, message.data) in finished[1]:
            self._counts["duplicate"] += 1
            return None
        unfinished = self._pools[known].get(key) or self._begin(key, known)
        before = unfinished.parts.get(place.part)
        if before is not None and before != message.data:
            # The reference came round: what was here will not be completed any more.
            self._counts["restarted"] += 1
            del self._pools[known][key]
            unfinished = self._begin(key, known)
        elif before is not None:
            self._counts["duplicate"] += 1
        unfinished.parts[place.part] = message.data
        if len(unfinished.parts) < place.parts:
            return None
        ordered = [unfinished.parts[number] for number in range(1, place.parts + 1)]
        return Whole(
            sender=message.sender, text=join_text(ordered), sent_utc=message.sent_utc, token=key
        )

    def finish(self, whole: Whole) -> None:
        """`whole` is safe: let its parts go, and know them when they come again."""
        if whole.token is None:
            return
        for pool in self._pools.values():
            unfinished = pool.pop(whole.token, None)
            if unfinished is not None:
                digests = frozenset(_digest(*part) for part in unfinished.parts.items())
                self._finished[whole.token] = (self._clock.monotonic_s(), digests)
                self._finished.move_to_end(whole.token)
        while len(self._finished) > FINISHED_MAX:
            self._finished.popitem(last=False)

    def _begin(self, key: _Key, known: bool) -> _Unfinished:
        pool = self._pools[known]
        of_sender = [other for other in pool if other[0] == key[0]]
        if len(of_sender) >= UNFINISHED_PER_SENDER_MAX:
            self._push_out(pool, of_sender[0])
        elif len(pool) >= UNFINISHED_MAX:
            self._push_out(pool, next(iter(pool)))
        pool[key] = _Unfinished(self._clock.monotonic_s())
        return pool[key]

    def _push_out(self, pool: OrderedDict[_Key, _Unfinished], key: _Key) -> None:
        del pool[key]
        self._counts["pushed-out"] += 1

    def _forget_old(self) -> None:
        oldest_s = self._clock.monotonic_s() - TIMEOUT_S
        for pool in self._pools.values():
            while pool and next(iter(pool.values())).started_s < oldest_s:
                pool.popitem(last=False)
                self._counts["timed-out"] += 1
        while self._finished and next(iter(self._finished.values()))[0] < oldest_s:
            self._finished.popitem(last=False)


def _digest(part: int, data: UserData) -> bytes:
    body = bytes((part, data.dcs)) + data.header + b"\x00" + data.body
    return hashlib.blake2b(body, digest_size=8).digest()
