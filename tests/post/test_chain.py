"""A press through the whole post: received, committed, receipted, announced, answered, told."""

from __future__ import annotations

from tests.post.harness import Site, until
from vigibip.alert.life import IncidentState
from vigibip.post.cards import new_card


async def test_a_press_is_committed_receipted_announced_and_its_answer_reaches_the_box(
    site: Site,
) -> None:
    box = await site.add_box("Tabac du Centre")
    card = await new_card(site.store, "Alpha 1", site.settings.answers)

    box.press("00000001000000aa", battery_mv=2900, rssi_dbm=-60)
    await until(lambda: box.accepted == ["00000001000000aa"])
    await until(lambda: site.radio.said)
    said = site.radio.said[0].announcement
    assert (said.number, said.round_no, said.joined_presses) == (1, 1, 0)
    assert "Tabac du Centre" in said.text

    site.radio.key(1, card.codes[0])
    await until(lambda: box.states == [("coming", ("00000001000000aa",))])
    await until(lambda: ("post.told", "00000001000000aa") in site.stamps)

    incident = (await site.store.incidents())[0]
    assert incident.state is IncidentState.COMING
    assert incident.answered_by == "Alpha 1"
    assert incident.alerts[0].battery_mv == 2900
    assert await site.store.outstanding_messages() == []
    stages = [stage for stage, subject in site.stamps if subject == "00000001000000aa"]
    assert set(stages) == {
        *("post.received", "post.committed", "post.receipted"),
        *("radio.ptt", "radio.audio", "post.answered", "post.told"),
    }
    assert stages.index("post.committed") < stages.index("post.receipted")
    assert stages.index("post.answered") < stages.index("post.told")
