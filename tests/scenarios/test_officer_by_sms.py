"""The post is dead: after a minute and a half the box calls the officer's own phone."""

from pathlib import Path

import pytest

from tests.scenarios.palm import names
from tests.scenarios.second_path import SmsTown, sms_town
from vigibip.alert.officer_codes import WORDS, code_digest
from vigibip.post.store.second_path import SecondPathStore
from vigibip.town.mobile import OFFICER_NUMBER, STRANGER_NUMBER, Phone, Text

pytestmark = pytest.mark.xdist_group("driven-town")

CODES = ("12345678", "23456789")
SALT = bytes(range(16))


async def hand_out_card(town: SmsTown) -> Phone:
    """Give the officer his SMS card, and the boxes what proves his answers."""
    assert town.post is not None
    store = SecondPathStore(town.post.store, town.clock)
    digests = [code_digest(code, SALT) for code in CODES]
    await store.put_officer("Alpha 1", OFFICER_NUMBER, SALT, digests)
    await town.advance(150)
    for shop in town.shops:
        assert shop.box is not None
        assert shop.box.description()["sms"]["officer"]
    return town.phones.phone(OFFICER_NUMBER)


async def called_officer(town: SmsTown) -> Text:
    """Have the first shop press while the post is dead; return the officer's call."""
    officer = await hand_out_card(town)
    await town.stop_post()
    town.shops[0].bips[0].press()
    await town.advance(110)
    (call,) = officer.texts
    return call


def word_in(text: str) -> str:
    (word,) = [word for word in WORDS if word in text.split()]
    return word


async def test_the_officer_answers_and_the_post_learns_of_it(tmp_path: Path) -> None:
    async with sms_town(tmp_path) as town:
        (shop,) = town.shops
        bip = shop.bips[0]
        officer = await hand_out_card(town)
        await town.stop_post()
        bip.press()
        await town.advance(60)
        assert names(bip) == ["heard", "not_reached"]
        assert officer.texts == [], "the post may still come back"

        await town.advance(50)
        (call,) = officer.texts
        assert call.sender == shop.number_of_sim
        assert shop.plan.address in call.text
        officer.send(call.sender, f"{word_in(call.text).lower()} {CODES[0]}")
        await town.advance(30)
        assert names(bip)[:3] == ["heard", "not_reached", "coming"]

        await town.start_post()
        await town.advance(180)
        (alert_id,) = bip.alert_ids
        assert town.book.alert_ids() == {alert_id: 1}
        assert town.book.is_answered(alert_id), "the box has told it who answered"


async def test_a_wrong_code_from_the_right_phone_is_felt_by_nobody(tmp_path: Path) -> None:
    async with sms_town(tmp_path) as town:
        call = await called_officer(town)
        town.phones.phone(OFFICER_NUMBER).send(call.sender, f"{word_in(call.text)} 00000000")
        await town.advance(30)
        assert "coming" not in names(town.shops[0].bips[0])


async def test_the_right_code_from_another_phone_is_felt_by_nobody(tmp_path: Path) -> None:
    async with sms_town(tmp_path) as town:
        call = await called_officer(town)
        stranger = town.phones.phone(STRANGER_NUMBER)
        stranger.send(call.sender, f"{word_in(call.text)} {CODES[0]}")
        await town.advance(30)
        assert "coming" not in names(town.shops[0].bips[0])


async def test_while_the_post_lives_no_officer_is_called_by_sms(tmp_path: Path) -> None:
    async with sms_town(tmp_path) as town:
        officer = await hand_out_card(town)
        town.shops[0].bips[0].press()
        await town.advance(600)
        assert officer.texts == []
