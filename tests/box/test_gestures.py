"""What a hand says beyond its press: told to the post, kept, and never a reason to stop."""

from __future__ import annotations

import logging

import pytest

from tests.box.driven import DrivenBox
from tests.box.peers import Bip
from vigibip.alert.messages import Alert
from vigibip.wire import frame

WITHDRAWN, DURESS = frame.WITHDRAWN, frame.DURESS


def said(alert: Alert) -> tuple[int, str | None, int | None]:
    return alert.severity, alert.mark, alert.mark_age_s


async def test_a_severity_goes_with_the_press_itself(box: DrivenBox, bip: Bip) -> None:
    await box.hear(bip, bip.press(gesture=2))
    (alert,) = box.carrier.sent
    assert said(alert) == (2, None, None)
    box.carrier.receipt(bip.alert_id(1), severity=2)
    await box.clock.advance(600)
    # Told once beside the lane's own: nothing is repeated behind the receipt.
    assert len(box.carrier.gestures) == 1


@pytest.mark.parametrize(("gesture", "mark"), [(WITHDRAWN, "withdrawn"), (DURESS, "duress")])
async def test_a_mark_is_told_until_the_post_repeats_it_and_stops_nothing(
    box: DrivenBox, bip: Bip, gesture: int, mark: str
) -> None:
    alert = await box.press(bip)
    box.carrier.receipt(alert)
    await box.hear(bip, bip.press(press=1, age_s=20, gesture=gesture, gesture_age_s=3))
    assert [said(one) for one in box.carrier.gestures] == [(0, mark, 3)]
    # A receipt of the first sending says nothing of the mark.
    box.carrier.receipt(alert)
    await box.clock.advance(5)
    assert [said(one) for one in box.carrier.gestures][1:] == [(0, mark, 8)]
    box.carrier.receipt(alert, mark=mark)
    await box.clock.advance(3600)
    assert len(box.carrier.gestures) == 2
    # The alert's life goes on as if there were none.
    assert await box.state(bip, 1) == frame.STATE_UNANSWERED
    box.carrier.answer(1, alert)
    assert await box.state(bip, 1) == frame.STATE_COMING


async def test_the_wait_for_a_receipt_goes_on_behind_a_withdrawal(box: DrivenBox, bip: Bip) -> None:
    alert = await box.press(bip)
    await box.hear(bip, bip.press(press=1, gesture=WITHDRAWN))
    box.carrier.take()
    await box.clock.advance(60)
    assert set(box.carrier.take()) == {alert}
    assert await box.state(bip, 1) == frame.STATE_NOT_REACHED


async def test_a_duress_is_not_hidden_by_a_withdrawal_before_or_behind_it(
    box: DrivenBox, bip: Bip
) -> None:
    await box.press(bip)
    for gesture in (WITHDRAWN, DURESS, WITHDRAWN, 1, 0):
        await box.hear(bip, bip.press(press=1, gesture=gesture))
    told = [said(one)[:2] for one in box.carrier.gestures]
    assert told == [(0, "withdrawn"), (0, "duress"), (1, "duress")]


async def test_a_gesture_is_answered_once_the_disk_has_it_and_never_lost(
    box: DrivenBox, bip: Bip
) -> None:
    alert = await box.press(bip)
    box.carrier.receipt(alert)
    await box.settle()
    box.sql("CREATE TRIGGER no BEFORE UPDATE ON alerts BEGIN SELECT RAISE(ABORT, 'no'); END")
    marked = bip.press(press=1, gesture=DURESS)
    await box.hear(bip, marked, marked)
    await box.hear(bip, marked)
    assert box.link.states(bip, answered=2) == []
    # The post is told all the same.
    assert [said(one)[1] for one in box.carrier.gestures] == ["duress"]
    box.sql("DROP TRIGGER no")
    await box.clock.advance(2)
    await box.hear(bip, marked)
    assert box.link.states(bip, answered=2) == [frame.STATE_DELIVERED]
    box.carrier.lose()
    box.carrier.gestures.clear()
    await box.restart()
    box.carrier.connect()
    await box.clock.advance(60)
    assert said(box.carrier.gestures[0]) == (0, "duress", None)
    box.carrier.receipt(alert, mark="duress")
    await box.settle()
    box.carrier.gestures.clear()
    await box.restart()
    await box.clock.advance(60)
    assert box.carrier.gestures == []


async def test_a_post_that_never_repeats_it_is_told_for_an_hour(box: DrivenBox, bip: Bip) -> None:
    box.carrier.receipt(await box.press(bip))
    await box.hear(bip, bip.press(press=1, gesture=WITHDRAWN))
    await box.clock.advance(3700)
    told = len(box.carrier.gestures)
    assert 30 < told < 80
    await box.clock.advance(3600)
    assert len(box.carrier.gestures) == told


async def test_nothing_in_the_shop_tells_a_duress_from_a_withdrawal(
    box: DrivenBox, bip: Bip, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    first, second = await box.press(bip), await box.press(bip)
    seen = []
    for press, gesture in ((1, WITHDRAWN), (2, DURESS)):
        caplog.clear()
        box.link.sent.clear()
        await box.hear(bip, bip.press(press=press, gesture=gesture))
        reply = bip.read_reply(box.link.sent[-1][1])
        lines = [line.replace(first, "").replace(second, "") for line in caplog.messages]
        seen.append((reply.state, reply.waiting, len(box.link.sent[-1][1]), lines, box.codes()))
    assert seen[0] == seen[1]
    told = str(box.daemon.description()) + str(await box.daemon._describe_bips({}))
    assert "duress'" not in told.replace("'duress': False", "")
