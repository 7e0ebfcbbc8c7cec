"""Whoever can send an SMS to the box: nothing of his is believed, and nothing of it stops."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from tests.box.peers import DOWN_KEY, Bip
from tests.box.sms_town import OFFICER, POST_NUMBERS, STRANGER, SmsBox
from vigibip.alert.ids import AlertId
from vigibip.alert.messages import BadMacError, BadMessageError
from vigibip.alert.sms_form import SmsKind, SmsMessage, read_sms, write_sms
from vigibip.box.fault_words import words_for
from vigibip.box.faults import FaultCode
from vigibip.wire import frame

HEARD, DELIVERED, COMING = frame.STATE_HEARD, frame.STATE_DELIVERED, frame.STATE_COMING


@pytest.fixture
def box(sms_box: SmsBox) -> SmsBox:
    return sms_box


def count(box: SmsBox, what: str) -> int:
    counts = box.told["counts"]
    assert isinstance(counts, dict)
    return int(counts.get(what, 0))


@pytest.mark.parametrize("sender", [STRANGER, "", "alpha:VigiBip", f"alpha:{POST_NUMBERS[0]}"])
async def test_a_stranger_is_counted_and_dropped_even_with_a_true_text(
    box: SmsBox, bip: Bip, sender: str
) -> None:
    alert = await box.press(bip)
    await box.bring(sender, box.down_text(SmsKind.RECEIPT, alert))
    assert await box.state(bip, 1) == HEARD
    assert count(box, "unknown_number") == 1
    assert box.codes() == set()


async def test_the_officer_gives_no_receipts(box: SmsBox, bip: Bip) -> None:
    alert = await box.press(bip)
    await box.bring(OFFICER, box.down_text(SmsKind.RECEIPT, alert))
    assert await box.state(bip, 1) == HEARD


async def test_a_copy_is_taken_once_and_known_after_a_restart(box: SmsBox, bip: Bip) -> None:
    first = await box.press(bip)
    text = await box.post_says(SmsKind.RECEIPT, first)
    await box.bring(POST_NUMBERS[1], text)
    assert count(box, "copies") == 1
    await box.restart()
    await box.bring(POST_NUMBERS[0], text)
    assert count(box, "copies") == 1
    assert count(box, "receipt") == 0


async def test_an_old_receipt_is_none_for_a_new_press(box: SmsBox, bip: Bip) -> None:
    texts = []
    for _ in range(70):
        alert = await box.press(bip)
        texts.append(await box.post_says(SmsKind.RECEIPT, alert))
    await box.press(bip)
    for text in texts:
        await box.bring(POST_NUMBERS[0], text)
    assert await box.state(bip, bip.counter) == HEARD
    assert count(box, "copies") == 64
    assert count(box, "too_old") == 6
    assert box.sql("SELECT count(*) FROM outbox") == [(1,)]


@pytest.mark.parametrize("position", range(0, 40, 3))
async def test_a_changed_word_is_a_forged_message(box: SmsBox, bip: Bip, position: int) -> None:
    alert = await box.press(bip)
    text = box.down_text(SmsKind.COMING, alert, answers=1)
    position %= len(text)
    changed = "Z" if text[position] != "Z" else "Y"
    await box.bring(POST_NUMBERS[0], text[:position] + changed + text[position + 1 :])
    assert await box.state(bip, 1) == HEARD
    assert count(box, "forged") + count(box, "wrong_form") + count(box, "talk") == 1


async def test_half_of_one_and_talk_are_nothing(box: SmsBox, bip: Bip) -> None:
    alert = await box.press(bip)
    text = box.down_text(SmsKind.RECEIPT, alert)
    for end in range(len(text)):
        await box.bring(POST_NUMBERS[0], text[:end])
    assert await box.state(bip, 1) == HEARD
    assert count(box, "talk") + count(box, "forged") + count(box, "wrong_form") == len(text)
    # The whole one still counts.
    await box.bring(POST_NUMBERS[0], text)
    assert await box.state(bip, 1) == DELIVERED


async def test_forged_ones_tell_one_fault_however_many(box: SmsBox, bip: Bip) -> None:
    alert = await box.press(bip)
    ids = (AlertId.parse(alert),)
    for sequence in range(1, 200):
        message = SmsMessage(kind=SmsKind.RECEIPT, sequence=sequence, alerts=ids)
        await box.bring(POST_NUMBERS[0], write_sms(bytes(32), "", message))
    (fault,) = box.daemon.faults.standing()
    assert fault.code is FaultCode.FORGED_SMS
    # It did not come through the broker.
    assert "courtier" not in words_for(fault).todo
    assert await box.state(bip, 1) == HEARD
    # A forger moves no window: the post is still heard.
    await box.post_says(SmsKind.RECEIPT, alert)
    assert await box.state(bip, 1) == DELIVERED


async def test_what_the_box_said_itself_is_no_word_of_the_post(box: SmsBox, bip: Bip) -> None:
    await box.press(bip)
    ((sms, _),) = box.read()
    await box.bring(POST_NUMBERS[0], sms.text)
    assert count(box, "forged") == 1
    # Nor is a kind of the box's under the post's key.
    message = SmsMessage(kind=SmsKind.PROBE, sequence=1)
    await box.bring(POST_NUMBERS[0], write_sms(DOWN_KEY, "", message))
    assert count(box, "wrong_kind") == 1


async def test_an_answer_without_a_number_is_dropped(box: SmsBox, bip: Bip) -> None:
    alert = await box.press(bip)
    await box.post_says(SmsKind.COMING, alert, answers=0)
    assert await box.state(bip, 1) == HEARD


async def test_garbage_from_every_sender_stops_nothing(box: SmsBox, bip: Bip) -> None:
    chance = random.Random(1)
    alert = await box.press(bip)
    model = box.down_text(SmsKind.RECEIPT, alert)
    for _ in range(2000):
        text = list(model)
        for _ in range(chance.randrange(1, 8)):
            text[chance.randrange(len(text))] = chr(chance.choice([chance.randrange(0x3000), 0x23]))
        changed = "".join(text) * chance.choice([1, 1, 5])
        with suppress(BadMacError, BadMessageError):
            # Another letter that a phone may have made of the same one: still the post's words.
            read_sms(DOWN_KEY, changed)
            continue
        await box.sms.bring(chance.choice([*POST_NUMBERS, OFFICER, STRANGER]), changed)
    await box.settle()
    assert await box.state(bip, 1) == HEARD
    await box.bring(POST_NUMBERS[0], model)
    assert await box.state(bip, 1) == DELIVERED


async def test_with_a_disk_that_refuses_receipts_still_count_and_fill_no_sim(
    box: SmsBox, bip: Bip
) -> None:
    alert = await box.press(bip)
    box.sql(
        "CREATE TRIGGER no_paths BEFORE UPDATE ON sms_paths "
        "BEGIN SELECT RAISE(ABORT, 'the test refuses'); END"
    )
    text = box.down_text(SmsKind.RECEIPT, alert)
    await box.bring(POST_NUMBERS[0], text)
    assert await box.state(bip, 1) == DELIVERED
    assert FaultCode.STORAGE in box.codes()
    box.sql("DROP TRIGGER no_paths")
    await box.bring(POST_NUMBERS[0], text)
    assert count(box, "copies") == 1
    await box.clock.advance(60)
    assert FaultCode.STORAGE not in box.codes()
