"""Data is dead, and people press: the alert comes by SMS, once, and the palm feels the answer."""

from pathlib import Path

import pytest

from tests.scenarios.palm import names
from tests.scenarios.second_path import sms_town
from vigibip.modem.simulated.hangs import Hang, HangKind
from vigibip.post.cards import new_card
from vigibip.town.books import BoxBook
from vigibip.town.network import Cut

pytestmark = pytest.mark.xdist_group("driven-town")


async def test_data_is_dead_and_everything_goes_by_sms(tmp_path: Path) -> None:
    async with sms_town(tmp_path) as town:
        (shop,) = town.shops
        bip = shop.bips[0]
        assert town.post is not None
        card = await new_card(town.post.store, "Alpha 1", town.post_settings.answers)
        await town.cut_data(shop)
        pressed_s = town.clock.monotonic_s()
        bip.press()
        await town.advance(9)
        assert names(bip) == ["heard"], "the post's receipt is still on its way"
        (said,) = town.radio.spoken
        assert shop.plan.spoken in said.announcement.text
        assert said.ptt_s - pressed_s < 8.5, "modem 5 s, operator 3 s, and nothing else"

        await town.advance(9)
        assert names(bip) == ["heard", "delivered"]
        (receipt_s,) = town.at_s("box.receipt", bip.alert_ids[0])
        assert receipt_s - pressed_s < 16.5

        town.radio.key(said.announcement.number, card.codes[0])
        await town.advance(12)
        assert names(bip) == ["heard", "delivered", "coming"]
        await town.advance(800)
        assert town.kinds == ["alert", "receipt", "coming"], "three SMS, and no more"
        assert town.book.alert_ids() == {bip.alert_ids[0]: 1}
        assert len(town.radio.spoken) == 1, "he comes: nobody is called any more"


async def test_data_that_fell_unnoticed_costs_three_seconds(tmp_path: Path) -> None:
    async with sms_town(tmp_path) as town:
        (shop,) = town.shops
        bip = shop.bips[0]
        await shop.network.cut(Cut.SILENT)
        pressed_s = town.clock.monotonic_s()
        bip.press()
        await town.advance(20)
        (alert_id,) = bip.alert_ids
        (handed_s,) = town.at_s("sms.alert.modem", alert_id)
        assert 3.0 <= handed_s - pressed_s < 3.2
        assert names(bip) == ["heard", "delivered"]

        await shop.network.restore()
        await town.advance(120)
        assert town.at_post == ({alert_id: 1}, 1), "what the silence held back is the same"


async def test_while_data_works_no_sms_is_sent(tmp_path: Path) -> None:
    async with sms_town(tmp_path) as town:
        bip = town.shops[0].bips[0]
        bip.press()
        await town.advance(600)
        assert "delivered" in names(bip)
        assert town.kinds == []


async def test_data_returns_in_the_middle_and_it_is_one_alert(tmp_path: Path) -> None:
    async with sms_town(tmp_path) as town:
        (shop,) = town.shops
        bip = shop.bips[0]
        alert_id = await town.press_without_data(bip, 1)
        await shop.network.restore()
        await town.advance(180)
        assert len(town.at_s("sms.alert.delivered", alert_id)) == 1, "it was in the modem already"
        assert names(bip)[:2] == ["heard", "delivered"]
        assert town.at_post == ({alert_id: 1}, 1)
        assert town.kinds.count("alert") == 1


async def test_the_sms_is_first_and_data_brings_the_same_alert_again(tmp_path: Path) -> None:
    async with sms_town(tmp_path) as town:
        (shop,) = town.shops
        bip = shop.bips[0]
        alert_id = await town.press_without_data(bip, 0.5)
        await town.advance_to("sms.alert.delivered", alert_id)
        # The receipt's SMS never comes, so the box sends the alert once more as soon as it can.
        town.phones.operator.change(lost=1.0)
        await shop.network.restore()
        await town.advance(50)
        assert names(bip) == ["heard", "delivered"]
        assert len(town.at_s("post.received", alert_id)) == 2
        assert len(town.at_s("sms.receipt.delivered", alert_id)) == 0
        assert town.at_post == ({alert_id: 1}, 1)
        assert all(one.announcement.joined_presses == 0 for one in town.radio.spoken)


@pytest.mark.parametrize("sms_takes_s", [1, 30, 3600])
async def test_data_is_first_and_the_sms_comes_however_late(
    tmp_path: Path, sms_takes_s: float
) -> None:
    async with sms_town(tmp_path) as town:
        (shop,) = town.shops
        bip = shop.bips[0]
        town.phones.operator.change(delay_s=sms_takes_s)
        await shop.network.cut(Cut.SILENT)
        bip.press()
        await town.advance(5)
        await shop.network.restore()
        await town.advance(60)
        (alert_id,) = bip.alert_ids
        assert "delivered" in names(bip)
        said = len(town.radio.spoken)
        await town.advance(sms_takes_s + 60)
        (arrived_s,) = town.at_s("sms.alert.delivered", alert_id)
        assert town.at_s("post.committed", alert_id)[0] < arrived_s
        assert town.at_post == ({alert_id: 1}, 1)
        incident = town.radio.spoken[0].announcement.incident_id
        assert {one.announcement.incident_id for one in town.radio.spoken[said:]} <= {incident}
        assert all(one.announcement.joined_presses == 0 for one in town.radio.spoken)


async def test_a_lost_receipt_costs_a_minute_and_makes_no_second_alert(tmp_path: Path) -> None:
    async with sms_town(tmp_path) as town:
        (shop,) = town.shops
        bip = shop.bips[0]
        await town.cut_data(shop)
        pressed_s = town.clock.monotonic_s()
        bip.press()
        await town.advance(0.5)
        (alert_id,) = bip.alert_ids
        await town.advance_to("sms.alert.delivered", alert_id)
        town.phones.operator.change(lost=1.0)
        await town.advance_to("sms.receipt.operator", alert_id)
        await town.advance(0.1)
        town.phones.operator.change(lost=0.0)
        await town.advance(50 - (town.clock.monotonic_s() - pressed_s))
        assert "delivered" not in names(bip)
        assert town.kinds == ["alert", "receipt"], "nobody hurries"

        await town.advance(30)
        assert "delivered" in names(bip)
        _, again_s = town.at_s("sms.alert.modem", alert_id)
        assert 60.0 <= again_s - pressed_s < 62.0
        assert town.kinds == ["alert", "receipt", "alert", "receipt"]
        assert town.at_post == ({alert_id: 1}, 1)


async def test_an_alert_that_the_network_loses_is_written_again(tmp_path: Path) -> None:
    async with sms_town(tmp_path) as town:
        (shop,) = town.shops
        bip = shop.bips[0]
        await town.cut_data(shop)
        town.phones.operator.change(lost=1.0)
        bip.press()
        await town.advance(40)
        town.phones.operator.change(lost=0.0)
        assert town.book.alert_ids() == {}
        assert names(bip) == ["heard", "not_reached"]
        await town.advance(50)
        assert names(bip) == ["heard", "not_reached", "delivered"]
        (said,) = {one.announcement.number: one for one in town.radio.spoken}.values()
        assert said.announcement.age_s is not None
        assert 60 <= said.announcement.age_s < 80, "its age is told"


async def test_the_box_loses_power_and_its_modem_with_it(tmp_path: Path) -> None:
    async with sms_town(tmp_path) as town:
        (shop,) = town.shops
        bip = shop.bips[0]
        await town.press_without_data(bip, 1)
        await shop.cut_power()
        await shop.network.cut(Cut.REFUSED)
        await town.advance(300)
        assert "delivered" not in names(bip)

        await shop.start_box()
        await town.advance(60)
        assert "delivered" in names(bip), "from its disk, through a modem that had to boot"
        assert town.book.alert_ids() == {bip.alert_ids[0]: 1}
        assert BoxBook(shop.settings.store_path).waiting() == 0


@pytest.mark.parametrize("kind", HangKind, ids=lambda kind: kind.name.lower())
async def test_a_modem_that_hangs_delays_nothing_that_data_carries(
    tmp_path: Path, kind: HangKind
) -> None:
    async with sms_town(tmp_path) as town:
        (shop,) = town.shops
        bip = shop.bips[0]
        shop.modem.begin_hang(Hang.of(kind))
        await town.advance(1)
        pressed_s = town.clock.monotonic_s()
        bip.press()
        await town.advance(2)
        assert names(bip)[-1] == "delivered", "which implies heard, and may be felt in its place"
        (receipt_s,) = town.at_s("box.receipt", bip.alert_ids[0])
        assert receipt_s - pressed_s < 0.5
        assert town.kinds == []

        await town.advance(120)
        await town.cut_data(shop)
        shop.bips[1].press()
        # That it refuses PDUs is only seen by giving it one.
        await town.advance(120 if kind is HangKind.PDU_REFUSED else 20)
        assert names(shop.bips[1])[-1] == "delivered", "and it works again"


@pytest.mark.parametrize("smashed", [True, False])
async def test_a_box_that_is_smashed_after_a_press_by_sms_is_told_and_no_other(
    tmp_path: Path, smashed: bool
) -> None:
    async with sms_town(tmp_path) as town:
        (shop,) = town.shops
        bip = shop.bips[0]
        await town.cut_data(shop)
        bip.press()
        await town.advance(30)
        assert names(bip)[:2] == ["heard", "delivered"]
        if smashed:
            await shop.cut_power()
        # The post takes the alert for a sign of life of 40 minutes; a box that lives says more.
        await town.advance(2700)
        assert town.post is not None
        lost = [kind for kind, _ in town.post.faults if kind.startswith("box-lost")]
        assert lost == (["box-lost-after-press"] if smashed else [])
