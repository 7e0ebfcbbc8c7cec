"""A hand says more of its press: the police hear of it, and nothing stops."""

from pathlib import Path

import pytest

from tests.scenarios.palm import names
from vigibip.post.cards import new_card
from vigibip.town.driven.bip import DrivenBip
from vigibip.town.driven.town import DrivenTown
from vigibip.wire import frame

pytestmark = pytest.mark.xdist_group("driven-town")


def told(town: DrivenTown) -> set[str]:
    assert town.post is not None
    return {kind for kind, _ in town.post.faults}


async def answered(town: DrivenTown, bip: DrivenBip) -> None:
    assert town.post is not None
    card = await new_card(town.post.store, "Alpha 1", town.post_settings.answers)
    town.radio.key(town.radio.spoken[0].announcement.number, card.codes[0])
    await town.advance(20)
    assert names(bip)[-1] == "coming"


@pytest.mark.parametrize(
    ("mark", "kind"),
    [(frame.WITHDRAWN, "press-withdrawn"), (frame.DURESS, "press-duress")],
    ids=["withdrawn", "duress"],
)
async def test_a_mark_reaches_the_police_feels_the_same_and_the_radios_go_on(
    tmp_path: Path, mark: int, kind: str
) -> None:
    async with DrivenTown(tmp_path, shops=1) as town:
        bip = town.shops[0].bips[0]
        bip.press()
        await town.advance(5)
        bip.mark(mark)
        await town.advance(5)
        assert told(town) == {kind}
        # Whatever was said, the palm is told the same: that it was noted.
        assert names(bip) == ["heard", "delivered", "noted"]
        await town.advance(60)
        assert len(town.radio.spoken) >= 2, "nobody has answered: it is called again"
        await answered(town, bip)


async def test_a_mark_made_while_the_post_is_cut_off_is_told_once_it_is_back(
    tmp_path: Path,
) -> None:
    async with DrivenTown(tmp_path, shops=1) as town:
        bip = town.shops[0].bips[0]
        bip.press()
        await town.advance(5)
        await town.broker.stop()
        await town.advance(5)
        bip.mark(frame.DURESS)
        await town.advance(20)
        assert names(bip)[-1] == "noted"
        assert told(town) & {"press-duress"} == set()
        await town.broker.start()
        await town.advance(120)
        assert "press-duress" in told(town)
