"""A press reaches an officer, and the palm feels that he is coming."""

from pathlib import Path

import pytest

from tests.scenarios.palm import names
from vigibip.post.cards import new_card
from vigibip.town.broker import BrokerKind
from vigibip.town.driven.town import DrivenTown

pytestmark = pytest.mark.xdist_group("driven-town")


@pytest.mark.parametrize(
    "broker",
    [
        pytest.param(
            BrokerKind.MOSQUITTO, marks=pytest.mark.requires_program("mosquitto"), id="mosquitto"
        ),
        pytest.param(BrokerKind.IOTCORE, id="iotcore"),
    ],
)
async def test_a_press_reaches_an_officer_and_the_palm_feels_coming(
    tmp_path: Path, broker: BrokerKind
) -> None:
    async with DrivenTown(tmp_path, shops=2, broker=broker) as town:
        tabac = town.shops[0]
        bip = tabac.bips[0]
        bip.press()
        await town.advance(2)
        assert names(bip) == ["heard", "delivered"]
        (said,) = town.radio.spoken
        assert tabac.plan.spoken in said.announcement.text
        assert said.ptt_s < 0.5, "the officer hears it at once"

        assert town.post is not None
        card = await new_card(town.post.store, "Alpha 1", town.post_settings.answers)
        await town.advance(20)
        town.radio.key(said.announcement.number, card.codes[0])
        await town.advance(2)
        assert names(bip) == ["heard", "delivered", "coming"]
        assert len(town.radio.spoken) == 1, "nobody is called any more"
        await town.advance(300)
        assert len(town.radio.spoken) == 1
        assert town.shops[1].bips[0].felt == [], "the neighbour notices nothing"


async def test_a_wrong_code_stops_nothing_and_is_not_felt(tmp_path: Path) -> None:
    async with DrivenTown(tmp_path, shops=1) as town:
        bip = town.shops[0].bips[0]
        bip.press()
        await town.advance(20)
        (said,) = town.radio.spoken
        town.radio.key(said.announcement.number, "000000")
        await town.advance(200)
        assert "coming" not in names(bip)
        assert "unanswered" in names(bip)
        assert len(town.radio.spoken) >= 4, "round after round"
