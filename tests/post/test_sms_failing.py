"""SMS while the store refuses or hangs, and SMS that it cannot or must not take."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from tests.post.sms_site import STRANGER, SmsBox, SmsSite
from vigibip.alert.ids import AlertId
from vigibip.alert.messages import authenticate
from vigibip.alert.sms_form import SmsKind, SmsMessage, find_author
from vigibip.base.clock import DrivenClock
from vigibip.base.errors import StorageError
from vigibip.post.store import Store

PRESS, AGAIN = "00000001000000aa", "00000001000000ab"


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[SmsSite]:
    made = SmsSite(tmp_path)
    try:
        await made.start()
        yield made
    finally:
        await made.close()


async def refuse(self: Store, run: Any) -> Any:
    raise StorageError("the disk is full")


def purge(connection: Connection) -> None:
    for table in ("relay_round", "answer", "alert", "incident"):
        connection.exec_driver_sql(f"DELETE FROM {table}")


@pytest.mark.parametrize("restart", [False, True], ids=["same-run", "after-restart"])
async def test_a_copy_is_known_while_the_store_refuses(
    town: SmsSite, monkeypatch: pytest.MonkeyPatch, restart: bool
) -> None:
    box = await town.add_sms_box()
    text = box.press(PRESS)
    await town.pass_sms()
    await town.store.write(purge)
    if restart:
        await town.stop_post()
        await town.start_post()
    await town.refresh()
    said = len(town.radio.said)
    with monkeypatch.context() as failing:
        failing.setattr(Store, "write", refuse)
        town.bring(box.handset.number, text)
        await town.pass_sms()
        assert town.post is not None
        assert town.post.sms_counts["copy"] == 1
    await town.advance(90)
    assert len(town.radio.said) == said
    assert await town.store.incidents() == []
    assert box.receipts == [[PRESS]]


async def test_what_was_relayed_from_memory_is_committed_with_its_sms(
    town: SmsSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = await town.add_sms_box()
    with monkeypatch.context() as failing:
        failing.setattr(Store, "write", refuse)
        text = box.press(PRESS)
        await town.pass_sms()
        assert town.radio.numbers == [999]
        # The modem brings it again a minute later: the store is asked before.
    await town.advance(15)
    assert box.receipts == [[PRESS]]
    await town.advance(90)
    assert box.receipts == [[PRESS]]
    await town.store.write(purge)
    town.bring(box.handset.number, text)
    await town.pass_sms()
    assert await town.store.incidents() == []


async def test_a_box_revoked_a_moment_ago_gets_no_receipt_though_nothing_can_be_read(
    town: SmsSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = await town.add_sms_box()

    async def unreadable(self: Store, box_id: str | None = None) -> Any:
        raise StorageError("the disk is broken")

    await town.store.revoke_box(box.box_id)
    monkeypatch.setattr(Store, "known_boxes", unreadable)
    box.press(PRESS)
    await town.pass_sms()
    assert town.post is not None
    assert ("press-of-revoked-box", box.box_id) in town.post.faults
    assert box.handset.texts == []
    assert town.post.sms_counts["revoked"] == 1


async def test_on_a_disk_that_hangs_no_probe_and_no_forgery_holds_up_an_alert(
    town: SmsSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    box, other = await town.add_sms_box(), await town.add_sms_box("Boulangerie")
    answers = asyncio.Event()
    real = {"write": Store.write, "read": Store.read}

    def hangs(what: str) -> Any:
        async def hang(self: Store, run: Any) -> Any:
            await answers.wait()
            return await real[what](self, run)

        return hang

    for what in real:
        monkeypatch.setattr(Store, what, hangs(what))
    # What hangs is under way for ever: the clock must not wait for it.
    monkeypatch.setattr(town.clock, "settle", DrivenClock.run_ready)
    for _ in range(3):
        box.probe()
        town.bring(box.handset.number, box.alert_text(AGAIN).replace("Centre", "Sud"))
    await town.advance(0.5)
    town.bring(other.handset.number, other.alert_text(PRESS))
    try:
        for _ in range(200):
            await town.advance(0.1)
            await asyncio.sleep(0.002)
        assert town.radio.numbers[:1] == [999]
        assert box.handset.texts == other.handset.texts == []
    finally:
        answers.set()
    monkeypatch.setattr(town.clock, "settle", town.settle)
    await town.advance(60)
    assert [one.presses for one in await town.store.incidents()] == [1]
    assert other.receipts == [[PRESS]]


async def test_an_alert_that_can_never_be_stored_is_on_the_air_and_refused_by_sms(
    town: SmsSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = await town.add_sms_box()

    async def poisoned(self: Store, *_: Any, **__: Any) -> Any:
        raise ValueError("a mistake of ours")

    monkeypatch.setattr(Store, "accept_alert", poisoned)
    text = box.press(PRESS)
    await town.pass_sms()
    assert town.post is not None
    assert ("message-refused", box.box_id) in town.post.faults
    assert town.radio.numbers == [999]
    (refusal,) = box.of(SmsKind.REFUSAL)
    assert refusal.alerts == (AlertId.parse(PRESS),)
    town.bring(box.handset.number, text)
    await town.pass_sms()
    assert len(box.handset.texts) == 1, "once for each SMS that the box writes"


async def _past_the_window(town: SmsSite, box: SmsBox) -> None:
    box.sequence += 70
    box.press(PRESS)
    await town.pass_sms()


async def test_what_lies_below_the_window_is_told_unless_its_alert_is_known(
    town: SmsSite,
) -> None:
    box = await town.add_sms_box()
    assert town.post is not None
    below = box.sequence + 1
    await _past_the_window(town, box)
    refused = ("message-refused", box.box_id)
    town.bring(box.handset.number, box.alert_text(PRESS, sequence=below))
    await town.pass_sms()
    assert refused not in town.post.faults
    town.bring(box.handset.number, box.alert_text(AGAIN, sequence=below + 1))
    await town.pass_sms()
    assert refused in town.post.faults
    assert (town.post.sms_counts["copy"], town.post.sms_counts["old"]) == (1, 1)
    (incident,) = await town.store.incidents()
    assert incident.presses == 1
    assert box.receipts == [[PRESS]]


async def test_forgeries_in_a_boxs_name_cost_one_look_at_the_store(
    town: SmsSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = await town.add_sms_box()
    looks: list[str] = []
    real = Store.known_boxes

    async def counted(self: Store, box_id: str | None = None) -> Any:
        if box_id is not None:
            looks.append(box_id)
        return await real(self, box_id)

    monkeypatch.setattr(Store, "known_boxes", counted)
    for _ in range(5):
        town.bring(box.handset.number, box.alert_text(PRESS).replace("Centre", "Sud"))
    await town.pass_sms()
    assert town.post is not None
    assert town.post.sms_counts["unverified"] == 5
    assert looks == [box.box_id]
    await town.advance(30)
    town.bring(box.handset.number, box.alert_text(PRESS).replace("Centre", "Sud"))
    await town.pass_sms()
    assert len(looks) == 2


async def test_an_alert_of_a_newer_version_is_an_incident_and_tells_so(town: SmsSite) -> None:
    box = await town.add_sms_box()
    fields = bytes((0,)) + (30).to_bytes(4, "big") + bytes(4)
    body = bytes((1 << 4 | 2,)) + (5000).to_bytes(4, "big") + fields
    body += bytes.fromhex(PRESS) + b"more"
    said = b"VigiBip SMS\n" + b"ALERTE" + b"\0" + body
    packed = body + authenticate(box.client.up_key, said, 8)
    town.bring(box.handset.number, f"ALERTE #{base64.b32encode(packed).decode().rstrip('=')}")
    await town.pass_sms()
    (incident,) = await town.store.incidents()
    assert [alert.id for alert in incident.alerts] == [PRESS]
    assert town.radio.numbers == [1]
    assert box.receipts == [[PRESS]]
    assert town.post is not None
    assert ("version-newer", box.box_id) in town.post.faults


async def test_a_press_under_a_number_that_the_post_was_not_told_is_told_to_people(
    town: SmsSite,
) -> None:
    box, other = await town.add_sms_box(), await town.add_sms_box("Boulangerie")
    assert town.post is not None
    refused = ("message-refused", box.box_id)
    heard = box.press(AGAIN)
    await town.pass_sms()
    texts = len(box.handset.texts)
    # A copy of what was taken, and what no box's key made: nothing to tell.
    town.bring(STRANGER, heard)
    town.bring(STRANGER, other.alert_text(PRESS).replace("Centre", "Sud"))
    await town.pass_sms()
    assert not [kind for kind, _ in town.post.faults if kind == "message-refused"]
    town.bring(STRANGER, box.alert_text(PRESS))
    await town.pass_sms()
    assert town.post.faults[refused].endswith("UTC")
    assert ("message-refused", other.box_id) not in town.post.faults
    assert town.post.sms_counts["stranger"] == 3
    assert len(box.handset.texts) == texts
    assert set(town.radio.numbers) == {1}, "the first press, repeated"
    (incident,) = await town.store.incidents()
    assert incident.presses == 1


async def test_strangers_cost_so_many_looks_a_minute_and_no_more(
    town: SmsSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = await town.add_sms_box()
    looks: list[str] = []

    def counted(keys: Mapping[str, bytes], text: str) -> tuple[str, SmsMessage]:
        looks.append(text)
        return find_author(keys, text)

    monkeypatch.setattr("vigibip.post.sms_intake.find_author", counted)
    for _ in range(30):
        town.bring(STRANGER, box.alert_text(PRESS).replace("Centre", "Sud"))
    await town.pass_sms()
    assert town.post is not None
    assert (town.post.sms_counts["stranger"], len(looks)) == (30, 20)
    await town.advance(60)
    town.bring(STRANGER, box.alert_text(PRESS))
    await town.pass_sms()
    assert len(looks) == 21
    assert ("message-refused", box.box_id) in town.post.faults
