"""Which alert leaves when, what ends its wait, and what the bip is told meanwhile."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.box.driven import DrivenBox
from tests.box.peers import Bip
from vigibip.base.errors import StorageError
from vigibip.box.config import BoxSettings
from vigibip.box.faults import FaultCode
from vigibip.box.pairing import pair_device
from vigibip.wire import frame

HEARD, DELIVERED, COMING = frame.STATE_HEARD, frame.STATE_DELIVERED, frame.STATE_COMING
NOT_REACHED, UNANSWERED = frame.STATE_NOT_REACHED, frame.STATE_UNANSWERED


@pytest.fixture
def bips(settings: BoxSettings) -> list[Bip]:
    """Five bips that are paired."""
    bips = [Bip(0x100 + number, bytes([number] * 16)) for number in range(1, 6)]
    for bip in bips:
        pair_device(settings, f"{bip.device_id:08x}", "comptoir", bip.key.hex())
    return bips


@pytest.fixture
async def offline(settings: BoxSettings, bips: list[Bip]) -> AsyncIterator[DrivenBox]:
    """A box that knows `bips` and whose carrier is down."""
    box = DrivenBox(settings)
    await box.start()
    yield box
    await box.daemon.stop()


async def press_many(box: DrivenBox, bips: list[Bip], count: int, every_s: float) -> list[str]:
    pressed = []
    for bip in itertools.islice(itertools.cycle(bips), count):
        pressed.append(await box.press(bip))
        await box.clock.advance(every_s)
    return pressed


async def take_all(box: DrivenBox) -> list[str]:
    """Give receipts, as a post would, until nothing more comes; return what came, in order."""
    came: list[str] = []
    while arrived := box.carrier.take():
        came += arrived
        for alert in arrived:
            box.carrier.receipt(alert)
        await box.settle()
    return came


async def test_after_an_hour_without_network_a_fresh_press_overtakes_the_backlog(
    offline: DrivenBox, bips: list[Bip]
) -> None:
    box = offline
    pressed = await press_many(box, bips, 20, every_s=60)
    await box.clock.advance(3600)
    box.carrier.connect()
    assert box.carrier.in_flight == box.settings.queue.backlog_in_flight
    fresh = await box.press(bips[0])
    assert box.carrier.sent[-1].alert == fresh
    came = await take_all(box)
    assert came.index(fresh) == box.settings.queue.backlog_in_flight
    came.remove(fresh)
    assert came == pressed
    await box.clock.advance(600)
    assert box.carrier.take() == []


async def test_what_is_under_two_minutes_old_at_reconnection_goes_first(
    offline: DrivenBox, bips: list[Bip]
) -> None:
    old = await press_many(offline, bips, 12, every_s=60)
    young = [await offline.press(bips[3]), await offline.press(bips[4])]
    await offline.clock.advance(61)
    offline.carrier.connect()
    came = await take_all(offline)
    # The last of the twelve is 121 s old.
    assert came == young + old


async def test_the_age_that_is_told_grows_while_an_alert_waits(
    offline: DrivenBox, bips: list[Bip]
) -> None:
    await offline.press(bips[0], age_s=40)
    await offline.hear(bips[1], bips[1].press(age_s=frame.AGE_UNKNOWN))
    await offline.clock.advance(300)
    await offline.restart()
    await offline.clock.advance(60)
    offline.carrier.connect()
    assert [alert.age_s for alert in offline.carrier.sent] == [400, None]


async def test_an_age_is_not_invented_when_the_clock_was_not_known(
    settings: BoxSettings, bips: list[Bip]
) -> None:
    box = DrivenBox(settings)
    await box.start()
    await box.daemon.stop()
    # The box comes back without its clock: two years behind.
    box.clock._start_utc -= timedelta(days=730)
    box.daemon = box._build()
    await box.start()
    await box.press(bips[0], age_s=5)
    await box.daemon.stop()
    box.clock._start_utc += timedelta(days=730)
    box.daemon = box._build()
    await box.start()
    box.carrier.connect()
    assert [alert.age_s for alert in box.carrier.sent] == [None]
    await box.daemon.stop()


async def test_alerts_that_the_post_never_answers_stop_nobody(
    offline: DrivenBox, bips: list[Bip]
) -> None:
    pressed = await press_many(offline, bips, 20, every_s=60)
    await offline.clock.advance(120)
    poisoned = set(pressed[:8])
    offline.carrier.connect()
    served: list[str] = []
    for _ in range(30):
        for alert in offline.carrier.take():
            if alert not in poisoned:
                served.append(alert)
                offline.carrier.receipt(alert)
        await offline.clock.advance(1)
    assert served == pressed[8:]
    for alert in poisoned:
        offline.carrier.receipt(alert)
    await offline.clock.advance(600)
    offline.carrier.take()
    await offline.clock.advance(600)
    assert offline.carrier.take() == []


async def test_a_missing_receipt_is_asked_for_again_with_patience(box: DrivenBox, bip: Bip) -> None:
    await box.press(bip)
    seen = Counter[int]()
    for second in range(600):
        seen[second // 60] += len(box.carrier.take())
        await box.clock.advance(1)
    assert seen[0] >= 4
    assert all(1 <= seen[minute] <= 2 for minute in range(2, 10))
    assert await box.state(bip, 1) == NOT_REACHED


async def test_a_new_connection_sends_what_waits_once(box: DrivenBox, bip: Bip) -> None:
    alert = await box.press(bip)
    box.carrier.lose()
    box.carrier.take()
    box.carrier.connect()
    assert box.carrier.take() == [alert]


async def test_receipts_may_come_late_twice_or_for_nothing(box: DrivenBox, bip: Bip) -> None:
    alert = await box.press(bip)
    await box.clock.advance(31)
    assert await box.state(bip, 1) == NOT_REACHED
    for _ in range(3):
        box.carrier.receipt(alert)
        box.carrier.receipt("00000000ffffffff")
        box.carrier.receipt(alert, "refused", "too late to say no")
    await box.settle()
    assert await box.state(bip, 1) == DELIVERED
    assert box.sql("SELECT state, receipt FROM alerts") == [("delivered", "accepted")]
    assert not box.codes()
    box.carrier.take()
    await box.clock.advance(600)
    assert box.carrier.take() == []


async def test_a_refused_alert_is_parked_told_and_in_nobodys_way(box: DrivenBox, bip: Bip) -> None:
    refused = await box.press(bip)
    box.carrier.receipt(refused, "refused", "unknown device")
    assert await box.state(bip, 1) == NOT_REACHED
    assert FaultCode.REFUSED in box.codes()
    await box.press(bip)
    await box.restart()
    assert refused not in box.carrier.take()[1:]
    # A person mended it at the post, which takes it after all.
    box.carrier.receipt(refused)
    await box.settle()
    assert await box.state(bip, 1) == DELIVERED
    assert FaultCode.REFUSED not in box.codes()


async def test_the_plans_times(box: DrivenBox, bip: Bip) -> None:
    alert = await box.press(bip)
    await box.clock.advance(29.9)
    assert await box.state(bip, 1) == HEARD
    await box.clock.advance(0.1)
    assert await box.state(bip, 1) == NOT_REACHED
    box.carrier.receipt(alert)
    assert await box.state(bip, 1) == DELIVERED
    await box.clock.advance(179.9)
    assert await box.state(bip, 1) == DELIVERED
    await box.clock.advance(0.1)
    assert await box.state(bip, 1) == UNANSWERED
    box.carrier.answer(1, alert)
    assert await box.state(bip, 1) == COMING
    await box.clock.advance(3600)
    assert await box.state(bip, 1) == COMING


async def test_the_plans_times_go_on_after_a_restart(box: DrivenBox, bip: Bip) -> None:
    alert = await box.press(bip)
    await box.clock.advance(20)
    await box.restart()
    await box.clock.advance(10)
    assert await box.state(bip, 1) == NOT_REACHED
    box.carrier.receipt(alert)
    await box.clock.advance(100)
    await box.restart()
    await box.clock.advance(80)
    assert await box.state(bip, 1) == UNANSWERED


async def test_an_answer_is_acknowledged_once_it_is_on_the_disk_and_each_time(
    box: DrivenBox, bip: Bip
) -> None:
    alert = await box.press(bip)
    box.carrier.receipt(alert)
    box.carrier.answer(1, alert)
    assert box.carrier.acknowledged == []
    await box.settle()
    assert box.carrier.acknowledged == [1]
    assert box.sql("SELECT state, answer_sequence FROM alerts") == [("coming", 1)]
    box.carrier.answer(1, alert)
    await box.settle()
    assert box.carrier.acknowledged == [1, 1]


async def test_unanswered_is_told_by_the_post_too_and_never_after_coming(
    box: DrivenBox, bip: Bip
) -> None:
    alert = await box.press(bip)
    box.carrier.receipt(alert)
    box.carrier.answer(1, alert, state="unanswered")
    assert await box.state(bip, 1) == UNANSWERED
    box.carrier.answer(2, alert)
    assert await box.state(bip, 1) == COMING
    box.carrier.answer(3, alert, state="unanswered")
    assert await box.state(bip, 1) == COMING
    assert box.carrier.acknowledged == [1, 2, 3]


async def test_an_answer_may_come_before_the_receipt(box: DrivenBox, bip: Bip) -> None:
    alert = await box.press(bip)
    box.carrier.answer(1, alert)
    assert await box.state(bip, 1) == COMING
    # Only the receipt ends its wait.
    box.carrier.take()
    await box.clock.advance(7)
    assert box.carrier.take() == [alert]
    box.carrier.receipt(alert)
    assert await box.state(bip, 1) == COMING


async def test_an_answer_to_a_press_that_is_not_known_yet(box: DrivenBox, bip: Bip) -> None:
    box.carrier.answer(1, bip.alert_id(1))
    assert box.carrier.acknowledged == []
    await box.settle()
    assert box.carrier.acknowledged == [1]
    # What was acknowledged is on the disk.
    await box.restart()
    await box.press(bip)
    assert box.link.states(bip) == [COMING]
    assert box.sql("SELECT count(*) FROM early_answers") == [(0,)]


async def test_of_two_early_answers_the_newer_one_holds(box: DrivenBox, bip: Bip) -> None:
    box.carrier.answer(9, bip.alert_id(1))
    box.carrier.answer(8, bip.alert_id(1), state="unanswered")
    await box.settle()
    assert box.carrier.acknowledged == [9, 8]
    await box.press(bip)
    assert await box.state(bip, 1) == COMING


async def test_an_early_answer_that_the_disk_refuses_is_not_acknowledged(
    box: DrivenBox, bip: Bip
) -> None:
    known = await box.press(bip)
    box.sql("CREATE TRIGGER r BEFORE INSERT ON early_answers BEGIN SELECT RAISE(ABORT, 'no'); END")
    box.carrier.answer(1, known, bip.alert_id(2))
    await box.settle()
    assert box.carrier.acknowledged == []
    assert FaultCode.STORAGE in box.codes()
    box.sql("DROP TRIGGER r")
    # The disk is well again, and that shows without another alert.
    await box.clock.advance(60)
    assert FaultCode.STORAGE not in box.codes()
    box.carrier.answer(1, known, bip.alert_id(2))
    await box.settle()
    assert box.carrier.acknowledged == [1]


async def test_an_answer_to_nobodys_press_is_acknowledged_and_not_kept(box: DrivenBox) -> None:
    # No bip of this id may speak here, so none can ever bring the press.
    box.carrier.answer(1, "00000bad00000001")
    await box.settle()
    assert box.carrier.acknowledged == [1]
    assert box.sql("SELECT count(*) FROM early_answers") == [(0,)]


async def test_early_answers_are_bounded_and_the_newest_are_kept(box: DrivenBox, bip: Bip) -> None:
    for sequence in range(1, 301):
        box.carrier.answer(sequence, bip.alert_id(sequence))
    await box.settle()
    assert box.carrier.acknowledged == list(range(1, 301))
    kept = box.sql("SELECT count(*), min(sequence) FROM early_answers")
    assert kept == [(256, 45)]
    await box.restart()
    await box.hear(bip, bip.press(counter=44), bip.press(counter=45))
    assert box.link.states(bip) == [HEARD, COMING]


async def test_what_the_bip_feels_is_about_the_press_that_it_asks_about(
    box: DrivenBox, bip: Bip
) -> None:
    first = await box.press(bip)
    box.carrier.receipt(first)
    box.carrier.answer(1, first)
    await box.settle()
    await box.clock.advance(2)
    # Pressed again at once: nothing of the first press's way is told for the second.
    second = await box.press(bip)
    pressed_again = bip.counter
    assert box.link.states(bip, pressed_again) == [HEARD]
    await box.hear(bip, bip.press(press=pressed_again, age_s=1))
    assert box.link.states(bip)[-1] == HEARD
    assert await box.state(bip, pressed_again) == HEARD
    assert await box.state(bip, 1) == COMING
    replies = [bip.read_reply(sealed) for _, sealed in box.link.sent]
    assert {one.state for one in replies if one.press == pressed_again} == {HEARD}
    box.carrier.receipt(second)
    assert await box.state(bip, pressed_again) == DELIVERED


@pytest.mark.parametrize("refused", [False, True])
async def test_unanswered_proves_that_the_post_has_it_and_is_no_receipt(
    box: DrivenBox, bip: Bip, refused: bool
) -> None:
    alert = await box.press(bip)
    await box.clock.advance(31)
    if refused:
        box.carrier.receipt(alert, "refused", "unknown device")
    assert await box.state(bip, 1) == NOT_REACHED
    box.carrier.answer(1, alert, state="unanswered")
    assert await box.state(bip, 1) == UNANSWERED
    box.carrier.take()
    await box.clock.advance(60)
    assert set(box.carrier.take()) == (set() if refused else {alert})
    box.carrier.receipt(alert)
    assert await box.state(bip, 1) == UNANSWERED
    await box.clock.advance(60)
    assert box.carrier.take() == []


async def test_the_post_is_told_how_the_box_is(box: DrivenBox, bip: Bip) -> None:
    await box.clock.advance(60)
    assert [status.uptime_s for status in box.carrier.statuses] == [1, 60]
    assert [status.faults for status in box.carrier.statuses] == [[], []]
    await box.press(bip)
    box.carrier.receipt(bip.alert_id(1), "refused", "no")
    await box.clock.advance(1)
    status = box.carrier.statuses[-1]
    assert status.faults == [f"refused:{bip.alert_id(1)}"]
    assert (status.queued, status.uptime_s) == (0, 61)


async def test_a_flood_of_refusals_hides_no_fault_of_the_box_itself(
    box: DrivenBox, bip: Bip
) -> None:
    for _ in range(60):
        box.carrier.receipt(await box.press(bip), "refused", "no")
    await box.settle()
    box.break_disk()
    await box.press(bip)
    assert FaultCode.STORAGE in box.codes()
    await box.clock.advance(60)
    assert "storage" in box.carrier.statuses[-1].faults
    box.mend_disk()


async def test_an_absurd_age_never_stops_an_alert(box: DrivenBox, bip: Bip) -> None:
    await box.hear(bip, bip.press(age_s=frame.AGE_UNKNOWN - 1))
    box.carrier.take()
    await box.clock.advance(10)
    assert [alert.age_s for alert in box.carrier.sent] == [frame.AGE_UNKNOWN]


async def test_two_boxes_never_share_a_store(box: DrivenBox, settings: BoxSettings) -> None:
    with pytest.raises(StorageError, match="already"):
        await DrivenBox(settings).start()
