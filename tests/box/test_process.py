"""`vigibip box run` as a process: killed at random moments, on a full disk, measured, stopped."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.box.peers import Bip, Post, PtyReceiver, enrolment_for, until
from vigibip.base.trace import TRACE_VARIABLE, parse_stamp
from vigibip.box.config import BoxSettings
from vigibip.box.control import ask
from vigibip.box.enrolment import save_enrolment
from vigibip.box.pairing import pair_device
from vigibip.box.store import one_transaction, records
from vigibip.post.authority import Authority
from vigibip.town.broker import Broker
from vigibip.town.children import Child, Children, vigibip_command
from vigibip.wire import frame

HEARD, DELIVERED = frame.STATE_HEARD, frame.STATE_DELIVERED


class Process:
    """The daemon of one configuration file."""

    def __init__(self, children: Children, settings: BoxSettings) -> None:
        self._children = children
        self._settings = settings
        self._config = settings.data_dir.parent / "box.toml"
        self._config.write_text(
            f'data_dir = "{settings.data_dir}"\nreceiver_port = "{settings.receiver_port}"\n'
        )
        self.child: Child | None = None

    async def start(self) -> Child:
        command = vigibip_command("box", "run", "--config", str(self._config))
        child = self.child = await self._children.start("box", command)
        await until(
            lambda: self._settings.control_path.exists() or not child.running, "the box runs"
        )
        assert child.running, child.log_tail()
        return child

    async def kill(self) -> None:
        assert self.child is not None
        await self.child.kill()
        self._settings.control_path.unlink(missing_ok=True)

    async def status(self) -> dict[str, Any]:
        return await asyncio.to_thread(ask, self._settings.control_path, "status")

    def rss_mb(self) -> float:
        assert self.child is not None
        status = Path(f"/proc/{self.child.pid}/status").read_text(encoding="ascii")
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024


@pytest.fixture
async def process(
    children: Children, settings: BoxSettings, bip: Bip, authority: Authority
) -> AsyncIterator[Process]:
    """A daemon that is not started and whose post is not reachable."""
    save_enrolment(settings.enrolment_path, enrolment_for(authority, "127.0.0.1", 9))
    process = Process(children, settings)
    yield process
    if process.child is not None:
        await process.child.stop()


@pytest.fixture
async def online(
    children: Children, enrolled: BoxSettings, bip: Bip, receiver: PtyReceiver, post: Post
) -> AsyncIterator[Process]:
    """A daemon that runs, with a receiver and a post."""
    process = Process(children, enrolled)
    await process.start()
    yield process
    if process.child is not None:
        await process.child.stop()


@pytest.mark.slow
async def test_nothing_that_was_heard_is_missing_after_kills_at_random_moments(
    process: Process, settings: BoxSettings, bip: Bip, receiver: PtyReceiver
) -> None:
    chance = random.Random(2024)
    for _ in range(8):
        child = await process.start()
        # The moment is drawn in replies and many presses are under way, so that the power goes
        # between a commit and its reply, or the other way round.
        kill_at = len(receiver.down) + chance.randrange(1, 60)

        def cut_power(child: Child = child, kill_at: int = kill_at) -> None:
            if len(receiver.down) == kill_at:
                os.kill(child.pid, signal.SIGKILL)

        receiver.on_down = cut_power
        end_s = time.monotonic() + 20
        while child.running:
            for _ in range(chance.randrange(1, 12)):
                receiver.hear(bip.mac, bip.press())
            waited_for = len(receiver.down) + 1
            while child.running and len(receiver.down) < waited_for:
                await asyncio.sleep(0)
                assert time.monotonic() < end_s
        await process.kill()
    told = {reply.press for reply in receiver.replies(bip) if reply.state == HEARD}
    assert len(told) >= 8
    with one_transaction(settings.store_path) as connection:
        kept = {row[0] for row in connection.execute("SELECT press FROM alerts")}
    assert told <= kept
    # And the box goes on from there: none of them is new to it.
    await process.start()
    newest = max(told)
    receiver.hear(bip.mac, bip.press(press=newest))
    await until(lambda: receiver.replies(bip)[-1].press == newest)
    counters = [reply.counter for reply in receiver.replies(bip)]
    assert len(counters) == len(set(counters))


@pytest.mark.requires_program("mosquitto")
async def test_on_a_full_disk_alerts_go_and_heard_is_withheld_until_there_is_room(
    online: Process, bip: Bip, receiver: PtyReceiver, post: Post
) -> None:
    post.receipts = False
    receiver.hear(bip.mac, bip.press())
    await until(lambda: receiver.states(bip) == [HEARD])
    assert online.child is not None
    _, hard = resource.prlimit(online.child.pid, resource.RLIMIT_FSIZE)
    # Not a byte more, in any file.
    resource.prlimit(online.child.pid, resource.RLIMIT_FSIZE, (1, hard))
    receiver.hear(bip.mac, bip.press())
    await until(lambda: bip.alert_id(2) in post.ids(), "published without a disk")
    told = await online.status()
    await until(lambda: receiver.down)
    assert [fault["code"] for fault in told["faults"] if fault["code"] == "storage"]
    assert receiver.states(bip) == [HEARD]
    receiver.hear(bip.mac, bip.press(press=2))
    receiver.hear(bip.mac, bip.poll(2))
    await until(lambda: len(receiver.states(bip)) == 2)
    assert receiver.states(bip) == [HEARD, frame.STATE_NONE]
    resource.prlimit(online.child.pid, resource.RLIMIT_FSIZE, (hard, hard))
    await until(lambda: receiver.states(bip)[-1] == HEARD, "heard once there is room", 40)
    assert not [one for one in (await online.status())["faults"] if one["code"] == "storage"]


@pytest.mark.requires_program("mosquitto")
async def test_the_stamps_tell_the_order_of_the_hot_path(
    broker: Broker,
    enrolled: BoxSettings,
    bip: Bip,
    receiver: PtyReceiver,
    post: Post,
    tmp_path: Path,
) -> None:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as stamps:
        stamps.bind(str(tmp_path / "trace"))
        stamps.setblocking(False)
        traced = Children(tmp_path / "logs", os.environ | {TRACE_VARIABLE: str(tmp_path / "trace")})
        process = Process(traced, enrolled)
        await process.start()
        receiver.hear(bip.mac, bip.press())
        await until(lambda: post.alerts)
        post.answer(1, bip.alert_id(1))
        await until(lambda: post.acknowledged)
        await traced.close()
        at_ns: dict[str, int] = {}
        while len(at_ns) < 5:
            stage, subject, stamp_ns = parse_stamp(stamps.recv(200))
            assert subject == bip.alert_id(1)
            at_ns[stage] = stamp_ns
    assert at_ns["box.opened"] <= at_ns["box.published"] <= at_ns["box.receipt"]
    assert at_ns["box.opened"] <= at_ns["box.stored"]
    assert at_ns["box.receipt"] <= at_ns["box.answer"]


@pytest.mark.requires_program("mosquitto")
async def test_the_process_stays_small_and_ends_when_asked(
    online: Process, settings: BoxSettings, bip: Bip, receiver: PtyReceiver, post: Post
) -> None:
    for number in range(1, 201):
        receiver.hear(bip.mac, bip.press())
        await until(lambda number=number: len(post.alerts) >= number)
    assert online.rss_mb() <= 80
    assert online.child is not None
    os.kill(online.child.pid, signal.SIGTERM)
    await until(lambda: online.child is not None and not online.child.running)
    log = (settings.data_dir.parent / "logs" / "box.log").read_text(encoding="utf-8")
    assert "Traceback" not in log
    assert bip.key.hex() not in log
    assert "comptoir" not in log
    assert not settings.control_path.exists()
    with one_transaction(settings.store_path) as connection:
        assert {one.receipt for one in records.read_alerts(connection)} == {"accepted"}


async def test_a_bip_is_paired_beside_the_running_box_at_once(
    process: Process, settings: BoxSettings, receiver: PtyReceiver
) -> None:
    await process.start()
    other = Bip(0x0000BEEF, bytes(range(50, 66)))
    pair_device(settings, "0000beef", "remise", other.key.hex())
    receiver.hear(other.mac, other.press())
    await until(lambda: receiver.states(other) == [HEARD])
