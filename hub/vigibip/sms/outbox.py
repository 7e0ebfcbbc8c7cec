"""What waits to leave through one modem: whole texts in lanes, begun ones beside them, a rate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vigibip.sms.contract import OutgoingSms, SmsTicket
from vigibip.sms.lanes import Lane, Lanes
from vigibip.sms.segments import Segment

# How far alerts, which never wait for the rate, may push the others back.
_DEBT_MAX_S = 60.0


@dataclass(slots=True, eq=False)
class Sending:
    """One SMS on its way: `segments[index]` is the part that goes next."""

    ticket: SmsTicket
    sms: OutgoingSms
    segments: list[Segment]
    lane: Lane
    submitted_s: float
    index: int = 0
    attempts: int = 0
    not_before_s: float = 0.0
    taken_back: bool = False

    @property
    def begun(self) -> bool:
        """A part has left: the others must follow, or the recipient holds half a text."""
        return self.index > 0

    @property
    def parts_left(self) -> int:
        return len(self.segments) - self.index

    @property
    def expires_s(self) -> float | None:
        return None if self.sms.valid_s is None else self.submitted_s + self.sms.valid_s


class Outbox:
    """Chooses what leaves next, at a rate that alerts do not wait for. Moments are monotonic."""

    def __init__(self, rate_per_min: float) -> None:
        self._interval_s = 60.0 / rate_per_min
        self._lanes: Lanes[Sending] = Lanes()
        # Interrupted between two parts, or waiting for their next attempt.
        self._held: list[Sending] = []
        self._free_s = 0.0

    def __len__(self) -> int:
        return len(self._lanes) + len(self._held)

    def __iter__(self) -> Iterator[Sending]:
        yield from self._held
        yield from (sending for _, _, sending in self._lanes)

    def put(self, sending: Sending) -> tuple[list[Sending], Sending | None]:
        """Add `sending`; return what it replaces, and what found no room (maybe itself)."""
        key, to = sending.sms.key, sending.sms.to
        older = [one for one in self if one.sms.key == key and one.sms.to == to and not one.begun]
        sending.lane = min([sending.lane, *(one.lane for one in older)])
        for one in older:
            if one in self._held:
                self._held.remove(one)
        return older, self._lanes.put(sending.lane, (key, to), sending).dropped

    def hold(self, sending: Sending) -> None:
        """Keep one that was taken and has parts or attempts left."""
        self._held.append(sending)

    def take_back(self, key: str) -> list[Sending]:
        """Remove and return what has `key` and has not begun."""
        found = [one for one in self if one.sms.key == key and not one.begun]
        for one in found:
            self._remove(one)
        return found

    def expired(self, now_s: float) -> list[Sending]:
        """Remove and return what is pointless by now."""
        found = [one for one in self if one.expires_s is not None and one.expires_s <= now_s]
        for one in found:
            self._remove(one)
        return found

    def take(self, now_s: float, down_to: Lane | None) -> Sending | None:
        """Take what leaves at `now_s`, None when nothing may.

        `down_to` is the least urgent lane that the modem would send now; None: it sends nothing.
        """
        if down_to is None:
            return None
        least = Lane.ALERT if now_s < self._free_s else down_to
        ready = [one for one in self._held if one.not_before_s <= now_s and one.lane <= least]
        held = min(ready, key=lambda one: one.lane, default=None)
        first = self._lanes.first_lane
        if first is not None and first <= least and (held is None or first < held.lane):
            taken = self._lanes.pop()
            return None if taken is None else taken[2]
        if held is not None:
            self._held.remove(held)
        return held

    def went(self, now_s: float) -> None:
        """A part was handed to the modem: it counts for the rate, an alert's too."""
        self._free_s = min(max(self._free_s, now_s) + self._interval_s, now_s + _DEBT_MAX_S)

    def wait_s(self, now_s: float, down_to: Lane | None) -> float | None:
        """Return how long until `take` or `expired` may find something; None: until a change."""
        moments = [one.expires_s for one in self if one.expires_s is not None]
        if down_to is not None:
            for one in self._held:
                if one.lane <= down_to:
                    free_s = now_s if one.lane is Lane.ALERT else self._free_s
                    moments.append(max(one.not_before_s, free_s))
            first = self._lanes.first_lane
            if first is not None and first <= down_to:
                moments.append(self._free_s)
        return max(0.0, min(moments) - now_s) if moments else None

    def _remove(self, sending: Sending) -> None:
        if sending in self._held:
            self._held.remove(sending)
        else:
            self._lanes.remove((sending.sms.key, sending.sms.to))
