"""The town in real time: it comes up whole, survives a power cut, and leaves nothing behind."""

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from vigibip.town.books import BoxBook, PostBook
from vigibip.town.demo import reach
from vigibip.town.errors import HopError, TownError
from vigibip.town.mobile import MobilePlan
from vigibip.town.network import Cut
from vigibip.town.real import Town, TownPlan
from vigibip.town.timeline import DELIVERED, HEARD

pytestmark = [
    pytest.mark.requires_program("micropython"),
    pytest.mark.xdist_group("real-town"),
    pytest.mark.slow,
]
PLAN = TownPlan(shops=1, cut_short=True, ptt_lead_ms=0)
HOP_S = 30


def descendants(root: int) -> set[int]:
    """Return every living process below `root`."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z":
                parents[int(entry.name)] = int(fields[1])
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {root}


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:1]
    except OSError:
        return False


async def gone(pids: set[int]) -> None:
    async with asyncio.timeout(20):
        # Other processes' ends come with no event of ours.
        while any(is_alive(pid) for pid in pids):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_the_box_is_killed_between_heard_and_delivered_and_nothing_stays_behind() -> None:
    before = descendants(os.getpid())
    async with Town(PLAN) as town:
        (shop,) = town.shops
        started = descendants(os.getpid()) - before
        assert len(started) >= 6, "broker, post, box, receiver and two bips"

        await shop.network.cut(Cut.SILENT)
        bip = shop.bips[0]
        alert_id = await bip.alert_id(bip.press(), HOP_S)
        await reach(town, alert_id, HEARD, HOP_S)
        await shop.kill_box()
        assert BoxBook(shop.settings.store_path).has(alert_id), "heard means on the disk"
        with pytest.raises(HopError):
            await reach(town, alert_id, DELIVERED, 0.5)

        await shop.network.restore()
        await shop.start_box()
        await reach(town, alert_id, DELIVERED, HOP_S)
        assert PostBook(town.post_settings.store_path).alert_ids() == {alert_id: 1}
        started |= descendants(os.getpid()) - before
        root = town.place.root
    await gone(started)
    assert not root.exists()


async def test_the_box_is_killed_while_its_sms_is_in_the_modem_and_it_is_one_alert() -> None:
    plan = replace(PLAN, mobile=MobilePlan(submit_s=(5.0, 5.0)))
    async with Town(plan) as town:
        (shop,) = town.shops
        assert town.mobile is not None
        modem = town.mobile.modem(shop.number_of_sim)
        await shop.wait_connected()
        await shop.network.cut(Cut.REFUSED)
        handed_s = modem.handed_s
        bip = shop.bips[0]
        alert_id = await bip.alert_id(bip.press(), HOP_S)
        await reach(town, alert_id, HEARD, HOP_S)
        async with asyncio.timeout(HOP_S):
            # The stamps tell only what the network took.
            while modem.handed_s == handed_s:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await shop.kill_box()
        assert "sms.alert.operator" not in town.stamps.of(alert_id)
        # The modem goes on by itself, and what comes back waits on the SIM.
        await reach(town, alert_id, "post.committed", HOP_S)
        await shop.start_box()
        await reach(town, alert_id, DELIVERED, 4 * HOP_S)
        book = PostBook(town.post_settings.store_path)
        assert (book.alert_ids(), book.presses_of_incidents()) == ({alert_id: 1}, 1)


async def test_a_bip_pressed_while_its_receiver_is_unplugged_is_heard_once_it_is_back() -> None:
    async with Town(PLAN) as town:
        (shop,) = town.shops
        shop.receiver.device.unplug()
        bip = shop.bips[0]
        alert_id = await bip.alert_id(bip.press(), HOP_S)
        with pytest.raises(HopError):
            await reach(town, alert_id, HEARD, 1.0)
        await shop.receiver.device.replug()
        await reach(town, alert_id, DELIVERED, HOP_S)
        assert PostBook(town.post_settings.store_path).alert_ids() == {alert_id: 1}


async def start_town() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "vigibip", "town", "run", "--shops", "1"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def wait_for_words(process: asyncio.subprocess.Process, words: str) -> None:
    assert process.stdout is not None
    async with asyncio.timeout(90):
        while words not in (line := (await process.stdout.readline()).decode()):
            assert line, "the town ended before it was ready"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
async def test_however_a_town_ends_it_leaves_no_process(number: signal.Signals) -> None:
    process = await start_town()
    try:
        await wait_for_words(process, "la ville est prête")
        pids = descendants(process.pid)
        assert pids
        process.send_signal(number)
        async with asyncio.timeout(30):
            code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert code == (0 if number is signal.SIGINT else -number)
    await gone(pids)


async def test_a_town_that_cannot_start_says_which_part_and_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = descendants(os.getpid())
    plan = TownPlan(shops=1, box={"radio_channel": 99})
    with pytest.raises((TownError, ValueError), match=r"radio_channel"):
        async with Town(plan):
            pass
    await gone(descendants(os.getpid()) - before)
