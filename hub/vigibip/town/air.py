"""The air between the bips and the receivers: one channel each, losses, echoes, delays, seeded.

An antenna hears what is sent on the channel that it listens on, to its own address or to all. As
on the real air, nobody learns whether a frame was heard.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum

from vigibip.base.clock import Clock
from vigibip.town.interference import Jammer
from vigibip.wire.serial import BROADCAST

_log = logging.getLogger(__name__)

# ESP-NOW carries no more; a longer one is a fault of the sender.
FRAME_MAX_BYTES = 250

Deliver = Callable[[int, bytes, bytes], object]
"""Called with rssi_dbm, the sender's address and the frame."""

Listens = Callable[[], int | None]
"""Tells the channel that a device's radio listens on now; None while the radio is off."""


class Way(Enum):
    UP = "up"  # from a bip
    DOWN = "down"  # from a receiver


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What the air does to frames; shares are 0.0 to 1.0, each frame and listener by itself."""

    loss_up: float = 0.0
    loss_down: float = 0.0
    duplicated: float = 0.0
    """Share of the frames that are heard which are heard a second time."""
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    """At most so much is added to delay_ms, evenly; frames may overtake one another."""
    rssi_dbm: int = -58
    rssi_spread_db: int = 6

    def __post_init__(self) -> None:
        for share in (self.loss_up, self.loss_down, self.duplicated):
            if not 0.0 <= share <= 1.0:
                raise ValueError("a share is between 0 and 1")
        if self.delay_ms < 0 or self.jitter_ms < 0:
            raise ValueError("a delay is not negative")


CALM = Weather()


@dataclass(slots=True)
class Counts:
    """What became of the frames of one way. A broadcast counts once for each that could hear."""

    sent: int = 0
    heard: int = 0
    lost: int = 0
    duplicated: int = 0
    nobody: int = 0
    """Frames that no antenna on their channel was addressed by."""


@dataclass(slots=True)
class AirCounts:
    up: Counts = field(default_factory=Counts)
    down: Counts = field(default_factory=Counts)

    def of(self, way: Way) -> Counts:
        return self.up if way is Way.UP else self.down


class Antenna:
    """One device's place in the air. Made by Air.attach."""

    def __init__(self, air: Air, way: Way, mac: bytes, listens: Listens, deliver: Deliver) -> None:
        self._air = air
        self.way = way
        self.mac = mac
        self.listens = listens
        self.deliver = deliver
        self.on_taken: Callable[[bool], object] = lambda _taken: None
        """Called when a jammer begins and ends to keep the channel that it listens on."""

    def send(self, channel: int, mac: bytes, frame: bytes) -> None:
        """Send `frame` on `channel` to the antenna at `mac`, or to all with BROADCAST."""
        self._air.carry(self, channel, mac, frame)

    def leave(self) -> None:
        """Take the antenna out of the air; twice is harmless."""
        self._air.detach(self)


class Air:
    """Carries frames between antennas. All randomness comes from `seed`."""

    def __init__(self, clock: Clock, weather: Weather = CALM, seed: int = 0) -> None:
        self.weather = weather
        self.counts = AirCounts()
        self.frames: list[Callable[[Antenna, bytes], None]] = []
        """Called with each frame's sender and bytes as it is sent, before anything befalls it."""
        self._clock = clock
        self._random = random.Random(seed)
        self._antennas: list[Antenna] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._jammers: dict[int, Jammer] = {}

    def attach(self, way: Way, mac: bytes, listens: Listens, deliver: Deliver) -> Antenna:
        """Return a new antenna. Raises ValueError for a second one of the same address."""
        if any(other.mac == mac for other in self._antennas):
            raise ValueError("this address is in the air already")
        antenna = Antenna(self, way, mac, listens, deliver)
        self._antennas.append(antenna)
        return antenna

    def detach(self, antenna: Antenna) -> None:
        if antenna in self._antennas:
            self._antennas.remove(antenna)

    def change(self, **what: float) -> None:
        """Change the named properties of the weather, from the next frame on."""
        self.weather = replace(self.weather, **what)  # type: ignore[arg-type]

    def jam(self, channel: int, jammer: Jammer) -> None:
        """Let a jammer loose; its times are the clock's monotonic ones. One a channel."""
        self._jammers[channel] = jammer
        task = asyncio.get_running_loop().create_task(self._tell_edges(channel, jammer))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _tell_edges(self, channel: int, jammer: Jammer) -> None:
        while True:
            now_s = self._clock.monotonic_s()
            for antenna in self._antennas:
                if antenna.listens() == channel:
                    antenna.on_taken(jammer.taken(now_s))
            edge_s = jammer.next_edge_s(now_s)
            if math.isinf(edge_s):
                return
            await self._clock.sleep(edge_s - now_s)

    def _is_jammed(self, channel: int) -> bool:
        jammer = self._jammers.get(channel)
        return jammer is not None and jammer.taken(self._clock.monotonic_s())

    def carry(self, sender: Antenna, channel: int, mac: bytes, frame: bytes) -> None:
        """Take `frame` from `sender` to whoever is meant and can hear it. Never waits."""
        if not 0 < len(frame) <= FRAME_MAX_BYTES:
            raise ValueError(f"a frame of {len(frame)} bytes")
        for listener in self.frames:
            listener(sender, frame)
        counts = self.counts.of(sender.way)
        addressed = [
            antenna
            for antenna in self._antennas
            if antenna is not sender
            and mac in (BROADCAST, antenna.mac)
            and antenna.listens() == channel
        ]
        if not addressed:
            counts.sent += 1
            counts.nobody += 1
        for antenna in addressed:
            counts.sent += 1
            if self._is_jammed(channel):
                counts.lost += 1
                continue
            self._carry_to(antenna, sender, frame, counts)

    async def close(self) -> None:
        """Drop what is still under way."""
        for task in list(self._under_way):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _carry_to(self, antenna: Antenna, sender: Antenna, frame: bytes, counts: Counts) -> None:
        weather = self.weather
        loss = weather.loss_up if sender.way is Way.UP else weather.loss_down
        # Drawn whether needed or not: one setting changed leaves the rest of the run as it was.
        draws = [self._random.random() for _ in range(5)]
        if draws[0] < loss:
            counts.lost += 1
            return
        copies = 2 if draws[1] < weather.duplicated else 1
        counts.duplicated += copies - 1
        counts.heard += 1
        rssi_dbm = round(weather.rssi_dbm + (2 * draws[2] - 1) * weather.rssi_spread_db)
        for draw in draws[3 : 3 + copies]:
            delay_s = (weather.delay_ms + draw * weather.jitter_ms) / 1000
            self._deliver(antenna, rssi_dbm, sender.mac, frame, delay_s)

    def _deliver(
        self, antenna: Antenna, rssi_dbm: int, mac: bytes, frame: bytes, delay_s: float
    ) -> None:
        if delay_s <= 0:
            antenna.deliver(rssi_dbm, mac, frame)
            return

        async def later() -> None:
            await self._clock.sleep(delay_s)
            if antenna in self._antennas:
                antenna.deliver(rssi_dbm, mac, frame)

        task = asyncio.get_running_loop().create_task(later())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
