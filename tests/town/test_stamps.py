"""Stamps of several processes become one timeline a press."""

import asyncio
import socket
from pathlib import Path

import pytest

from vigibip.base.trace import Trace
from vigibip.town.stamps import Stamps


@pytest.fixture
async def stamps(tmp_path: Path):
    stamps = Stamps()
    stamps.start(tmp_path / "trace.sock")
    yield stamps
    stamps.close()


def sink_to(path: Path) -> socket.socket:
    sink = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sink.connect(str(path))
    return sink


async def test_a_stamp_of_another_process_arrives_with_its_own_time(
    stamps: Stamps, tmp_path: Path
) -> None:
    with sink_to(tmp_path / "trace.sock") as sink:
        Trace(sink.send).stamp("box.opened", "a1")
        first_ns = await stamps.wait("a1", "box.opened", 5)
        Trace(sink.send).stamp("box.opened", "a1")
        Trace(sink.send).stamp("box.stored", "a1")
        stored_ns = await stamps.wait("a1", "box.stored", 5)
    assert stamps.of("a1") == {"box.opened": first_ns, "box.stored": stored_ns}
    assert stamps.count("a1", "box.opened") == 2
    assert first_ns < stored_ns


async def test_a_stage_that_does_not_come_is_told(stamps: Stamps) -> None:
    stamps.record("press", "a1", 1)
    with pytest.raises(TimeoutError):
        await stamps.wait("a1", "radio.ptt", 0.05)


async def test_two_can_wait_for_one_stage(stamps: Stamps) -> None:
    waiting = [asyncio.create_task(stamps.wait("a1", "radio.ptt", 5)) for _ in range(2)]
    await asyncio.sleep(0)
    stamps.record("press", "a1", 1)
    await asyncio.sleep(0)
    stamps.record("radio.ptt", "a1", 7)
    assert await asyncio.gather(*waiting) == [7, 7]


async def test_what_is_no_stamp_is_counted_and_left(stamps: Stamps, tmp_path: Path) -> None:
    with sink_to(tmp_path / "trace.sock") as sink:
        sink.send(b"\xff\xfe")
        sink.send(b"box.opened a1")
        Trace(sink.send).stamp("box.opened", "a2")
    await stamps.wait("a2", "box.opened", 5)
    assert stamps.refused == 2
    assert stamps.of("a1") == {}
