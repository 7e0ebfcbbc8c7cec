"""The last resort: the officer's own phone, his word and code, and the post told later."""

from __future__ import annotations

import asyncio

import pytest

from tests.box.officer_phone import call, count, said, word_in
from tests.box.peers import Bip
from tests.box.sms_town import CODES, OFFICER, SALT, STRANGER, SmsBox, officer_contact
from vigibip.alert.messages import OfficerAnswer
from vigibip.alert.officer_codes import code_digest
from vigibip.alert.sms_form import SmsKind
from vigibip.base.errors import StorageError
from vigibip.box.config import BoxSettings
from vigibip.box.sms_words import TAKEN, WRONG_CODE
from vigibip.box.store import Store
from vigibip.wire import frame

HEARD, DELIVERED, COMING = frame.STATE_HEARD, frame.STATE_DELIVERED, frame.STATE_COMING
NOT_REACHED = frame.STATE_NOT_REACHED


@pytest.fixture
def box(sms_box: SmsBox) -> SmsBox:
    return sms_box


async def test_ninety_seconds_without_a_receipt_call_the_officer(box: SmsBox, bip: Bip) -> None:
    await box.press(bip)
    await box.clock.advance(89)
    assert box.to_officer() == []
    await box.clock.advance(2)
    (text,) = box.to_officer()
    assert text.startswith("ALERTE VigiBip Tabac du Centre, 12 rue des Lilas, appui de ")
    assert word_in(text)
    assert await box.state(bip, 1) == NOT_REACHED


async def test_his_word_and_code_tell_the_bip_and_later_the_post(box: SmsBox, bip: Bip) -> None:
    alert, word = await call(box, bip)
    await box.bring(OFFICER, f"{word.lower()} {CODES[0][:4]} {CODES[0][4:]}")
    assert await box.state(bip, 1) == COMING
    assert said(box) == [TAKEN]
    # The alert left nothing: only the receipt ends its wait.
    await box.clock.advance(300)
    assert box.alerts()
    assert box.to_officer() == []
    box.carrier.connect()
    assert box.carrier.take() == [alert]
    await box.settle()
    assert box.carrier.officer_answers == []
    box.carrier.receipt(alert)
    await box.clock.advance(1)
    digest = code_digest(CODES[0], SALT).hex()
    assert box.carrier.officer_answers == [OfficerAnswer(alert=alert, digest=digest, age_s=300)]
    await box.clock.advance(60)
    assert len(box.carrier.officer_answers) == 2
    box.carrier.answer(4, alert)
    await box.clock.advance(600)
    assert len(box.carrier.officer_answers) == 2
    assert await box.state(bip, 1) == COMING
    assert box.sql("SELECT count(*) FROM officer_calls") == [(0,)]


async def test_a_receipt_by_any_way_calls_nobody(box: SmsBox, bip: Bip) -> None:
    alert = await box.press(bip)
    await box.clock.advance(80)
    await box.post_says(SmsKind.RECEIPT, alert)
    await box.clock.advance(4000)
    assert box.to_officer() == []


async def test_he_is_called_again_until_a_receipt_or_his_answer(box: SmsBox, bip: Bip) -> None:
    alert, word = await call(box, bip)
    called = []
    for _ in range(1000):
        await box.clock.advance(1)
        called += [(box.clock.monotonic_s(), word_in(text)) for text in box.to_officer()]
    assert [round(at_s / 10) * 10 for at_s, _ in called] == [150, 390, 990]
    assert {one for _, one in called} == {word}
    await box.post_says(SmsKind.RECEIPT, alert)
    await box.clock.advance(4000)
    assert box.to_officer() == []


async def test_a_call_that_still_waits_in_the_modem_is_taken_back(box: SmsBox, bip: Bip) -> None:
    box.sms.held = True
    alert = await box.press(bip)
    await box.clock.advance(91)
    assert any(sms.to == OFFICER for _, sms in box.sms.queue)
    box.carrier.connect()
    box.carrier.receipt(alert)
    await box.settle()
    assert box.sms.queue == []


async def test_a_second_press_joins_the_call_under_the_same_word(box: SmsBox, bip: Bip) -> None:
    _, word = await call(box, bip)
    await box.clock.advance(10)
    await box.press(bip)
    await box.clock.advance(91)
    texts = box.to_officer()
    assert {word_in(text) for text in texts} == {word}
    assert "2 appuis, dernier : appui de" in texts[-1]
    await box.bring(OFFICER, f"{word} {CODES[0]}")
    assert [await box.state(bip, press) for press in (1, 2)] == [COMING, COMING]


async def test_an_old_answer_speaks_for_no_new_press(box: SmsBox, bip: Bip) -> None:
    _, word = await call(box, bip)
    await box.bring(OFFICER, f"{word} {CODES[0]}")
    said(box)
    new = await box.press(bip)
    press = bip.counter
    assert await box.state(bip, press) == HEARD
    await box.bring(OFFICER, f"{word} {CODES[1]}")
    assert await box.state(bip, press) == HEARD
    await box.clock.advance(91)
    (text,) = box.to_officer()
    await box.bring(OFFICER, f"{word_in(text)} {CODES[1]}")
    assert await box.state(bip, press) == COMING
    assert new


async def test_a_code_counts_once_and_not_after_a_restart_either(box: SmsBox, bip: Bip) -> None:
    _, word = await call(box, bip)
    await box.bring(OFFICER, f"{word} {CODES[0]}")
    said(box)
    await box.restart()
    # Not even when the post names it again in newer contacts.
    await box.give_contacts(officer=True, edition=2)
    await box.press(bip)
    press = bip.counter
    await box.clock.advance(91)
    (text,) = box.to_officer()
    await box.bring(OFFICER, f"{word_in(text)} {CODES[0]}")
    assert await box.state(bip, press) == NOT_REACHED
    assert count(box, "used_code") == 1
    assert said(box) == [WRONG_CODE]


async def test_only_his_own_number_is_heard(box: SmsBox, bip: Bip) -> None:
    _, word = await call(box, bip)
    await box.bring(STRANGER, f"{word} {CODES[0]}")
    assert await box.state(bip, 1) == NOT_REACHED


async def test_an_answer_counts_once_the_disk_has_the_code(box: SmsBox, bip: Bip) -> None:
    _, word = await call(box, bip)
    box.sql(
        "CREATE TRIGGER no_codes BEFORE INSERT ON officer_codes "
        "BEGIN SELECT RAISE(ABORT, 'the test refuses'); END"
    )
    with pytest.raises(StorageError):
        await box.sms.bring(OFFICER, f"{word} {CODES[0]}")
    assert await box.state(bip, 1) == NOT_REACHED
    box.sql("DROP TRIGGER no_codes")
    # The SIM kept it, and brings it again.
    await box.bring(OFFICER, f"{word} {CODES[0]}")
    assert await box.state(bip, 1) == COMING


async def test_a_disk_that_hangs_keeps_his_answer_on_the_sim(
    box: SmsBox, bip: Bip, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, word = await call(box, bip)
    hanging: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def hang(_calls: object) -> None:
        await hanging

    monkeypatch.setattr(Store, "write_calls", lambda _store, calls: hang(calls))
    bringing = asyncio.create_task(box.sms.bring(OFFICER, f"{word} {CODES[0]}"))
    while not bringing.done():
        box.clock.settle = box.clock.run_ready
        await asyncio.sleep(0.01)
        await box.clock.advance(1)
    with pytest.raises(StorageError):
        bringing.result()
    hanging.set_result(None)
    box.clock.settle = box.settle
    monkeypatch.undo()
    assert await box.state(bip, 1) == NOT_REACHED
    await box.bring(OFFICER, f"{word} {CODES[0]}")
    assert await box.state(bip, 1) == COMING


async def test_the_word_and_the_answer_outlive_a_restart(box: SmsBox, bip: Bip) -> None:
    alert, word = await call(box, bip)
    await box.restart()
    await box.bring(OFFICER, f"{word} {CODES[0]}")
    assert await box.state(bip, 1) == COMING
    await box.restart()
    assert await box.state(bip, 1) == COMING
    box.carrier.connect()
    box.carrier.receipt(alert)
    await box.clock.advance(1)
    assert [one.alert for one in box.carrier.officer_answers] == [alert]


async def test_a_power_cut_between_the_code_and_the_alert_loses_no_answer(
    box: SmsBox, bip: Bip
) -> None:
    _, word = await call(box, bip)
    await box.bring(OFFICER, f"{word} {CODES[0]}")
    await box.daemon.stop()
    box.sql("UPDATE alerts SET state = 'not_reached'")
    box.daemon = box._build()
    await box.start()
    assert await box.state(bip, 1) == COMING


async def test_his_answer_after_the_receipt_still_says_that_he_comes(box: SmsBox, bip: Bip) -> None:
    alert, word = await call(box, bip)
    await box.post_says(SmsKind.RECEIPT, alert)
    await box.bring(OFFICER, f"{word} {CODES[0]}")
    assert await box.state(bip, 1) == COMING


async def test_contacts_that_come_late_call_what_is_due(
    sms_settings: BoxSettings, bip: Bip
) -> None:
    box = SmsBox(sms_settings)
    await box.start()
    await box.press(bip)
    await box.clock.advance(200)
    await box.give_contacts(officer=True)
    assert len(box.to_officer()) == 1
    await box.daemon.stop()


async def test_nobody_is_sent_after_what_is_old(sms_settings: BoxSettings, bip: Bip) -> None:
    box = SmsBox(sms_settings)
    await box.start()
    await box.press(bip)
    await box.clock.advance(1900)
    await box.give_contacts(officer=True)
    await box.clock.advance(4000)
    assert box.to_officer() == []
    await box.daemon.stop()


async def test_a_press_that_reached_the_box_late_calls_nobody(box: SmsBox, bip: Bip) -> None:
    await box.press(bip, age_s=1800)
    await box.clock.advance(4000)
    assert box.to_officer() == []


async def test_what_the_post_is_known_to_have_calls_nobody(box: SmsBox, bip: Bip) -> None:
    alert = await box.press(bip)
    await box.post_says(SmsKind.UNANSWERED, alert, answers=1)
    await box.clock.advance(4000)
    assert box.to_officer() == []


async def test_a_plan_without_it_calls_nobody(sms_settings: BoxSettings, bip: Bip) -> None:
    plan = sms_settings.plan.model_copy(update={"officer_sms_after_s": 0.0})
    box = SmsBox(sms_settings.model_copy(update={"plan": plan}))
    await box.start()
    await box.give_contacts(officer=True)
    await box.press(bip)
    await box.clock.advance(4000)
    assert box.to_officer() == []
    await box.daemon.stop()


async def test_a_new_officer_takes_the_old_ones_place(box: SmsBox, bip: Bip) -> None:
    _, word = await call(box, bip)
    other = officer_contact("45678901", number="+33639980002")
    box.carrier.say_contacts(box.contacts(2, officer=other))
    await box.settle()
    await box.bring(OFFICER, f"{word} {CODES[0]}")
    assert await box.state(bip, 1) == NOT_REACHED
    await box.bring("+33639980002", f"{word} 45678901")
    assert await box.state(bip, 1) == COMING
