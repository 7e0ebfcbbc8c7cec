"""What boxes send over a real broker, good and bad, and what the post makes of it."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.post.harness import BoxClient, Site, held_writer, until
from vigibip.alert import topics
from vigibip.alert.life import IncidentState
from vigibip.alert.messages import MESSAGE_MAX_BYTES, Alert, AnswerAck, BoxStatus, seal_message
from vigibip.base.errors import StorageError
from vigibip.post.cards import new_card
from vigibip.post.faults import FaultKind
from vigibip.post.store import Store
from vigibip.post.store.records import IncidentOutcome
from vigibip.post.store.schema import ParkedMessage

ONE, TWO = "00000001000000aa", "00000001000000ab"


def fault_kinds(site: Site) -> set[str]:
    assert site.post is not None
    return {kind for kind, _ in site.post.faults}


async def parked(site: Site) -> list[str]:
    return await site.store.read(lambda c: list(c.execute(select(ParkedMessage.reason)).scalars()))


async def still_serves(site: Site, box: BoxClient, alert_id: str = "ffffffff00000001") -> None:
    box.press(alert_id)
    await until(lambda: alert_id in box.accepted)


@contextmanager
def failing_store(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    async def refuse(run: Any) -> None:
        raise StorageError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(store, "write", refuse)
        yield


async def test_the_same_alert_gets_the_same_receipt_each_time(site: Site) -> None:
    box = await site.add_box()
    for _ in range(3):
        box.press(ONE)
    await until(lambda: len(box.receipts) == 3)
    assert {one.model_dump_json() for one in box.receipts} == {box.receipts[0].model_dump_json()}
    (incident,) = await site.store.incidents()
    assert incident.presses == 1
    await site.settle()
    assert len(site.radio.said) == 1


async def test_two_boxes_in_either_order_make_two_incidents(site: Site) -> None:
    tabac, presse = await site.add_box("Tabac"), await site.add_box("Presse")
    tabac.press(ONE)
    presse.press(TWO)
    presse.press(ONE)
    tabac.press(TWO)
    await until(lambda: len(tabac.accepted) == 2 and len(presse.accepted) == 2)
    assert sorted(one.presses for one in await site.store.incidents()) == [2, 2]


async def test_no_receipt_and_no_ptt_before_the_commit(site: Site) -> None:
    box = await site.add_box()
    with held_writer(site.store):
        box.press(ONE)
        await until(lambda: ("post.received", ONE) in site.stamps)
        box.press(ONE)
        await until(lambda: site.stamps.count(("post.received", ONE)) == 2)
        assert box.receipts == []
        assert site.radio.said == []
    await until(lambda: box.accepted == [ONE, ONE])
    await until(lambda: len(site.radio.said) == 1)


async def test_another_s_message_under_one_s_own_name_is_refused(site: Site) -> None:
    honest, thief = await site.add_box("Tabac"), await site.add_box("Voleur")
    stolen = seal_message(honest.up_key, Alert(alert=ONE, age_s=0))
    thief.send(topics.ALERT, stolen)
    await until(lambda: "message-forged" in fault_kinds(site))
    await site.settle()
    assert await parked(site) == ["not authenticated"]
    assert await site.store.incidents() == []
    assert thief.receipts == []
    await still_serves(site, thief)


async def test_nobody_speaks_on_another_box_s_topic(site: Site) -> None:
    honest, thief = await site.add_box("Tabac"), await site.add_box("Voleur")
    stolen = seal_message(honest.up_key, Alert(alert=ONE, age_s=0))
    thief.send(topics.ALERT, stolen, topic=topics.up(honest.box_id, topics.ALERT))
    await still_serves(site, honest)
    (incident,) = await site.store.incidents()
    assert [alert.id for alert in incident.alerts] == ["ffffffff00000001"]


@pytest.mark.parametrize(
    "document",
    [
        {"kind": "alert", "version": 1, "alert": ONE, "age_s": -1},
        {"kind": "alert", "version": 1, "alert": ONE, "age_s": "soon"},
        {"kind": "alert", "version": 1, "alert": ONE, "battery_mv": 10**9},
        {"kind": "alert", "version": 0, "alert": ONE},
        {"kind": "status", "version": 1, "alert": ONE},
    ],
)
async def test_an_alert_of_the_wrong_schema_is_refused_parked_and_told(
    site: Site, document: dict[str, Any]
) -> None:
    box = await site.add_box()
    box.send_json(document)
    await until(lambda: box.receipts)
    (receipt,) = box.receipts
    assert (receipt.alert, receipt.verdict) == (ONE, "refused")
    assert receipt.reason
    await site.settle()
    assert len(await parked(site)) == 1
    assert "message-refused" in fault_kinds(site)
    assert await site.store.incidents() == []
    await still_serves(site, box)


@pytest.mark.parametrize(
    "document",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"alert": "short"}', b'{"alert": 5}', b"[" * 9000],
    ids=lambda document: repr(document[:20]),
)
async def test_what_names_no_alert_is_parked_without_a_receipt(site: Site, document: bytes) -> None:
    box = await site.add_box()
    box.send_json(document)
    await still_serves(site, box)
    await site.settle()
    assert len(await parked(site)) == 1
    assert [one.verdict for one in box.receipts] == ["accepted"]


async def test_oversize_is_refused_before_it_is_read(site: Site) -> None:
    box = await site.add_box()
    box.send_json({"kind": "alert", "version": 1, "alert": ONE, "x": "y" * MESSAGE_MAX_BYTES})
    await still_serves(site, box)
    await site.settle()
    (reason,) = await parked(site)
    assert reason.startswith("message of")


async def test_a_newer_version_is_still_an_incident(site: Site) -> None:
    box = await site.add_box()
    box.send_json({"kind": "alert", "version": 2, "alert": ONE, "age_s": {"ms": 5}, "new": 1})
    await until(lambda: box.accepted == [ONE])
    await until(lambda: site.radio.said)
    assert "version-newer" in fault_kinds(site)


async def test_a_late_press_that_is_not_known_is_an_incident_and_a_fault(site: Site) -> None:
    box = await site.add_box()
    box.press(ONE, late=True, age_s=None)
    await until(lambda: box.accepted == [ONE])
    await until(lambda: site.radio.said)
    assert site.radio.said[0].announcement.age_s is None
    assert "press-late" in fault_kinds(site)


async def test_what_a_hand_says_of_its_press_is_told_and_stops_nothing(site: Site) -> None:
    box = await site.add_box()
    box.press(ONE)
    await until(lambda: box.accepted == [ONE])
    box.press(ONE, mark="withdrawn", mark_age_s=3)
    await until(lambda: len(box.receipts) == 2)
    # A receipt repeats what people know of; the first one knew of nothing.
    assert [(one.severity, one.mark) for one in box.receipts] == [(0, None), (0, "withdrawn")]
    assert fault_kinds(site) == {"press-withdrawn"}
    box.press(ONE, mark="duress", severity=2)
    await until(lambda: len(box.receipts) == 3)
    assert (box.receipts[2].severity, box.receipts[2].mark) == (2, "duress")
    assert fault_kinds(site) == {"press-withdrawn", "press-duress", "press-worse"}
    (incident,) = await site.store.incidents()
    assert (incident.state, incident.presses) == (IncidentState.OPEN, 1)
    await until(lambda: site.radio.said)


async def test_a_box_that_is_not_in_the_store_gets_no_answer(site: Site) -> None:
    ghost = BoxClient(site, "box-0gh0st00", os.urandom(32), os.urandom(32))
    site.boxes.append(ghost)
    await ghost.connect()
    ghost.press(ONE)
    await until(lambda: "box-unknown" in fault_kinds(site))
    await still_serves(site, await site.add_box())
    assert ghost.receipts == []


async def test_a_press_of_a_revoked_box_is_told_and_never_relayed(site: Site) -> None:
    box, other = await site.add_box("Tabac"), await site.add_box("Presse")
    await still_serves(site, box)
    await site.settle()
    said = len(site.radio.said)
    await site.store.revoke_box(box.box_id)
    assert site.post is not None
    for alert_id in (ONE, TWO):
        # The second comes when the post knows of the revocation already.
        box.press(alert_id, age_s=3)
        at = site.clock.utc() - timedelta(seconds=3)
        fault = ("press-of-revoked-box", box.box_id)
        await until(lambda fault=fault: fault in site.post.faults)
        assert site.post.faults[fault] == f"{at:%Y-%m-%d %H:%M:%S} UTC"
        await still_serves(site, other, f"fffffff{alert_id[-1]}00000002")
        site.post._faults.clear_fault(FaultKind.PRESS_OF_REVOKED_BOX, box.box_id)
    assert box.accepted == ["ffffffff00000001"]
    await site.settle()
    assert {one.announcement.number for one in site.radio.said[said:]} == {2}
    assert "box-unknown" not in fault_kinds(site)


async def test_who_lacks_a_revoked_box_s_key_raises_no_press(site: Site) -> None:
    box = await site.add_box("Tabac")
    await still_serves(site, box)
    await site.store.revoke_box(box.box_id)
    box.send(topics.ALERT, seal_message(os.urandom(32), Alert(alert=ONE, age_s=0)))
    await until(lambda: "box-unknown" in fault_kinds(site))
    box.send(topics.ALERT, seal_message(os.urandom(32), Alert(alert=ONE, age_s=0)))
    await still_serves(site, await site.add_box("Presse"))
    assert "press-of-revoked-box" not in fault_kinds(site)


@pytest.mark.parametrize("kind", [topics.ALERT, "hello"])
async def test_a_stranger_s_garbage_is_no_message_of_a_box(site: Site, kind: str) -> None:
    """A dispatcher sends a patrol for what a box could not say, not for what anybody can."""
    box = await site.add_box()
    box.send(kind, os.urandom(MESSAGE_MAX_BYTES + 100))
    await until(lambda: "message-forged" in fault_kinds(site))
    await still_serves(site, box)
    assert "message-refused" not in fault_kinds(site)


async def test_a_box_that_was_enrolled_again_is_known_by_its_new_keys(site: Site) -> None:
    box = await site.add_box()
    await still_serves(site, box)
    box.up_key, box.down_key = os.urandom(32), os.urandom(32)
    await site.store.set_box_keys(box.box_id, up_key=box.up_key, down_key=box.down_key, serial="2")
    box.press(ONE)
    await until(lambda: ONE in box.accepted)


async def test_one_box_s_flood_is_bounded_and_delays_no_other(site: Site) -> None:
    flooder, other = await site.add_box("Tabac"), await site.add_box("Presse")
    with held_writer(site.store):
        for number in range(100):
            flooder.press(f"{number:016x}")
        await until(lambda: "box-floods" in fault_kinds(site))
        other.press(ONE)
        await until(lambda: ("post.received", ONE) in site.stamps)
    await until(lambda: other.accepted == [ONE])
    await until(lambda: len(flooder.accepted) == 64)
    # What had no receipt is sent again, as every box does.
    for number in range(64, 100):
        flooder.press(f"{number:016x}")
    await until(lambda: len(flooder.accepted) == 100)


async def test_poison_is_put_on_the_air_refused_and_delays_nobody(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = await site.add_box()
    real = site.store.accept_alert

    async def poisoned(box_id: str, alert: Alert, **rest: Any) -> Any:
        if alert.alert == ONE:
            raise ValueError("nobody thought of this")
        return await real(box_id, alert, **rest)

    monkeypatch.setattr(site.store, "accept_alert", poisoned)
    box.press(ONE)
    await until(lambda: box.receipts)
    assert [(one.alert, one.verdict) for one in box.receipts] == [(ONE, "refused")]
    await until(lambda: site.radio.said)
    assert "message-refused" in fault_kinds(site)
    await still_serves(site, box)
    await site.advance(1900)
    said = len(site.radio.said)
    await site.advance(60)
    later = {one.announcement.number for one in site.radio.said[said:]}
    assert 999 not in later, "what nobody can answer is not announced for ever"


async def test_a_full_disk_delays_no_radio_and_gives_no_receipt(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = await site.add_box()
    await still_serves(site, box)
    await site.store.close_incident(
        (await site.store.incidents())[0].id, by="R", outcome=IncidentOutcome.OTHER
    )
    await site.advance(1)
    said = len(site.radio.said)
    with failing_store(site.store, monkeypatch):
        box.press(ONE)
        await until(lambda: len(site.radio.said) == said + 1)
        announcement = site.radio.said[-1].announcement
        assert announcement.number >= 900
        box.press(ONE)
        box.press(TWO)
        await site.settle()
        await site.advance(40)
        assert len(site.radio.said) > said + 2, "it is repeated"
        assert box.accepted == ["ffffffff00000001"]
        assert "store-failed" in fault_kinds(site)
    await site.advance(6)
    await until(lambda: set(box.accepted) == {"ffffffff00000001", ONE, TWO})
    assert "store-failed" not in fault_kinds(site)
    incident = (await site.store.incidents())[0]
    assert sorted(alert.id for alert in incident.alerts) == [ONE, TWO]
    first = next(alert for alert in incident.alerts if alert.id == ONE)
    assert first.pressed_at is not None
    assert (incident.opened_at - first.pressed_at).total_seconds() >= 40, "its age is told"
    said = len(site.radio.said)
    await site.advance(60)
    assert {one.announcement.number for one in site.radio.said[said:]} == {incident.number}


async def test_a_disk_that_hangs_delays_no_radio_and_heals(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = await site.add_box()
    with held_writer(site.store), monkeypatch.context() as timely:
        # The store's work does take time now.
        timely.setattr(site.clock, "settle", site.clock.run_ready)
        box.press(ONE)
        await until(lambda: site.stamps.count(("post.received", ONE)) == 1)
        await site.advance(1.9)
        assert site.radio.said == []
        await site.advance(0.2)
        await until(lambda: site.radio.said)
        assert site.radio.said[0].announcement.number >= 900
        assert "store-failed" in fault_kinds(site)
        for _ in range(70):
            box.press(ONE)
        await until(lambda: site.stamps.count(("post.received", ONE)) == 71)
        box.press(TWO)
        await until(lambda: ("post.received", TWO) in site.stamps)
        assert (box.receipts, "box-floods" in fault_kinds(site)) == ([], False)
    await until(lambda: set(box.accepted) == {ONE, TWO})
    await site.settle()
    assert "store-failed" not in fault_kinds(site)
    (incident,) = await site.store.incidents()
    assert [alert.id for alert in incident.alerts] == [ONE, TWO]
    said = len(site.radio.said)
    await site.advance(60)
    assert {one.announcement.number for one in site.radio.said[said:]} == {incident.number}


async def test_an_answer_is_kept_until_the_box_has_it(site: Site) -> None:
    box = await site.add_box()
    box.press(ONE)
    await until(lambda: box.accepted == [ONE])
    await box.disconnect()
    card = await new_card(site.store, "Alpha 1", site.settings.answers)
    site.radio.key(1, card.codes[0])
    await until(lambda: ("post.answered", ONE) in site.stamps)
    await site.advance(300)
    await site.stop_post()
    await site.start_post()
    await box.connect()
    await site.advance(70)
    await until(lambda: box.states and box.states[0] == ("coming", (ONE,)))
    await until(lambda: ("post.told", ONE) in site.stamps)
    assert await site.store.outstanding_messages() == []
    told = len(box.answers)
    await site.advance(300)
    assert len(box.answers) == told


async def test_a_box_that_speaks_is_told_at_once(site: Site) -> None:
    box = await site.add_box()
    box.acknowledges = False
    box.press(ONE)
    await until(lambda: box.accepted == [ONE])
    incident = (await site.store.incidents())[0]
    await site.store.answer_incident(incident.id, by="Régulation")
    await site.advance(100)
    assert site.post is not None
    (pending,) = site.post._telling._pending.values()
    await until(lambda: len(box.answers) == pending.attempts > 1)
    status = BoxStatus(software="1.0", uptime_s=5, queued=0)
    told = len(box.answers)
    box.send(topics.STATUS, seal_message(box.up_key, status))
    await until(lambda: len(box.answers) == told + 1)
    assert {one.sequence for one in box.answers} == {1}


async def test_acknowledgements_of_nothing_are_ignored(site: Site) -> None:
    box = await site.add_box()
    for sequence in (1, 7, 2**63 - 1):
        ack = AnswerAck(sequence=sequence)
        box.send(topics.ANSWER_ACK, seal_message(box.up_key, ack))
    box.send_json({"kind": "answer_ack", "sequence": -1}, kind=topics.ANSWER_ACK)
    await still_serves(site, box)


async def test_a_dispatcher_s_answer_from_another_process_reaches_the_box(site: Site) -> None:
    await site.stop_post()
    site.store_watch_s = 0.1
    await site.start_post()
    box = await site.add_box()
    box.press(ONE)
    await until(lambda: box.accepted == [ONE])
    console = Store(site.settings.store_path, clock=site.clock)
    console.start()
    try:
        incident = (await console.incidents())[0]
        await console.answer_incident(incident.id, by="Régulation")
        await site.advance(0.2)
        await until(lambda: box.states == [("coming", (ONE,))])
        said = len(site.radio.said)
        await site.advance(40)
        assert len(site.radio.said) == said
        box.press(TWO)
        await until(lambda: ("coming", (TWO,)) in box.states)
        # What no radio was given yet could not be closed.
        await until(lambda: len(site.radio.said) > said)
        await site.advance(20)
        await console.close_incident(incident.id, by="Régulation", outcome=IncidentOutcome.REAL)
    finally:
        console.close()


async def test_the_broker_dies_and_comes_back(site: Site) -> None:
    box = await site.add_box()
    await site.broker.kill()
    post = site.post
    assert post is not None
    await until(lambda: not post.connected)
    assert "broker-lost" in fault_kinds(site)
    await site.advance(30)
    await site.broker.start()
    await site.advance(10)
    await until(lambda: post.connected)
    assert "broker-lost" not in fault_kinds(site)
    await box.disconnect()
    await box.connect()
    await still_serves(site, box)


async def test_garbage_of_every_kind_stops_nothing(site: Site) -> None:
    chance = random.Random(2026)
    box = await site.add_box()
    good = Alert(alert=ONE, age_s=0).model_dump_json().encode()
    for number in range(400):
        kind = chance.choice([topics.ALERT, topics.ANSWER_ACK, topics.STATUS, "x", "receipt"])
        text = bytearray(chance.choice([good, chance.randbytes(chance.randrange(200)), b"{}"]))
        for _ in range(chance.randrange(4)):
            if text:
                text[chance.randrange(len(text))] = chance.randrange(256)
        if chance.random() < 0.5:
            box.send_json(bytes(text), kind=kind)
        else:
            box.send(kind, bytes(text))
        if number % 50 == 49:
            await still_serves(site, box, f"eeeeeeee{number:08x}")
    await site.settle()
    for one in await site.store.incidents():
        assert one.state is IncidentState.OPEN
    assert len(await parked(site)) <= 500


async def test_the_post_stops_in_order_with_messages_in_its_hands(site: Site) -> None:
    box = await site.add_box()
    for number in range(30):
        box.press(f"{number:016x}")
    await until(lambda: ("post.received", f"{0:016x}") in site.stamps)
    await asyncio.wait_for(site.stop_post(), 10)
    with_receipt = set(box.accepted)
    store = Store(site.settings.store_path)
    store.start()
    try:
        held = {alert.id for one in await store.incidents() for alert in one.alerts}
    finally:
        store.close()
    assert with_receipt <= held
    assert json.dumps(sorted(held))
