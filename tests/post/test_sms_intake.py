"""Alerts by SMS: taken in once, receipted by SMS, and nothing that is not a box's is believed."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from tests.post.harness import until
from tests.post.sms_site import STRANGER, SmsSite
from vigibip.alert.messages import authenticate
from vigibip.alert.sms_form import SmsKind
from vigibip.base.clock import DrivenClock
from vigibip.base.errors import StorageError
from vigibip.post.store import Store
from vigibip.post.store.second_path import SecondPathStore

PRESS, AGAIN = "00000001000000aa", "00000001000000ab"


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[SmsSite]:
    made = SmsSite(tmp_path)
    try:
        await made.start()
        yield made
    finally:
        await made.close()


async def test_an_alert_by_sms_is_an_incident_on_the_air_and_gets_its_receipt(
    town: SmsSite,
) -> None:
    box = await town.add_sms_box()
    box.press(PRESS)
    await town.pass_sms()
    (incident,) = await town.store.incidents()
    assert [alert.id for alert in incident.alerts] == [PRESS]
    assert town.radio.numbers == [1]
    assert box.receipts == [[PRESS]]
    stages = [stage for stage, subject in town.stamps if subject == PRESS]
    assert stages.index("post.sms_received") < stages.index("post.committed")
    assert stages.index("post.committed") < stages.index("post.sms_sent")


async def test_both_paths_make_one_alert_in_either_order_and_far_apart(
    town: SmsSite,
) -> None:
    box = await town.add_sms_box(connect=True)
    box.press(PRESS)
    await town.pass_sms()
    box.client.press(PRESS)
    await until(lambda: PRESS in box.client.accepted)
    box.client.press(AGAIN)
    await until(lambda: AGAIN in box.client.accepted)
    await town.advance(900)
    box.press(AGAIN, age_s=900)
    await town.pass_sms()
    (incident,) = await town.store.incidents()
    assert [alert.id for alert in incident.alerts] == [PRESS, AGAIN]
    assert incident.presses == 2
    # Each way by which it came has its receipt.
    assert box.receipts == [[PRESS], [AGAIN]]


async def test_an_alert_sent_again_has_its_receipt_again_and_a_copied_sms_has_none(
    town: SmsSite,
) -> None:
    box = await town.add_sms_box()
    text = box.press(PRESS)
    await town.pass_sms()
    town.bring(box.handset.number, text)
    await town.pass_sms()
    assert box.receipts == [[PRESS]]
    box.press(PRESS, age_s=60)
    await town.pass_sms()
    assert box.receipts == [[PRESS], [PRESS]]
    (incident,) = await town.store.incidents()
    assert incident.presses == 1


async def test_an_old_sms_is_no_alert_though_everything_about_it_was_purged(
    town: SmsSite,
) -> None:
    box = await town.add_sms_box()
    text = box.press(PRESS)
    await town.pass_sms()

    def purge(connection: Connection) -> None:
        for table in ("relay_round", "answer", "alert", "incident"):
            connection.exec_driver_sql(f"DELETE FROM {table}")

    await town.store.write(purge)
    await town.stop_post()
    await town.start_post()
    town.bring(box.handset.number, text)
    await town.pass_sms()
    assert await town.store.incidents() == []
    assert box.receipts == [[PRESS]]
    # And one from below the window is not told from a copy either.
    for _ in range(70):
        box.sequence += 1
    box.press(AGAIN)
    await town.pass_sms()
    (incident,) = await town.store.incidents()
    town.bring(box.handset.number, box.alert_text("00000001000000ff", sequence=box.sequence - 64))
    await town.pass_sms()
    assert (await town.store.incidents())[0].presses == incident.presses == 1


def _changed(text: str) -> str:
    return text.replace("Centre", "Sud")


def _half(text: str) -> str:
    return text[: len(text) - 20]


def _talk(_text: str) -> str:
    return "Bonjour, rappelez-moi"


@pytest.mark.parametrize("spoil", [_changed, _half, _talk], ids=lambda spoil: spoil.__name__)
async def test_a_known_number_without_proof_is_shown_and_never_on_the_air(
    town: SmsSite, spoil: Callable[[str], str]
) -> None:
    box = await town.add_sms_box()
    town.bring(box.handset.number, spoil(box.alert_text(PRESS)))
    await town.pass_sms()
    assert town.post is not None
    assert ("sms-unverified", box.box_id) in town.post.faults
    assert town.post.faults[("sms-unverified", box.box_id)].endswith("UTC")
    assert town.radio.said == []
    assert await town.store.incidents() == []
    assert box.handset.texts == []
    assert await town.store.read(_parked) == 0


async def test_a_stranger_is_counted_and_dropped(town: SmsSite) -> None:
    box = await town.add_sms_box()
    town.bring(STRANGER, box.alert_text(PRESS))
    await town.pass_sms()
    assert town.post is not None
    assert town.post.sms_counts["stranger"] == 1
    assert await town.store.incidents() == []
    assert not [kind for kind, _ in town.post.faults if kind.startswith("sms")]
    assert await town.store.read(_parked) == 0


async def test_another_boxs_key_or_number_opens_nothing(town: SmsSite) -> None:
    box, other = await town.add_sms_box(), await town.add_sms_box("Boulangerie")
    town.bring(box.handset.number, other.alert_text(PRESS))
    await town.pass_sms()
    assert await town.store.incidents() == []
    assert box.handset.texts == other.handset.texts == []
    assert town.post is not None
    assert ("sms-unverified", box.box_id) in town.post.faults
    # The cards may have changed places: somebody has pressed there.
    assert town.post.faults[("message-refused", other.box_id)].endswith("UTC")
    assert ("message-refused", box.box_id) not in town.post.faults


async def test_an_sms_of_a_newer_form_is_told_as_what_may_have_been_a_press(
    town: SmsSite,
) -> None:
    box = await town.add_sms_box()
    body = bytes((1 << 4 | 2,)) + (5000).to_bytes(4, "big") + b"what is to come"
    said = b"VigiBip SMS\n" + b"ALERTE" + b"\0" + body
    packed = body + authenticate(box.client.up_key, said, 8)
    code = base64.b32encode(packed).decode().rstrip("=")
    town.bring(box.handset.number, f"ALERTE #{code}")
    await town.pass_sms()
    assert town.post is not None
    assert ("message-refused", box.box_id) in town.post.faults
    assert town.post.sms_counts["not-understood"] == 1


async def test_an_alerts_age_is_told_by_the_better_clock(town: SmsSite) -> None:
    box = await town.add_sms_box()
    now = town.clock.utc()
    minutes = timedelta(minutes=1)
    told = {
        # Its box's clock is right: 30 s old when written, ten minutes under way.
        "00000001000000a1": ({"age_s": 30, "written_s": _unix(now - 10 * minutes)}, now),
        # Its box does not know the time: the network took it five minutes ago.
        "00000001000000a2": ({"age_s": 30, "written_s": 0}, now - 5 * minutes),
        # Its box's clock is a year ahead.
        "00000001000000a3": (
            {"age_s": 30, "written_s": _unix(now + timedelta(days=365))},
            now - 5 * minutes,
        ),
        # Nobody's clock can be right, and a press whose age is lost stays one.
        "00000001000000a4": ({"age_s": 30, "written_s": 0}, now - timedelta(days=400)),
        "00000001000000a5": ({"age_s": None}, now),
    }
    for alert_id, (fields, sent) in told.items():
        town.bring(box.handset.number, box.alert_text(alert_id, **fields), sent=sent)
    await town.pass_sms()
    (incident,) = await town.store.incidents()
    ages = {
        alert.id[-2:]: None
        if alert.pressed_at is None
        else round((now - alert.pressed_at) / minutes, 1)
        for alert in incident.alerts
    }
    assert ages == {"a1": 10.5, "a2": 5.5, "a3": 5.5, "a4": None, "a5": None}


async def test_what_the_store_refuses_is_relayed_has_no_receipt_and_stays_in_the_sim(
    town: SmsSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = await town.add_sms_box()
    real = Store.write

    async def refuse(self: Store, run: Any) -> Any:
        raise StorageError("the disk is full")

    monkeypatch.setattr(Store, "write", refuse)
    box.press(PRESS)
    await town.pass_sms()
    assert town.radio.numbers == [999]
    assert box.handset.texts == []
    await town.advance(60)
    assert town.radio.numbers[:1] == [999]
    monkeypatch.setattr(Store, "write", real)
    await town.advance(90)
    (incident,) = await town.store.incidents()
    assert incident.presses == 1
    assert box.receipts == [[PRESS]]


async def test_a_disk_that_hangs_holds_no_other_boxs_alert_and_receipts_come_with_the_commit(
    town: SmsSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    box, other = await town.add_sms_box(), await town.add_sms_box("Boulangerie")
    real, answers = Store.write, asyncio.Event()

    async def hang(self: Store, run: Any) -> Any:
        await answers.wait()
        return await real(self, run)

    monkeypatch.setattr(Store, "write", hang)
    # What hangs is under way for ever: the clock must not wait for it.
    monkeypatch.setattr(town.clock, "settle", DrivenClock.run_ready)
    town.bring(box.handset.number, box.alert_text(PRESS))
    town.bring(other.handset.number, other.alert_text(AGAIN))
    try:
        for _ in range(200):
            await town.advance(0.1)
            await asyncio.sleep(0.002)
        assert sorted(town.radio.numbers)[-2:] == [998, 999]
        assert box.handset.texts == other.handset.texts == []
    finally:
        answers.set()
    monkeypatch.setattr(town.clock, "settle", town.settle)
    await town.pass_sms()
    assert [one.presses for one in await town.store.incidents()] == [1, 1]
    assert (box.receipts, other.receipts) == ([[PRESS]], [[AGAIN]])


async def test_a_revoked_boxs_sms_is_told_and_not_relayed(town: SmsSite) -> None:
    box = await town.add_sms_box()
    await town.store.revoke_box(box.box_id)
    box.press(PRESS)
    await town.pass_sms()
    assert town.post is not None
    assert ("press-of-revoked-box", box.box_id) in town.post.faults
    assert town.radio.said == []
    assert box.handset.texts == []


async def test_a_probe_is_answered_and_its_copy_is_not(town: SmsSite) -> None:
    box = await town.add_sms_box()
    sequence = box.probe()
    await town.pass_sms()
    (reply,) = box.of(SmsKind.PROBE_REPLY)
    assert reply.answers == sequence
    (path,) = await SecondPathStore(town.store, town.clock).paths()
    assert path.proven_at is not None
    assert await town.store.incidents() == []


def _unix(moment: datetime) -> int:
    return int(moment.timestamp())


def _parked(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT count(*) FROM parked_message").scalar_one())
