"""Lanes: what waits to leave, the most urgent first."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Generic, TypeVar

T = TypeVar("T")

WAITING_MAX = 500
"""SMS. At 20 a minute that is 25 minutes of work; more waiting would be news of yesterday."""


class Lane(IntEnum):
    """How urgent an SMS is; smaller goes first."""

    ALERT = 0
    ANSWER = 1
    """Receipts and answers."""
    OTHER = 2
    PROBE = 3
    """Proves the path; last, and lost first."""


@dataclass(frozen=True, slots=True)
class Put(Generic[T]):
    """What gave way: `replaced` had the same key; `dropped` had no room, maybe what was put."""

    replaced: T | None = None
    dropped: T | None = None


class Lanes(Generic[T]):
    """A bounded queue of lanes. First come, first gone within a lane; a key waits only once.

    An item put with a key that waits takes its place in the queue, unless its lane is more
    urgent: then it joins the end of that one. Never does a newer text become less urgent.

    Beyond `waiting_max` the newest of the least urgent lane gives way, and is told. An ALERT
    never does: alerts are bounded by their keys, of which there are as many as open alerts.
    """

    def __init__(self, waiting_max: int = WAITING_MAX) -> None:
        self._max = waiting_max
        # A dict keeps the order in which its keys came, and a key's place when its value changes.
        self._lanes: dict[Lane, dict[Hashable, T]] = {lane: {} for lane in Lane}

    def __len__(self) -> int:
        return sum(len(items) for items in self._lanes.values())

    def __iter__(self) -> Iterator[tuple[Lane, Hashable, T]]:
        """Yield what waits in the order in which it would leave."""
        for lane, items in self._lanes.items():
            for key, item in items.items():
                yield lane, key, item

    def count(self, lane: Lane) -> int:
        return len(self._lanes[lane])

    @property
    def first_lane(self) -> Lane | None:
        """The lane that leaves next, None when nothing waits."""
        return next((lane for lane in Lane if self._lanes[lane]), None)

    def put(self, lane: Lane, key: Hashable, item: T) -> Put[T]:
        """Add `item`; return what gave way for it."""
        old_lane = self._lane_of(key)
        if old_lane is not None:
            replaced = self._lanes[old_lane][key]
            if lane < old_lane:
                del self._lanes[old_lane][key]
                self._lanes[lane][key] = item
            else:
                self._lanes[old_lane][key] = item
            return Put(replaced=replaced)
        self._lanes[lane][key] = item
        return Put(dropped=self._make_room())

    def pop(self) -> tuple[Lane, Hashable, T] | None:
        """Take what leaves next, None when nothing waits."""
        lane = self.first_lane
        if lane is None:
            return None
        key = next(iter(self._lanes[lane]))
        return lane, key, self._lanes[lane].pop(key)

    def remove(self, key: Hashable) -> T | None:
        """Take back what waits with `key`, None when nothing does."""
        lane = self._lane_of(key)
        return None if lane is None else self._lanes[lane].pop(key)

    def _lane_of(self, key: Hashable) -> Lane | None:
        return next((lane for lane in Lane if key in self._lanes[lane]), None)

    def _make_room(self) -> T | None:
        if len(self) <= self._max:
            return None
        for lane in reversed(Lane):
            if lane is not Lane.ALERT and self._lanes[lane]:
                return self._lanes[lane].popitem()[1]
        return None
