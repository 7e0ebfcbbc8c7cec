"""What a bench's air does beyond the weather: one frame at a time, and a receiver's slow line."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence

from vigibip.base.clock import Clock
from vigibip.town import device_tree
from vigibip.town.air import Air, Antenna, Weather
from vigibip.town.driven.shop import DrivenReceiver
from vigibip.wire.serial import BROADCAST


class SharedAir(Air):
    """An air on whose channels one station transmits at a time, and two that begin together fail.

    As 802.11b's stations do: each waits for the channel, then DIFS and a drawn number of slots;
    the smallest number goes, equal ones collide and are lost to all. One that comes while others
    count down lets the next one of them pass.
    """

    _SLOT_S = 20e-6
    _DIFS_S = 50e-6
    _SLOTS = 32
    # Long preamble and header of the PHY, then 1 Mbit/s: the vendor's frame around ours.
    _PREAMBLE_S = 192e-6
    _AROUND_BYTES = 43
    _BYTE_S = 8e-6
    # SIFS and the MAC's own acknowledgement, which a broadcast does not have.
    _ACK_S = 314e-6

    def __init__(self, clock: Clock, weather: Weather, seed: int) -> None:
        super().__init__(clock, weather, seed)
        self.collided = 0
        self._chance = random.Random(f"backoff {seed}")
        self._waiting: dict[int, dict[Antenna, list[tuple[bytes, bytes]]]] = {}

    def carry(self, sender: Antenna, channel: int, mac: bytes, frame: bytes) -> None:
        waiting = self._waiting.get(channel)
        if waiting is None:
            waiting = self._waiting[channel] = {}
            task = asyncio.get_running_loop().create_task(self._share(channel, waiting))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        waiting.setdefault(sender, []).append((mac, frame))

    async def _share(self, channel: int, waiting: dict[Antenna, list[tuple[bytes, bytes]]]) -> None:
        slots: dict[Antenna, int] = {}
        while waiting:
            for station in waiting:
                if station not in slots:
                    slots[station] = self._chance.randrange(self._SLOTS)
            gone = min(slots.values())
            first = [station for station, drawn in slots.items() if drawn == gone]
            slots = {station: drawn - gone for station, drawn in slots.items() if drawn > gone}
            sent = []
            for station in first:
                sent.append((station, *waiting[station].pop(0)))
                if not waiting[station]:
                    del waiting[station]
            air_s = max(self._air_time_s(mac, frame) for _, mac, frame in sent)
            await self._clock.sleep(self._DIFS_S + gone * self._SLOT_S + air_s)
            if len(sent) > 1:
                self.collided += len(sent)
                continue
            for station, mac, frame in sent:
                super().carry(station, channel, mac, frame)
        del self._waiting[channel]

    def _air_time_s(self, mac: bytes, frame: bytes) -> float:
        body_s = (self._AROUND_BYTES + len(frame)) * self._BYTE_S
        return self._PREAMBLE_S + body_s + (0.0 if mac == BROADCAST else self._ACK_S)


class LineReceiver(DrivenReceiver):
    """A receiver whose serial line takes its time; before it, the firmware's own waiting places."""

    # Address, RSSI, kind, CRC and COBS around each frame; ten bits a byte.
    _AROUND_BYTES = 14
    _BYTE_S = 10 / 115_200

    def __init__(self, clock: Clock, air: Air, mac: bytes) -> None:
        super().__init__(air, mac)
        self._clock = clock
        self._up = device_tree.load("receiver", "waiting").Waiting()
        self._down: list[tuple[bytes, bytes]] = []
        self._lines: dict[str, asyncio.Task[None]] = {}

    def allow(self, ids: Sequence[int]) -> None:
        self._up.allow(list(ids))

    def send(self, mac: bytes, frame: bytes) -> None:
        self._down.append((mac, frame))
        self._begin("down", self._run_down)

    async def close(self) -> None:
        for task in list(self._lines.values()):
            task.cancel()
        await super().close()

    def _hear(self, rssi_dbm: int, mac: bytes, heard: bytes) -> None:
        self._up.put(round(self._clock.monotonic_s() * 1000), rssi_dbm, mac, heard)
        self._begin("up", self._run_up)

    def _begin(self, way: str, run: Callable[[], Coroutine[None, None, None]]) -> None:
        if way not in self._lines:
            task = asyncio.get_running_loop().create_task(run())
            self._lines[way] = task
            task.add_done_callback(lambda _: self._lines.pop(way, None))

    async def _run_up(self) -> None:
        while (taken := self._up.take()) is not None:
            rssi_dbm, mac, heard = taken
            await self._take_time(heard)
            super()._hear(rssi_dbm, mac, heard)

    async def _run_down(self) -> None:
        while self._down:
            mac, frame = self._down.pop(0)
            await self._take_time(frame)
            super().send(mac, frame)

    async def _take_time(self, frame: bytes) -> None:
        await self._clock.sleep((self._AROUND_BYTES + len(frame)) * self._BYTE_S)
