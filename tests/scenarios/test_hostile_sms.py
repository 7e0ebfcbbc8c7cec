"""Strangers write to the post and to the boxes: no incident, no false word, and the path lives."""

import random
from pathlib import Path

import pytest

from tests.scenarios.palm import names
from tests.scenarios.second_path import SmsTown, sms_town
from vigibip.alert.ids import AlertId
from vigibip.alert.sms_form import SmsKind, SmsMessage, write_sms
from vigibip.post.faults import FaultKind
from vigibip.town.books import BoxBook
from vigibip.town.mobile import STRANGER_NUMBER, about, post_number

pytestmark = pytest.mark.xdist_group("driven-town")


async def heard_alert(town: SmsTown) -> str:
    """Have the first shop press without data; return the text that a stranger taps."""
    await town.press_without_data(town.shops[0].bips[0], 120)
    assert town.kinds[:2] == ["alert", "receipt"]
    return town.texts[0][1]


def unverified(town: SmsTown) -> list[str]:
    assert town.post is not None
    return [subject for kind, subject in town.post.faults if kind == FaultKind.SMS_UNVERIFIED]


async def test_a_tapped_alert_played_back_makes_nothing(tmp_path: Path) -> None:
    async with sms_town(tmp_path) as town:
        (shop,) = town.shops
        tapped = await heard_alert(town)
        announced, sent = len(town.radio.spoken), len(town.texts)
        stranger = town.phones.phone(STRANGER_NUMBER)
        for _ in range(5):
            stranger.send(post_number(1), tapped)
            town.phones.forge(shop.number_of_sim, post_number(1), tapped)
            await town.advance(4)
        assert town.at_post == ({shop.bips[0].alert_ids[0]: 1}, 1)
        assert len(town.texts) == sent + 5, "the stranger's own, and not one receipt"
        assert all(one.announcement.joined_presses == 0 for one in town.radio.spoken[announced:])
        assert unverified(town) == [], "a copy is authentic, only old"


async def test_a_changed_word_is_told_and_never_announced(tmp_path: Path) -> None:
    async with sms_town(tmp_path) as town:
        (shop,) = town.shops
        tapped = await heard_alert(town)
        sent = len(town.texts)
        assert shop.plan.name in tapped
        changed = tapped.replace(shop.plan.name, "Tabac du Port")
        half = tapped[: len(tapped) // 2]
        for text in (changed, half, "au secours", tapped[:-1], "#", "#" + "A" * 60):
            town.phones.forge(shop.number_of_sim, post_number(1), text)
            await town.advance(5)
        assert town.book.presses_of_incidents() == 1
        assert len(unverified(town)) == 1, "one fault, of that box"
        assert len(town.texts) == sent, "nobody who forges is answered"


async def test_another_boxs_key_does_not_speak_for_this_one(tmp_path: Path) -> None:
    async with sms_town(tmp_path, shops=2) as town:
        mine, other = town.shops
        tapped = await heard_alert(town)
        town.phones.forge(other.number_of_sim, post_number(1), tapped)
        await town.advance(20)
        assert town.book.presses_of_incidents() == 1
        assert len(unverified(town)) == 1
        assert BoxBook(other.settings.store_path).alert_ids() == {}
        assert names(mine.bips[1]) == []


async def test_a_forged_receipt_is_not_felt(tmp_path: Path) -> None:
    async with sms_town(tmp_path) as town:
        (shop,) = town.shops
        bip = shop.bips[0]
        await town.cut_data(shop)
        town.phones.operator.change(lost=1.0)
        bip.press()
        await town.advance(10)
        tapped = town.texts[0][1]
        # What the stranger knows: the alert's id, in the clear, and no key.
        alert = AlertId.parse(about(tapped)[1][0])
        for kind in (SmsKind.RECEIPT, SmsKind.COMING):
            answers = 1 if kind is SmsKind.COMING else 0
            forged = SmsMessage(kind=kind, sequence=1, alerts=(alert,), answers=answers)
            text = write_sms(random.Random(1).randbytes(32), "VigiBip", forged)
            town.phones.forge(post_number(1), shop.number_of_sim, text)
            town.phones.phone(STRANGER_NUMBER).send(shop.number_of_sim, text)
        town.phones.forge(post_number(1), shop.number_of_sim, tapped)
        await town.advance(30)
        assert "delivered" not in names(bip)
        assert "coming" not in names(bip)
        assert BoxBook(shop.settings.store_path).waiting() == 1, "it goes on trying"


async def test_a_flood_from_strangers_does_not_stop_an_alert(tmp_path: Path) -> None:
    async with sms_town(tmp_path) as town:
        (shop,) = town.shops
        bip = shop.bips[0]
        chance = random.Random(5)
        await town.cut_data(shop)
        for number in range(60):
            stranger = town.phones.phone(f"+3363998{5000 + number % 20:04d}")
            words = "".join(chance.choice("abc #ABC234é€ ") for _ in range(300))
            stranger.send(post_number(1), words)
            stranger.send(shop.number_of_sim, words)
        bip.press()
        await town.advance(40)
        assert names(bip)[:2] == ["heard", "delivered"]
        assert town.book.alert_ids() == {bip.alert_ids[0]: 1}
