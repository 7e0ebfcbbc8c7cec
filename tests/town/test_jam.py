"""A jammer in the town's air, the receiver's own firmware, its line, and the box's fault."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from tests.box.peers import until
from tests.firmware.lab import plant
from vigibip.base.clock import SystemClock
from vigibip.box.faults import FaultCode, Faults
from vigibip.box.serial_link import SerialLink
from vigibip.box.timers import Timers
from vigibip.town.air import Air
from vigibip.town.interference import Jammer
from vigibip.town.shop import Receiver

pytestmark = [
    pytest.mark.requires_program("micropython"),
    pytest.mark.xdist_group("interpreter"),
]


async def test_pulses_on_the_channel_are_a_jam_at_the_box_until_they_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receiver's minute is shortened to three seconds, and what makes a jam with it."""
    plant(
        monkeypatch, tmp_path, "jam.py", _WINDOW_S="3", _JAM_MS="800", _OVER_MS="100", _HELD_MS="50"
    )
    clock = SystemClock()
    timers, faults, air = Timers(clock), Faults(clock), Air(clock)
    receiver = Receiver(air, tmp_path / "receiver", b"\x02recv1")
    await receiver.device.start()
    link = SerialLink(
        port=str(receiver.device.port_path),
        baud=115_200,
        channel=6,
        clock=clock,
        timers=timers,
        faults=faults,
        chance=random.Random(1),
    )
    serving = asyncio.create_task(timers.run())
    try:
        link.start(lambda _rssi, _mac, _frame: None)
        await until(lambda: receiver.device.channel == 6 and link.counts["hello"], "the receiver")
        assert FaultCode.JAM not in faults.codes()
        now_s = clock.monotonic_s()
        air.jam(6, Jammer(on_s=0.5, off_s=0.2, start_s=now_s, end_s=now_s + 10))
        await until(lambda: FaultCode.JAM in faults.codes(), "the jam")
        await until(lambda: FaultCode.JAM not in faults.codes(), "its end", 60)
        assert clock.monotonic_s() >= now_s + 10
        assert receiver.device.wakes == 1
    finally:
        await link.close()
        await receiver.close()
        await air.close()
        serving.cancel()
