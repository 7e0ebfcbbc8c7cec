"""Two receivers on one box, for shops that one does not reach: they are as one to everybody else.

What both hear comes once. A bip is answered by the receiver that heard its last frame best.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from vigibip.base.clock import Clock
from vigibip.box.link import OnFrame
from vigibip.box.serial_link import SerialLink

# A bip sends the same bytes again after 40 ms at the earliest. What comes from the other receiver
# within less is what this one heard; later it is answered once more, which harms nobody.
_SAME_WITHIN_S = 0.035
# Of strangers too, so far more than a box has bips. Who is forgotten is answered by both.
_SENDERS_MAX = 256


@dataclass(slots=True)
class _Heard:
    frame: bytes
    at_s: float
    rssi_dbm: dict[int, int]
    """By the place of the receiver that heard it."""


class Receivers:
    """A ReceiverLink over several. Each tells its own faults."""

    def __init__(self, links: Sequence[SerialLink], clock: Clock) -> None:
        self._links = links
        self._clock = clock
        self._heard: OrderedDict[bytes, _Heard] = OrderedDict()
        self._on_frame: OnFrame = lambda _rssi, _mac, _frame: None
        self.on_copy: Callable[[int, bytes], None] = lambda _rssi, _frame: None
        """Called with (rssi_dbm, frame) when another receiver heard what came already."""
        self.counts: Counter[str] = Counter()

    def start(self, on_frame: OnFrame) -> None:
        self._on_frame = on_frame
        for place, link in enumerate(self._links):
            link.start(partial(self._take, place))

    def allow(self, ids: Sequence[int]) -> None:
        for link in self._links:
            link.allow(ids)

    def send(self, mac: bytes, frame: bytes) -> None:
        up = [link for link in self._links if link.up]
        heard = self._heard.get(mac)
        if heard is not None:
            by = [place for place in heard.rssi_dbm if self._links[place].up]
            if by:
                up = [self._links[max(by, key=lambda place: heard.rssi_dbm[place])]]
        # Whoever heard it is gone, or it is unknown: the others may reach it.
        for link in up or self._links:
            link.send(mac, frame)

    def describe(self) -> list[dict[str, Any]]:
        return [told for link in self._links for told in link.describe()]

    async def close(self) -> None:
        for link in self._links:
            await link.close()

    def _take(self, place: int, rssi_dbm: int, mac: bytes, frame: bytes) -> None:
        now_s = self._clock.monotonic_s()
        heard = self._heard.get(mac)
        if (
            heard is not None
            and heard.frame == frame
            and place not in heard.rssi_dbm
            and now_s - heard.at_s <= _SAME_WITHIN_S
        ):
            heard.rssi_dbm[place] = rssi_dbm
            self.counts["copies"] += 1
            self.on_copy(rssi_dbm, frame)
            return
        self._heard[mac] = _Heard(frame, now_s, {place: rssi_dbm})
        self._heard.move_to_end(mac)
        if len(self._heard) > _SENDERS_MAX:
            self._heard.popitem(last=False)
        self._on_frame(rssi_dbm, mac, frame)
