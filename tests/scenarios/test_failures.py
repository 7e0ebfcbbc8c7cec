"""Power cuts, a dead post, a receiver pulled out: delayed, never lost, and never a false word."""

from pathlib import Path

import pytest

from tests.scenarios.palm import names
from vigibip.town.air import Weather
from vigibip.town.books import BoxBook, PostBook
from vigibip.town.driven.town import DrivenTown
from vigibip.town.network import Cut

pytestmark = pytest.mark.xdist_group("driven-town")


async def test_the_box_loses_power_between_heard_and_delivered(tmp_path: Path) -> None:
    async with DrivenTown(tmp_path, shops=1) as town:
        (shop,) = town.shops
        bip = shop.bips[0]
        await shop.network.cut(Cut.REFUSED)
        bip.press()
        await town.advance(2)
        assert names(bip) == ["heard"]

        await shop.cut_power()
        await town.advance(300)
        assert names(bip) == ["heard"], "a dead box tells nothing"

        await shop.start_box()
        await town.advance(15)
        assert names(bip) == ["heard", "delivered"], "what was heard is delivered by itself"
        assert PostBook(town.post_settings.store_path).alert_ids() == {bip.alert_ids[0]: 1}
        (said,) = [spoken.announcement for spoken in town.radio.spoken]
        assert said.age_s is not None
        assert said.age_s >= 300, "its age is told"


async def test_the_box_has_no_power_at_all_when_the_button_goes_down(tmp_path: Path) -> None:
    async with DrivenTown(tmp_path, shops=1) as town:
        (shop,) = town.shops
        bip = shop.bips[0]
        await shop.cut_power()
        bip.press()
        await town.advance(60)
        assert names(bip) == ["not_sent"]

        await shop.start_box()
        await town.advance(130)
        assert names(bip) == ["not_sent", "heard", "delivered"], "the bip went on by itself"
        assert len(PostBook(town.post_settings.store_path).alert_ids()) == 1


async def test_the_post_is_dead_for_ten_minutes(tmp_path: Path) -> None:
    async with DrivenTown(tmp_path, shops=2) as town:
        await town.stop_post()
        for shop in town.shops:
            shop.bips[0].press()
        await town.advance(600)
        for shop in town.shops:
            assert names(shop.bips[0]) == ["heard", "not_reached"]
            assert BoxBook(shop.settings.store_path).waiting() == 1

        await town.start_post()
        await town.advance(90)
        for shop in town.shops:
            assert names(shop.bips[0]) == ["heard", "not_reached", "delivered"]
            assert BoxBook(shop.settings.store_path).waiting() == 0
        spoken = {shop.plan.spoken for shop in town.shops}
        texts = [said.announcement.text for said in town.radio.spoken]
        assert all(any(name in text for text in texts) for name in spoken)


async def test_the_receiver_is_pulled_out_and_put_back(tmp_path: Path) -> None:
    async with DrivenTown(tmp_path, shops=1) as town:
        (shop,) = town.shops
        bip = shop.bips[0]
        shop.receiver.plugged = False
        bip.press()
        await town.advance(20)
        assert names(bip) == ["not_sent"]

        shop.receiver.plugged = True
        await town.advance(60)
        assert names(bip)[-2:] == ["heard", "delivered"]
        assert len(PostBook(town.post_settings.store_path).alert_ids()) == 1


async def test_a_replayed_frame_makes_no_second_alert(tmp_path: Path) -> None:
    async with DrivenTown(tmp_path, shops=1) as town:
        (shop,) = town.shops
        bip = shop.bips[0]
        recorded: list[bytes] = []
        town.air.frames.append(lambda sender, frame: recorded.append(frame))
        bip.press()
        await town.advance(5)
        presses = [frame for frame in recorded if frame[:2] == b"\x01\x01"]
        await town.advance(3600)
        announced = len(town.radio.spoken)

        # Somebody recorded the press and plays it back, again and again.
        for _ in range(20):
            shop.receiver.overhear(presses[0])
            await town.advance(3)
        assert PostBook(town.post_settings.store_path).alert_ids() == {bip.alert_ids[0]: 1}
        assert PostBook(town.post_settings.store_path).presses_of_incidents() == 1
        rounds = len(town.radio.spoken) - announced
        assert rounds <= 3, "only the reminders that were due"


async def test_another_shops_bip_is_never_heard_here(tmp_path: Path) -> None:
    async with DrivenTown(tmp_path, shops=2) as town:
        mine, other = town.shops
        mine.receiver.plugged = False
        mine.bips[0].press()
        await town.advance(20)
        assert "heard" not in names(mine.bips[0])
        assert BoxBook(other.settings.store_path).alert_ids() == {}


async def test_a_lossy_doubling_air_changes_nothing_but_the_time(tmp_path: Path) -> None:
    weather = Weather(loss_up=0.4, loss_down=0.4, duplicated=0.3, delay_ms=5, jitter_ms=30)
    async with DrivenTown(tmp_path, shops=3, weather=weather, seed=7) as town:
        for shop in town.shops:
            for bip in shop.bips:
                bip.press()
                await town.advance(10)
        await town.advance(30)
        pressed = [bip.alert_ids[0] for shop in town.shops for bip in shop.bips]
        assert PostBook(town.post_settings.store_path).alert_ids() == dict.fromkeys(pressed, 1)
        assert town.air.counts.up.lost > 0
        assert all("delivered" in names(bip) for shop in town.shops for bip in shop.bips)
