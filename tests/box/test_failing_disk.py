"""A disk that refuses: alerts go all the same, and only what it has is called heard."""

from __future__ import annotations

from tests.box.driven import DrivenBox
from tests.box.peers import Bip
from vigibip.box.config import BoxSettings
from vigibip.box.faults import FaultCode
from vigibip.wire import frame

HEARD, DELIVERED, COMING = frame.STATE_HEARD, frame.STATE_DELIVERED, frame.STATE_COMING
NOT_REACHED = frame.STATE_NOT_REACHED


async def test_an_answer_that_the_disk_refuses_is_not_acknowledged(
    box: DrivenBox, bip: Bip
) -> None:
    alert = await box.press(bip)
    box.break_disk()
    box.sql("CREATE TRIGGER r2 BEFORE UPDATE ON alerts BEGIN SELECT RAISE(ABORT, 'no'); END")
    box.carrier.answer(1, alert)
    await box.settle()
    assert box.carrier.acknowledged == []
    assert await box.state(bip, 1) == COMING
    box.mend_disk()
    box.sql("DROP TRIGGER r2")
    await box.clock.advance(60)
    box.carrier.answer(1, alert)
    await box.settle()
    assert box.carrier.acknowledged == [1]


async def test_without_a_disk_an_alert_goes_and_only_heard_is_withheld(
    box: DrivenBox, bip: Bip
) -> None:
    box.break_disk()
    alert = await box.press(bip)
    assert box.carrier.take() == [alert]
    assert box.link.states(bip) == []
    assert await box.state(bip, 1) == frame.STATE_NONE
    assert FaultCode.STORAGE in box.codes()
    await box.clock.advance(10)
    assert box.link.states(bip)[-1] == frame.STATE_NONE
    box.mend_disk()
    await box.clock.advance(10)
    assert box.link.states(bip)[-1] == HEARD
    assert FaultCode.STORAGE not in box.codes()
    assert box.sql("SELECT press FROM alerts") == [(1,)]


async def test_heard_after_the_plans_time_is_not_reached_at_once(box: DrivenBox, bip: Bip) -> None:
    box.break_disk()
    await box.press(bip)
    await box.clock.advance(45)
    box.mend_disk()
    await box.clock.advance(60)
    assert await box.state(bip, 1) == NOT_REACHED


async def test_without_a_disk_the_posts_receipt_still_says_delivered(
    box: DrivenBox, bip: Bip
) -> None:
    box.break_disk()
    alert = await box.press(bip)
    box.carrier.receipt(alert)
    assert await box.state(bip, 1) == DELIVERED
    box.mend_disk()
    await box.clock.advance(60)
    assert box.sql("SELECT state FROM alerts") == [("delivered",)]


async def test_without_a_disk_a_refused_alert_is_not_told_as_heard_and_not_reached(
    box: DrivenBox, bip: Bip
) -> None:
    box.break_disk()
    alert = await box.press(bip)
    box.carrier.receipt(alert, "refused", "unknown device")
    await box.settle()
    assert await box.state(bip, 1) == frame.STATE_NONE
    await box.hear(bip, bip.press(press=1))
    assert set(box.link.states(bip)) == {frame.STATE_NONE}
    box.mend_disk()
    await box.clock.advance(60)
    assert await box.state(bip, 1) == NOT_REACHED
    assert box.sql("SELECT state FROM alerts") == [("parked",)]


async def test_a_box_that_starts_on_a_broken_disk_still_carries_alerts(
    settings: BoxSettings, bip: Bip
) -> None:
    in_the_way = settings.store_path.with_name("box.sqlite-shm")
    in_the_way.mkdir()
    box = DrivenBox(settings)
    box.carrier.up = True
    await box.start()
    alert = await box.press(bip)
    assert box.carrier.take() == [alert]
    assert box.link.sent == []
    assert FaultCode.STORAGE in box.codes()
    in_the_way.rmdir()
    await box.clock.advance(10)
    # The bip goes on sending until it hears; the first reply had no counter to be sealed with.
    await box.hear(bip, bip.press(press=1, age_s=10))
    assert box.link.states(bip)[-1] == HEARD
    assert FaultCode.STORAGE not in box.codes()
    await box.daemon.stop()
