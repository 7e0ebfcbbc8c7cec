"""What the officer's phone says that is no answer, and the door for his codes."""

from __future__ import annotations

import asyncio

import pytest

from tests.box.officer_phone import call, count, said, word_in
from tests.box.peers import Bip
from tests.box.sms_town import CODES, OFFICER, SmsBox
from vigibip.alert.sms_form import SmsKind
from vigibip.box.faults import FaultCode
from vigibip.box.sms_words import LOCKED, TAKEN, WRONG_CODE, not_understood
from vigibip.box.store import OfficerCallRecord, Store
from vigibip.wire import frame

HEARD, COMING = frame.STATE_HEARD, frame.STATE_COMING
NOT_REACHED = frame.STATE_NOT_REACHED
DAY_S = 86_400


@pytest.fixture
def box(sms_box: SmsBox) -> SmsBox:
    return sms_box


@pytest.mark.parametrize(
    "text",
    ["{word}", "{code}", "AUTRE {code}", "{word} {code} vite", "{word} {code}1", "", "j'arrive"],
)
async def test_who_believes_that_he_has_answered_is_told_how(
    box: SmsBox, bip: Bip, text: str
) -> None:
    _, word = await call(box, bip)
    for _ in range(20):
        await box.bring(OFFICER, text.format(word=word, code=CODES[0]))
    assert await box.state(bip, 1) == NOT_REACHED
    # Not without end: his number may be forged.
    assert said(box) == [not_understood(word)] * 3
    await box.bring(OFFICER, f"{word} {CODES[0]}")
    assert await box.state(bip, 1) == COMING


async def test_while_nobody_is_called_his_number_draws_no_sms(box: SmsBox, bip: Bip) -> None:
    await box.bring(OFFICER, "bonjour")
    alert, word = await call(box, bip)
    await box.post_says(SmsKind.RECEIPT, alert)
    await box.bring(OFFICER, f"{word} merci")
    assert said(box) == []
    assert count(box, "talk") == 2


async def test_five_wrong_codes_close_the_door_for_ten_minutes(box: SmsBox, bip: Bip) -> None:
    _, word = await call(box, bip)
    for wrong in range(5):
        await box.bring(OFFICER, f"{word} 9999999{wrong}")
    assert said(box) == [WRONG_CODE] * 4 + [LOCKED]
    assert FaultCode.OFFICER_CODES in box.codes()
    await box.bring(OFFICER, f"{word} {CODES[0]}")
    assert await box.state(bip, 1) == NOT_REACHED
    assert count(box, "locked") == 1
    await box.clock.advance(600)
    said(box)
    await box.bring(OFFICER, f"{word} 99999999")
    assert said(box) == [WRONG_CODE]
    await box.bring(OFFICER, f"{word} {CODES[0]}")
    assert await box.state(bip, 1) == COMING


async def test_a_power_cut_opens_no_door_that_wrong_codes_closed(box: SmsBox, bip: Bip) -> None:
    _, word = await call(box, bip)
    for wrong in range(3):
        await box.bring(OFFICER, f"{word} 9999999{wrong}")
    await box.restart()
    for wrong in range(2):
        await box.bring(OFFICER, f"{word} 8888888{wrong}")
    assert said(box) == [WRONG_CODE] * 4 + [LOCKED]
    await box.restart()
    await box.bring(OFFICER, f"{word} {CODES[0]}")
    assert await box.state(bip, 1) == NOT_REACHED
    await box.clock.advance(600)
    await box.bring(OFFICER, f"{word} {CODES[0]}")
    assert await box.state(bip, 1) == COMING


async def test_a_right_code_ends_the_row_of_wrong_ones_on_the_disk_too(
    box: SmsBox, bip: Bip
) -> None:
    _, word = await call(box, bip)
    for wrong in range(4):
        await box.bring(OFFICER, f"{word} 9999999{wrong}")
    await box.bring(OFFICER, f"{word} {CODES[0]}")
    said(box)
    await box.restart()
    _, word = await call(box, bip)
    for wrong in range(4):
        await box.bring(OFFICER, f"{word} 9999999{wrong}")
    assert said(box) == [WRONG_CODE] * 4


async def test_a_press_while_his_answer_is_written_has_a_word_of_its_own(
    box: SmsBox, bip: Bip, monkeypatch: pytest.MonkeyPatch
) -> None:
    await box.press(bip)
    await box.clock.advance(10)
    await box.press(bip)
    await box.clock.advance(82)
    (text,) = box.to_officer()
    word = word_in(text)
    at_the_disk, disk_answers = asyncio.Event(), asyncio.Event()
    write_calls = Store.write_calls

    async def write_slowly(store: Store, calls: list[OfficerCallRecord]) -> None:
        if any(one.digest for one in calls):
            at_the_disk.set()
            await disk_answers.wait()
        await write_calls(store, calls)

    monkeypatch.setattr(Store, "write_calls", write_slowly)
    box.clock.settle = box.clock.run_ready
    await box.clock.advance(6)
    bringing = asyncio.create_task(box.sms.bring(OFFICER, f"{word} {CODES[0]}"))
    await at_the_disk.wait()
    # The second press is due now, and his answer does not speak for it.
    await box.clock.advance(3)
    disk_answers.set()
    await bringing
    box.clock.settle = box.settle
    await box.settle()
    assert [await box.state(bip, press) for press in (1, 2)] == [COMING, NOT_REACHED]
    call_again, taken = said(box)
    assert taken == TAKEN
    assert word_in(call_again) != word
    await box.bring(OFFICER, f"{word_in(call_again)} {CODES[1]}")
    assert await box.state(bip, 2) == COMING


async def test_an_answer_that_the_post_never_confirms_is_told_for_a_day(
    box: SmsBox, bip: Bip
) -> None:
    alert, word = await call(box, bip)
    await box.bring(OFFICER, f"{word} {CODES[0]}")
    await box.post_says(SmsKind.RECEIPT, alert)
    # While data is down nobody is told, for as long as that may be.
    await box.clock.advance(DAY_S)
    assert box.carrier.officer_answers == []
    box.carrier.connect()
    await box.clock.advance(DAY_S - 60)
    assert len(box.carrier.officer_answers) == DAY_S / 60
    assert box.sql("SELECT count(*) FROM officer_calls") == [(1,)]
    box.carrier.officer_answers.clear()
    await box.clock.advance(600)
    assert len(box.carrier.officer_answers) <= 1
    assert box.sql("SELECT count(*) FROM officer_calls") == [(0,)]
    assert await box.state(bip, 1) == COMING


async def test_a_word_that_the_disk_refused_is_written_when_it_is_well_again(
    box: SmsBox, bip: Bip
) -> None:
    refuse = (
        "CREATE TRIGGER no_calls BEFORE INSERT ON officer_calls "
        "BEGIN SELECT RAISE(ABORT, 'the test refuses'); END"
    )
    box.sql(refuse)
    alert, word = await call(box, bip)
    assert storage_of_officer(box)
    box.sql("DROP TRIGGER no_calls")
    await box.clock.advance(31)
    assert not storage_of_officer(box)
    assert box.sql("SELECT word FROM officer_calls") == [(word,)]
    # And when nobody needs it any more, its absence is no fault.
    box.sql(refuse)
    await box.press(bip)
    await box.clock.advance(91)
    assert storage_of_officer(box)
    for press in (1, 2):
        await box.post_says(SmsKind.RECEIPT, bip.alert_id(press))
    await box.clock.advance(31)
    assert not storage_of_officer(box)
    assert alert == bip.alert_id(1)


def storage_of_officer(box: SmsBox) -> bool:
    return "storage:officer" in [str(fault) for fault in box.daemon.faults.standing()]
