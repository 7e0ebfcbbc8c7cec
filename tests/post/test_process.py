"""The post as the process that it is: killed, starved of disk, told to end, measured."""

from __future__ import annotations

import asyncio
import json
import random
import resource
import time
from pathlib import Path

import pytest

from tests.post.harness import until
from tests.post.place import Place, deliver, send_until_received
from vigibip.town.children import vigibip_command

# Each starts several processes: one at a time is enough for two cores.
pytestmark = [pytest.mark.xdist_group("post-process"), pytest.mark.slow]

RSS_MAX_MB = 200


async def test_killed_at_random_moments_it_loses_and_doubles_nothing(place: Place) -> None:
    chance = random.Random(7)
    boxes = [await place.add_box("Tabac"), await place.add_box("Presse")]
    sent = [[f"{index:08x}{number:08x}" for number in range(150)] for index in (1, 2)]
    await place.run()
    streams = [
        asyncio.create_task(send_until_received(box, alerts, pace_s=0.05))
        for box, alerts in zip(boxes, sent, strict=True)
    ]
    kills = 0
    while not all(stream.done() for stream in streams) and kills < 6:
        assert place.post is not None
        before = sum(len(box.accepted) for box in boxes)
        # Not while it starts up: it must have taken something in.
        await until(lambda before=before: sum(len(box.accepted) for box in boxes) > before, 30)
        await asyncio.sleep(chance.uniform(0, 0.7))
        await place.post.kill()
        told = {(box.box_id, alert_id) for box in boxes for alert_id in box.accepted}
        held = set(place.rows("SELECT box, id FROM alert"))
        assert told <= held, "a receipt without a committed row"
        kills += 1
        await place.run()
    await asyncio.gather(*streams)
    assert kills >= 3
    held_rows = place.rows("SELECT box, id FROM alert")
    expected = {
        (box.box_id, alert) for box, alerts in zip(boxes, sent, strict=True) for alert in alerts
    }
    assert len(held_rows) == len(expected)
    assert set(held_rows) == expected
    presses = place.rows("SELECT shop, sum(presses), count(*) FROM incident GROUP BY shop")
    assert sorted(row[1:] for row in presses) == [(150, 1), (150, 1)]
    # Nothing waits unsaid: what a killed post had leased, its successor has announced.
    waiting = "SELECT 1 FROM relay_round WHERE done_at IS NULL AND due_at < datetime('now')"
    await until(lambda: not place.rows(waiting), 20)


async def test_a_full_disk_is_relayed_without_a_receipt_and_heals(place: Place) -> None:
    box = await place.add_box("Tabac")
    post = await place.run()
    await deliver(box, f"{1:016x}")
    on_air = len(place.channel.transmissions)
    _, hard = resource.prlimit(post.pid, resource.RLIMIT_FSIZE)
    # The kernel refuses every write beyond this, as a full disk would.
    resource.prlimit(post.pid, resource.RLIMIT_FSIZE, (4096, hard))
    late = await place.add_box("Presse")
    late.press(f"{2:016x}")
    await until(lambda: len(place.channel.transmissions) > on_air, 30)
    late.press(f"{2:016x}")
    await asyncio.to_thread(time.sleep, 0.5)
    assert late.receipts == []
    assert place.rows(f"SELECT 1 FROM alert WHERE id = '{2:016x}'") == []
    assert post.running
    resource.prlimit(post.pid, resource.RLIMIT_FSIZE, (hard, hard))
    await until(lambda: late.accepted == [f"{2:016x}"], 30)
    assert place.rows(f"SELECT count(*) FROM alert WHERE id = '{2:016x}'") == [(1,)]


async def test_it_ends_in_order_when_told_to_and_stays_small(place: Place) -> None:
    box = await place.add_box("Tabac")
    post = await place.run()
    await deliver(box, *(f"{number:016x}" for number in range(100)))
    status = Path(f"/proc/{post.pid}/status").read_text()
    peak_kb = int(status.split("VmHWM:")[1].split()[0])
    assert peak_kb / 1024 <= RSS_MAX_MB
    started_s = time.monotonic()
    await post.stop()
    assert post.process.returncode == 0
    assert time.monotonic() - started_s < 4
    again = await place.run()
    await deliver(box, f"{1000:016x}")
    await again.stop()


async def test_a_second_post_on_the_same_directory_is_refused(place: Place) -> None:
    box = await place.add_box("Tabac")
    await place.run()
    await deliver(box, f"{1:016x}")
    command = vigibip_command("post", "run", "--config", str(place.config))
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, told = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2
    assert b"another post" in told


async def test_the_commands_work_beside_the_running_post(place: Place) -> None:
    box = await place.add_box("Tabac du Centre")
    await place.run()
    assert json.loads(await place.command("incidents", "--json")) == []
    await deliver(box, f"{1:016x}")
    (told,) = json.loads(await place.command("incidents", "--json"))
    assert (told["number"], told["state"], told["shop_name"]) == (1, "open", "Tabac du Centre")
    assert "Tabac du Centre" in await place.command("incidents")
    card = json.loads(await place.command("card", "Alpha 1", "--json"))
    assert (card["callsign"], len(card["codes"])) == ("Alpha 1", 20)
    assert "Carte 2 : Alpha 1" in await place.command("card", "Alpha 1")
    await place.channel.key_answer(number=1, code="000000")
    card = json.loads(await place.command("card", "Bravo 2", "--json"))
    await place.channel.key_answer(number=1, code=card["codes"][0])
    await until(lambda: [one.state for one in box.answers] == ["coming"], 30)
    (told,) = json.loads(await place.command("incidents", "--json"))
    assert (told["state"], told["answered_by"]) == ("coming", "Bravo 2")
