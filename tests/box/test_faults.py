"""What a person is told is wrong, from its beginning to its end."""

from __future__ import annotations

from tests.box.driven import DrivenBox
from tests.box.peers import Bip
from vigibip.box.faults import FaultCode


async def test_a_dead_post_behind_a_live_broker_is_a_fault_until_its_next_receipt(
    box: DrivenBox, bip: Bip
) -> None:
    alert = await box.press(bip)
    await box.clock.advance(29.9)
    assert not box.codes()
    await box.clock.advance(0.1)
    assert box.codes() == {FaultCode.POST_SILENT}
    await box.clock.advance(2)
    assert box.carrier.statuses[-1].faults == ["post-silent"]
    box.carrier.receipt(alert)
    assert not box.codes()


async def test_the_posts_silence_counts_from_the_connection_and_from_what_it_last_said(
    box: DrivenBox, bip: Bip
) -> None:
    box.carrier.lose()
    await box.press(bip)
    await box.clock.advance(3600)
    assert FaultCode.POST_SILENT not in box.codes()
    box.carrier.connect()
    await box.clock.advance(20)
    # It takes other alerts: one that it leaves out does not make it silent.
    box.carrier.receipt(await box.press(bip))
    await box.clock.advance(25)
    assert FaultCode.POST_SILENT not in box.codes()
    await box.clock.advance(65)
    assert FaultCode.POST_SILENT in box.codes()
