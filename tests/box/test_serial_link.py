"""The receiver's line on a pseudo-terminal: noise, unplugging, silence, a stalled reader."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.box.peers import PtyReceiver, until
from vigibip.base.clock import DrivenClock
from vigibip.box.faults import FaultCode, Faults
from vigibip.box.serial_link import AirCounts, SerialLink
from vigibip.box.timers import Timers
from vigibip.wire import serial as line

MAC = b"\x02\x00\x00\x00\x00\x01"
SEALED = bytes(range(50))


@dataclass
class Desk:
    link: SerialLink
    clock: DrivenClock
    faults: Faults
    heard: list[tuple[int, bytes, bytes]]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A link that looks for its receiver at `tty`; there may be none."""
    clock = DrivenClock()
    faults = Faults(clock)
    timers = Timers(clock)
    link = SerialLink(
        port=str(tmp_path / "tty"),
        baud=115_200,
        channel=6,
        clock=clock,
        timers=timers,
        faults=faults,
        chance=random.Random(5),
    )
    serving = asyncio.create_task(timers.run())
    desk = Desk(link, clock, faults, [])
    yield desk
    await link.close()
    serving.cancel()


def listen(desk: Desk) -> None:
    desk.link.start(lambda rssi_dbm, mac, sealed: desk.heard.append((rssi_dbm, mac, sealed)))


async def test_a_receiver_is_given_its_channel_and_its_frames_are_heard(
    desk: Desk, receiver: PtyReceiver
) -> None:
    listen(desk)
    await until(lambda: receiver.settings == [(6, [])], "settings at opening")
    receiver.hello()
    await until(lambda: receiver.settings == [(6, [])] * 2, "settings at hello")
    receiver.hear(MAC, SEALED, rssi_dbm=-71)
    receiver.air()
    await until(lambda: desk.link.air, "the air's counts")
    assert desk.heard == [(-71, MAC, SEALED)]
    assert desk.link.air == AirCounts(1, 2, 3, 4, 5, 6, *[0] * 9)
    desk.link.send(MAC, SEALED)
    await until(lambda: receiver.down == [(MAC, SEALED)], "a frame down")
    assert not desk.faults.codes()


async def test_a_receiver_is_told_whose_bips_are_the_box_s_own_and_when_that_changes(
    desk: Desk, receiver: PtyReceiver
) -> None:
    desk.link.allow([1, 0xFFFFFFFF])
    listen(desk)
    await until(lambda: receiver.settings == [(6, [1, 0xFFFFFFFF])], "settings at opening")
    desk.link.allow(range(1, 100))
    await until(lambda: receiver.settings[-1] == (6, list(range(1, 65))), "as many as it takes")
    receiver.unplug()
    await until(lambda: FaultCode.RECEIVER in desk.faults.codes(), "the fault")
    desk.link.allow([7])
    receiver.plug()
    await desk.clock.advance(10)
    await until(lambda: receiver.settings[-1] == (6, [7]), "the newest at its return")


async def test_a_jam_that_the_receiver_tells_is_a_fault_until_it_tells_that_it_is_over(
    desk: Desk, receiver: PtyReceiver
) -> None:
    listen(desk)
    receiver.air(jammed=1, held_ms=9400)
    await until(lambda: FaultCode.JAM in desk.faults.codes(), "the jam")
    assert "9 s of the last 60" in desk.faults.standing()[0].detail
    receiver.unplug()
    await until(lambda: FaultCode.RECEIVER in desk.faults.codes(), "the receiver's loss")
    assert FaultCode.JAM in desk.faults.codes(), "whoever jams may cut the cable too"
    receiver.plug()
    await desk.clock.advance(10)
    receiver.hello()
    await until(lambda: FaultCode.RECEIVER not in desk.faults.codes(), "its return")
    assert FaultCode.JAM in desk.faults.codes()
    receiver.air()
    await until(lambda: FaultCode.JAM not in desk.faults.codes(), "its end")


async def test_noise_is_counted_and_what_follows_is_heard(
    desk: Desk, receiver: PtyReceiver
) -> None:
    listen(desk)
    chance = random.Random(1)
    body = line.pack_up_frame(-60, MAC, SEALED)
    message = line.encode_message(line.UP_FRAME, body)
    for number in range(200):
        noise = chance.randbytes(chance.randrange(1, 400)) if number % 2 else b"\x00" * 5
        broken = bytearray(message)
        broken[chance.randrange(len(broken) - 1)] ^= 0x20
        receiver.write(noise + b"\x00" + bytes(broken) + b"\x00" + message)
        expected = number + 1
        await until(lambda expected=expected: len(desk.heard) >= expected, "the frame after noise")
    assert set(desk.heard) == {(-60, MAC, SEALED)}
    assert len(desk.heard) == 200
    assert desk.link.noise >= 200


async def test_bytes_may_come_one_by_one(desk: Desk, receiver: PtyReceiver) -> None:
    listen(desk)
    message = line.encode_message(line.UP_FRAME, line.pack_up_frame(-60, MAC, SEALED))
    for byte in message:
        receiver.write(bytes((byte,)))
        await asyncio.sleep(0)
    await until(lambda: desk.heard == [(-60, MAC, SEALED)])


async def test_messages_that_are_too_short_or_unknown_are_counted(
    desk: Desk, receiver: PtyReceiver
) -> None:
    listen(desk)
    for kind in (line.UP_FRAME, line.HELLO, line.AIR, 0x7F):
        receiver.write(line.encode_message(kind, b"\x01"))
    await until(lambda: desk.link.counts["short"] == 3 and desk.link.counts["unknown"] == 1)
    assert desk.heard == []


async def test_a_receiver_unplugged_is_a_fault_and_replugged_is_found(
    desk: Desk, receiver: PtyReceiver
) -> None:
    listen(desk)
    for _ in range(3):
        receiver.hello()
        await until(lambda: desk.link.counts["hello"], "hello")
        assert FaultCode.RECEIVER not in desk.faults.codes()
        receiver.unplug()
        await until(lambda: FaultCode.RECEIVER in desk.faults.codes(), "the fault")
        desk.link.send(MAC, SEALED)
        await desk.clock.advance(25)
        receiver.plug()
        # Never longer than ten seconds between two looks, however long it was away.
        await desk.clock.advance(10)
        desk.link.counts["hello"] = 0
        receiver.hello()
        await until(lambda: desk.link.counts["hello"], "hello again")
        receiver.hear(MAC, SEALED)
        await until(lambda: desk.heard, "a frame after the return")
        desk.heard.clear()
        assert FaultCode.RECEIVER not in desk.faults.codes()
    assert desk.link.counts["opened"] == 4


async def test_a_receiver_that_was_never_there_is_found_when_it_comes(
    desk: Desk, tmp_path: Path
) -> None:
    listen(desk)
    assert FaultCode.RECEIVER in desk.faults.codes()
    await desk.clock.advance(3600)
    late = PtyReceiver(tmp_path / "tty")
    await desk.clock.advance(10)
    late.air()
    await until(lambda: FaultCode.RECEIVER not in desk.faults.codes(), "the fault over")
    late.unplug()


async def test_a_receiver_that_says_nothing_for_thirty_seconds_is_deaf(
    desk: Desk, receiver: PtyReceiver
) -> None:
    listen(desk)
    await desk.clock.advance(20)
    receiver.air()
    await until(lambda: desk.link.air)
    await desk.clock.advance(29)
    assert FaultCode.RECEIVER not in desk.faults.codes()
    await desk.clock.advance(1)
    assert FaultCode.RECEIVER in desk.faults.codes()
    receiver.air()
    await until(lambda: FaultCode.RECEIVER not in desk.faults.codes(), "heard again")


async def test_noise_alone_does_not_pass_for_a_receiver(desk: Desk, receiver: PtyReceiver) -> None:
    listen(desk)
    receiver.write(b"\x00" + bytes(range(1, 200)) + b"\x00")
    await until(lambda: desk.link.noise)
    await desk.clock.advance(30)
    assert FaultCode.RECEIVER in desk.faults.codes()


async def test_sending_never_blocks_and_drops_what_finds_no_room(
    desk: Desk, receiver: PtyReceiver
) -> None:
    listen(desk)
    await until(lambda: receiver.settings)
    asyncio.get_running_loop().remove_reader(receiver._fd)
    before_s = time.monotonic()
    for _ in range(5000):
        desk.link.send(MAC, SEALED)
    assert time.monotonic() - before_s < 2
    dropped = desk.link.counts["overflow"]
    assert dropped > 1000
    os.set_blocking(receiver._fd, False)
    asyncio.get_running_loop().add_reader(receiver._fd, receiver._readable)
    await until(lambda: len(receiver.down) == 5000 - dropped, "the rest, whole")


async def test_the_line_is_ours_alone(desk: Desk, receiver: PtyReceiver) -> None:
    listen(desk)
    import serial

    with pytest.raises(serial.SerialException):
        serial.Serial(receiver.port, exclusive=True)
