"""What boxes are told of SMS, and what officers answered to them while the post was dead."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.post.harness import BoxClient, until
from tests.post.sms_site import SmsBox, SmsSite
from vigibip.alert import topics
from vigibip.alert.messages import (
    BoxStatus,
    Contacts,
    OfficerAnswer,
    open_message,
    seal_message,
)
from vigibip.alert.officer_codes import code_digest
from vigibip.base.clock import DrivenClock
from vigibip.base.errors import StorageError
from vigibip.post.contacts import ContactsTeller
from vigibip.post.known_boxes import KnownBoxes
from vigibip.post.sms_cards import SmsCard, new_sms_card
from vigibip.post.store import Store
from vigibip.post.store.second_path import SecondPathStore
from vigibip.post.ways import Ways

PRESS = "00000001000000aa"
OFFICER = "+33639983001"


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[SmsSite]:
    made = SmsSite(tmp_path, modems=2)
    try:
        await made.start()
        yield made
    finally:
        await made.close()


async def heard_out(box: SmsBox) -> None:
    """Return once the post has had all that the box said: a message behind it is refused."""
    refused = len(box.client.receipts)
    box.client.send_json({"alert": "00000001000000f0", "age_s": "no number"})
    await until(lambda: len(box.client.receipts) > refused)


async def contacts_of(box: SmsBox, held: int) -> Contacts | None:
    """Have the box tell which edition it holds; return what it is sent for that."""
    before = len(box.client.others)
    status = BoxStatus(software="1", uptime_s=1, queued=0, contacts_edition=held)
    box.client.send(topics.STATUS, seal_message(box.client.up_key, status))
    await heard_out(box)
    told = [one for kind, one in box.client.others[before:] if kind == topics.CONTACTS]
    return open_message(box.client.down_key, told[-1], Contacts) if told else None


async def card(town: SmsSite) -> SmsCard:
    made = await new_sms_card(SecondPathStore(town.store, town.clock), "Alpha 1", OFFICER)
    await town.refresh()
    return made


def digest_of(code: str, contacts: Contacts) -> str:
    assert contacts.officer is not None
    return code_digest(code, bytes.fromhex(contacts.officer.salt)).hex()


async def answered(
    town: SmsSite, box: SmsBox, digest: str, alert: str = PRESS, age_s: int | None = 600
) -> None:
    message = OfficerAnswer(alert=alert, digest=digest, age_s=age_s)
    box.client.send(topics.OFFICER_ANSWER, seal_message(box.client.up_key, message))
    await heard_out(box)
    await town.settle()


async def test_a_box_is_told_numbers_words_and_officer_until_it_holds_this_edition(
    town: SmsSite,
) -> None:
    box = await town.add_sms_box(connect=True)
    other = await town.add_sms_box("Boulangerie", connect=True)
    await card(town)
    told = await contacts_of(box, 0)
    assert told is not None
    assert told.officer is not None
    assert (told.spoken, told.address) == ("Tabac du Centre", "12 rue des Lilas")
    assert (told.officer.number, len(told.officer.digests)) == (OFFICER, 20)
    assert told.post_numbers == town.numbers
    assert await contacts_of(box, told.edition) is None
    # The next box asks the other modem first.
    others = await contacts_of(other, 0)
    assert others is not None
    assert others.post_numbers == town.numbers[::-1]


async def test_a_post_restored_from_a_copy_goes_on_above_what_boxes_hold(town: SmsSite) -> None:
    box = await town.add_sms_box(connect=True)
    first = await contacts_of(box, 0)
    assert first is not None
    assert await contacts_of(box, first.edition + 3) is None
    await town.advance(1)
    second = await contacts_of(box, first.edition + 3)
    assert second is not None
    assert second.edition > first.edition + 3
    # A box that names the end of all editions does not bring it about.
    assert await contacts_of(box, 2**32 - 1) is None
    await town.advance(1)
    third = await contacts_of(box, 0)
    assert third is not None
    assert third.edition == second.edition


async def test_a_box_that_was_just_enrolled_is_served_by_sms(town: SmsSite) -> None:
    phone = "+33639981009"
    shop = await town.store.create_shop(
        name="Tabac", spoken="Tabac", address="12 rue des Lilas", phone=phone
    )
    # Its number is known before it has keys.
    await town.refresh()
    key = bytes(32)
    await town.store.set_box_keys(shop.box_id, up_key=key, down_key=key, serial="1")
    await town.refresh()
    box = SmsBox(town, BoxClient(town, shop.box_id, key, key), phone)
    box.press(PRESS)
    await town.pass_sms()
    (incident,) = await town.store.incidents()
    assert incident.shop_name == "Tabac"


async def test_an_edition_whose_boxes_cannot_be_read_is_taken_over_later(
    store: Store, clock: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await store.create_shop(name="Tabac", spoken="Tabac", address="", phone="+33639981009")
    boxes, second, ways = KnownBoxes(store), SecondPathStore(store, clock), Ways(clock)
    teller = ContactsTeller(second, boxes, ways, lambda _topic, _payload: True, clock)
    await teller.refresh()
    # Installed days after it was entered.
    await clock.advance(3 * 86_400)
    await store.set_box_keys(shop.box_id, up_key=b"u" * 32, down_key=b"d" * 32, serial="1")

    async def refused() -> None:
        raise StorageError("the disk does not answer")

    with monkeypatch.context() as on_a_failing_disk:
        on_a_failing_disk.setattr(boxes, "load", refused)
        with pytest.raises(StorageError):
            await teller.refresh()
    await teller.refresh()
    assert set(boxes) == {shop.box_id}
    # Its SMS path is waited for from now on; a box that was revoked is not.
    assert ways.expected_s(shop.box_id) == clock.monotonic_s()
    await store.revoke_box(shop.box_id)
    await teller.refresh()
    assert (set(boxes), ways.expected_s(shop.box_id)) == (set(), None)


async def test_an_officers_sms_is_a_proven_answer_and_uses_its_code_up(town: SmsSite) -> None:
    box = await town.add_sms_box(connect=True)
    made = await card(town)
    told = await contacts_of(box, 0)
    assert told is not None
    box.client.press(PRESS)
    await until(lambda: PRESS in box.client.accepted)
    await answered(town, box, digest_of(made.codes[3], told))
    (incident,) = await town.store.incidents()
    (answer,) = incident.answers
    assert (answer.by, answer.via, answer.proven) == ("Alpha 1", "sms", True)
    await until(lambda: "coming" in [state for state, _ in box.client.states])
    await town.advance(10)
    newer = await contacts_of(box, told.edition)
    assert newer is not None
    assert newer.officer is not None
    assert len(newer.officer.digests) == 19
    # Told again, it is told "coming" again; for another incident the code is worth nothing.
    await answered(town, box, digest_of(made.codes[3], told))
    assert len((await town.store.incidents())[0].answers) == 1


@pytest.mark.parametrize("age_s", [1200, None])
async def test_an_officers_old_answer_says_nothing_of_a_later_press(
    town: SmsSite, age_s: int | None
) -> None:
    later = "00000001000000ab"
    box = await town.add_sms_box(connect=True)
    made = await card(town)
    told = await contacts_of(box, 0)
    assert told is not None
    # The box tells it all when data is back; the second press was just made.
    box.client.press(PRESS, age_s=1500)
    box.client.press(later, age_s=5)
    await until(lambda: {PRESS, later} <= set(box.client.accepted))
    await answered(town, box, digest_of(made.codes[3], told), age_s=age_s)
    await until(lambda: "coming" in [state for state, _ in box.client.states])
    assert {alerts for state, alerts in box.client.states if state == "coming"} == {(PRESS,)}
    (incident,) = await town.store.incidents()
    assert incident.state.value == "open"
    (answer,) = incident.answers
    assert (answer.by, answer.proven) == ("Alpha 1", True)
    assert (town.clock.utc() - answer.at).total_seconds() > 1100
    # His next one, given now, is for both.
    await answered(town, box, digest_of(made.codes[4], told), age_s=0)
    (incident,) = await town.store.incidents()
    assert incident.state.value == "coming"
    await until(lambda: any(later in alerts for _, alerts in box.client.states))


async def test_a_code_that_is_not_of_his_card_stops_nothing(town: SmsSite) -> None:
    box = await town.add_sms_box(connect=True)
    await card(town)
    told = await contacts_of(box, 0)
    assert told is not None
    box.client.press(PRESS)
    await until(lambda: PRESS in box.client.accepted)
    for _ in range(3):
        await answered(town, box, digest_of("00000000", told))
    (incident,) = await town.store.incidents()
    (answer,) = incident.answers
    assert (answer.proven, answer.reason, answer.via) == (False, "wrong-sms-code", "sms")
    assert incident.state.value == "open"
    assert box.client.states == []


async def test_an_answer_for_an_alert_that_is_not_here_yet_waits_for_it(town: SmsSite) -> None:
    box = await town.add_sms_box(connect=True)
    made = await card(town)
    told = await contacts_of(box, 0)
    assert told is not None
    digest = digest_of(made.codes[0], told)
    await answered(town, box, digest, "00000001000000bb")
    box.client.press("00000001000000bb")
    await until(lambda: "00000001000000bb" in box.client.accepted)
    await answered(town, box, digest, "00000001000000bb")
    (incident,) = await town.store.incidents()
    assert incident.state.value == "coming"


async def test_a_new_card_voids_the_former_one(town: SmsSite) -> None:
    box = await town.add_sms_box(connect=True)
    former = await card(town)
    told = await contacts_of(box, 0)
    assert told is not None
    await card(town)
    box.client.press(PRESS)
    await until(lambda: PRESS in box.client.accepted)
    await answered(town, box, digest_of(former.codes[0], told))
    assert (await town.store.incidents())[0].state.value == "open"
