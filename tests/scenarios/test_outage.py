"""The network is down for an hour. People press. Nothing is lost, nothing comes twice."""

from pathlib import Path

import pytest

from vigibip.town.books import PostBook
from vigibip.town.driven.town import DrivenTown
from vigibip.town.network import Cut

pytestmark = pytest.mark.xdist_group("driven-town")


async def test_an_hour_without_network_then_all_arrive_once_and_the_fresh_press_first(
    tmp_path: Path,
) -> None:
    async with DrivenTown(tmp_path, shops=5) as town:
        for shop in town.shops:
            await shop.network.cut(Cut.REFUSED)

        # Twenty presses from five shops, spread over the hour.
        for round_number in range(4):
            for shop in town.shops:
                shop.bips[round_number % 2].press()
                await town.advance(60)
            await town.advance(600)
        backlog = [
            alert_id for shop in town.shops for bip in shop.bips for alert_id in bip.alert_ids
        ]
        assert len(set(backlog)) == 20
        for shop in town.shops:
            for bip in shop.bips:
                felt = [feel.name for feel in bip.felt]
                assert felt.count("heard") == 2
                assert felt.count("not_reached") == 2
                assert "delivered" not in felt

        # A fresh press, a moment before the network is back.
        presser = town.shops[2].bips[0]
        presser.press()
        await town.advance(1)
        fresh = presser.alert_ids[-1]
        for shop in town.shops:
            await shop.network.restore()
        await town.advance(120)

        at_post = PostBook(town.post_settings.store_path).alert_ids()
        assert at_post == dict.fromkeys([*backlog, fresh], 1), "all arrive, none twice"
        received = [entry.subject for entry in town.journal if entry.stage == "post.committed"]
        of_its_shop = [alert_id for bip in town.shops[2].bips for alert_id in bip.alert_ids]
        first = next(alert_id for alert_id in received if alert_id in of_its_shop)
        assert first == fresh, "the fresh press overtakes the backlog"
        assert "delivered" in [feel.name for feel in presser.felt]

        # Half an hour after a press its bip asks with its hourly status only; these still poll.
        for shop in town.shops:
            assert "delivered" in [feel.name for feel in shop.bips[1].felt]
