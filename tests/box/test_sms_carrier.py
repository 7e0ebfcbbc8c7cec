"""Alerts by SMS: when they go, what they say, and what of the answers is believed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.box.peers import Bip
from tests.box.sms_town import OFFICER, POST_NUMBERS, SmsBox, enrol_by_hand
from vigibip.alert.ids import AlertId
from vigibip.alert.sms_form import SmsKind
from vigibip.box.config import BoxSettings
from vigibip.box.faults import FaultCode
from vigibip.sms.lanes import Lane
from vigibip.wire import frame

HEARD, DELIVERED, COMING = frame.STATE_HEARD, frame.STATE_DELIVERED, frame.STATE_COMING
NOT_REACHED, UNANSWERED = frame.STATE_NOT_REACHED, frame.STATE_UNANSWERED


@pytest.fixture
async def box(sms_settings: BoxSettings, bip: Bip) -> AsyncIterator[SmsBox]:
    """A box with a modem that works and contacts; data is down."""
    box = SmsBox(sms_settings)
    await box.start()
    await box.give_contacts()
    yield box
    await box.daemon.stop()


async def test_with_data_known_to_be_down_an_sms_goes_at_once(box: SmsBox, bip: Bip) -> None:
    alert = await box.press(bip, age_s=4)
    ((sms, message),) = box.read()
    assert sms.to == POST_NUMBERS[0]
    assert sms.lane is Lane.ALERT
    # At nine by UTC.
    assert sms.text.startswith("ALERTE Tabac du Centre, 12 rue des Lilas, appui de 09h59 #")
    assert message.alerts == (AlertId.parse(alert),)
    assert (message.age_s, message.written_s) == (4, int(box.clock.utc().timestamp()))
    await box.post_says(SmsKind.RECEIPT, alert)
    assert await box.state(bip, 1) == DELIVERED
    await box.post_says(SmsKind.COMING, alert, answers=1)
    assert await box.state(bip, 1) == COMING
    await box.clock.advance(4000)
    assert box.alerts() == []


async def test_behind_a_data_that_works_an_sms_has_nothing_to_do(box: SmsBox, bip: Bip) -> None:
    box.carrier.connect()
    alert = await box.press(bip)
    await box.clock.advance(2.9)
    box.carrier.receipt(alert)
    await box.clock.advance(4000)
    assert box.alerts() == []


async def test_data_that_fell_unnoticed_costs_three_seconds(box: SmsBox, bip: Bip) -> None:
    box.carrier.connect()
    alert = await box.press(bip)
    assert box.carrier.take() == [alert]
    await box.clock.advance(2.9)
    assert box.alerts() == []
    await box.clock.advance(0.2)
    (message,) = box.alerts()
    assert message.age_s == 3


async def test_data_that_falls_within_the_three_seconds_is_not_waited_for(
    box: SmsBox, bip: Bip
) -> None:
    box.carrier.connect()
    await box.press(bip)
    await box.clock.advance(1)
    box.carrier.lose()
    await box.settle()
    assert len(box.alerts()) == 1


async def test_without_a_receipt_the_next_number_has_it_at_the_steps(box: SmsBox, bip: Bip) -> None:
    await box.press(bip)
    went = []
    for _ in range(4000):
        went += [(box.clock.monotonic_s(), sms.to, one.sequence) for sms, one in box.read()]
        await box.clock.advance(1)
    first, second = POST_NUMBERS
    assert [round(at_s / 10) * 10 for at_s, _, _ in went] == [0, 60, 300, 900, 2700]
    assert [to for _, to, _ in went] == [first, second, first, second, first]
    assert len({sequence for _, _, sequence in went}) == 5


async def test_data_that_comes_back_has_the_alert_and_the_modem_gives_it_back(
    box: SmsBox, bip: Bip
) -> None:
    box.sms.held = True
    alert = await box.press(bip)
    assert [sms.key for _, sms in box.sms.queue] == [f"alert:{alert}"]
    box.carrier.connect()
    assert box.carrier.take() == [alert]
    box.carrier.receipt(alert)
    await box.settle()
    assert box.sms.queue == []
    assert await box.state(bip, 1) == DELIVERED


@pytest.mark.parametrize("first", ["data", "sms"])
@pytest.mark.parametrize("between_s", [0, 2, 3600])
async def test_two_receipts_by_two_paths_are_one(
    box: SmsBox, bip: Bip, first: str, between_s: float
) -> None:
    box.carrier.connect()
    alert = await box.press(bip)
    await box.clock.advance(3.5)
    box.sms.take()
    if first == "data":
        box.carrier.receipt(alert)
        await box.clock.advance(between_s)
        await box.post_says(SmsKind.RECEIPT, alert)
    else:
        await box.post_says(SmsKind.RECEIPT, alert)
        await box.clock.advance(between_s)
        box.carrier.receipt(alert)
    await box.settle()
    assert box.sql("SELECT count(*), min(receipt) FROM alerts") == [(1, "accepted")]
    box.carrier.take()
    await box.clock.advance(7200)
    assert box.carrier.take() == []
    assert box.alerts() == []


async def test_a_receipt_names_several_alerts_and_a_refusal_parks(box: SmsBox, bip: Bip) -> None:
    alerts = [await box.press(bip) for _ in range(3)]
    await box.post_says(SmsKind.RECEIPT, *alerts[:2])
    await box.post_says(SmsKind.REFUSAL, alerts[2])
    assert box.sql("SELECT receipt FROM alerts ORDER BY number") == [
        ("accepted",),
        ("accepted",),
        ("refused",),
    ]
    assert FaultCode.REFUSED in box.codes()


async def test_unanswered_comes_by_sms_too_and_never_after_coming(box: SmsBox, bip: Bip) -> None:
    alert = await box.press(bip)
    await box.post_says(SmsKind.RECEIPT, alert)
    await box.post_says(SmsKind.UNANSWERED, alert, answers=5)
    assert await box.state(bip, 1) == UNANSWERED
    await box.post_says(SmsKind.COMING, alert, answers=6)
    await box.post_says(SmsKind.UNANSWERED, alert, answers=5)
    assert await box.state(bip, 1) == COMING
    # An answer by SMS is acknowledged by nothing: the post asks again over data.
    assert box.read()[1:] == []


async def test_a_report_of_delivery_proves_nothing(box: SmsBox, bip: Bip) -> None:
    await box.press(bip)
    (sms,) = box.sms.take()
    assert sms.report
    box.sms.report(sms, True)
    await box.settle()
    assert await box.state(bip, 1) == HEARD
    assert box.told["counts"]["reported_delivered"] == 1
    await box.clock.advance(31)
    assert await box.state(bip, 1) == NOT_REACHED


async def test_what_the_modem_gives_up_goes_to_the_other_number_soon(box: SmsBox, bip: Bip) -> None:
    box.sms.held = True
    await box.press(bip)
    box.sms.fail("number-rejected", retry=False)
    await box.clock.advance(9)
    assert box.sms.queue == []
    await box.clock.advance(2)
    assert [sms.to for _, sms in box.sms.queue] == [POST_NUMBERS[1]]
    for _ in range(6):
        box.sms.fail("congested", retry=True)
        await box.clock.advance(11)
    # Then it waits for its step: a modem that refuses everything is not hammered.
    assert box.told["counts"]["failed"] <= 5


async def test_a_modem_that_is_lost_and_comes_back_sends_with_the_age_of_now(
    box: SmsBox, bip: Bip
) -> None:
    box.sms.held = True
    await box.press(bip)
    box.sms.go_down("no-sim")
    await box.clock.advance(600)
    assert box.codes() >= {FaultCode.MODEM}
    box.sms.go_up()
    await box.settle()
    assert len(box.sms.queue) == 1
    box.sms.held = False
    await box.settle()
    (message,) = box.alerts()
    assert message.age_s == 600
    assert FaultCode.MODEM not in box.codes()


@pytest.mark.parametrize("state", ["searching", "denied"])
async def test_a_modem_that_may_be_wrong_about_its_network_is_tried(
    box: SmsBox, bip: Bip, state: str
) -> None:
    box.sms.go_down(state)
    box.sms.held = True
    alert = await box.press(bip)
    assert [sms.key for _, sms in box.sms.queue] == [f"alert:{alert}"]
    for _ in range(6):
        box.sms.fail("searching", retry=True)
        await box.clock.advance(11)
    # A network that is there after all has what was tried in vain, at once.
    box.sms.queue.clear()
    box.sms.go_up()
    assert [sms.key for _, sms in box.sms.queue] == [f"alert:{alert}"]
    assert FaultCode.SMS_UNPROVEN not in box.codes()


async def test_a_modem_that_begins_to_search_after_the_press_is_tried_too(
    box: SmsBox, bip: Bip
) -> None:
    box.sms.go_down("starting")
    box.sms.held = True
    alert = await box.press(bip)
    assert box.sms.queue == []
    box.sms.state = "searching"
    await box.clock.advance(31)
    assert [sms.key for _, sms in box.sms.queue] == [f"alert:{alert}"]


async def test_a_box_that_starts_again_and_again_keeps_to_the_pauses(box: SmsBox, bip: Bip) -> None:
    alert = await box.press(bip)
    went = [box.clock.monotonic_s() for _ in box.alerts()]
    for _ in range(90):
        await box.restart()
        await box.clock.advance(20)
        went += [box.clock.monotonic_s() for _ in box.alerts()]
    # 1800 s: a minute after the first, then 4, 10 and 30 minutes, each time by the run that is
    # there when the pause is over.
    assert [round(at_s / 60) for at_s in went] == [0, 1, 5, 15]
    # A press that is new has no pause.
    second = await box.press(bip)
    assert [str(one.alerts[0]) for one in box.alerts()] == [second]
    await box.post_says(SmsKind.RECEIPT, alert)
    assert box.sql("SELECT count(*) FROM sms_left") == [(2,)]
    await box.press(bip)
    assert box.sql("SELECT count(*) FROM sms_left") == [(2,)]


async def test_what_had_not_left_before_a_restart_goes_at_once(box: SmsBox, bip: Bip) -> None:
    box.sms.held = True
    alert = await box.press(bip)
    box.sms.queue.clear()
    await box.restart()
    await box.clock.advance(5)
    assert [sms.key for _, sms in box.sms.queue] == [f"alert:{alert}"]


async def test_what_waits_in_the_modem_keeps_its_turn(box: SmsBox, bip: Bip) -> None:
    box.sms.held = True
    first = await box.press(bip)
    await box.clock.advance(50)
    second = await box.press(bip)
    # The first one's pause is over: told with its age of now, and it has not lost its place.
    await box.clock.advance(15)
    keys = [(sms.key, sms.to) for _, sms in box.sms.queue]
    assert keys == [(f"alert:{first}", POST_NUMBERS[0]), (f"alert:{second}", POST_NUMBERS[0])]
    box.sms.held = False
    await box.settle()
    assert [message.age_s for message in box.alerts()] == [60, 0]


async def test_what_a_short_absence_held_up_is_written_anew(box: SmsBox, bip: Bip) -> None:
    box.sms.held = True
    await box.press(bip)
    box.sms.go_down("searching")
    await box.clock.advance(30)
    box.sms.go_up()
    box.sms.held = False
    await box.settle()
    (message,) = box.alerts()
    assert message.age_s == 30


async def test_what_the_modem_had_in_hand_speaks_for_no_newer_one(box: SmsBox, bip: Bip) -> None:
    box.sms.held = True
    await box.press(bip)
    ((ticket, sms),) = box.sms.queue
    box.sms.go_down("hung")
    box.sms.go_up()
    (newer,) = box.sms.queue
    assert newer[0] != ticket
    # Its failure is told after the newer one was submitted: that one has not failed.
    box.sms.fail_one(ticket, sms)
    await box.clock.advance(15)
    assert box.sms.queue == [newer]


async def test_an_answer_that_overtakes_the_receipt_takes_nothing_back(
    box: SmsBox, bip: Bip
) -> None:
    box.sms.held = True
    alert = await box.press(bip)
    await box.post_says(SmsKind.COMING, alert, answers=1)
    assert [sms.key for _, sms in box.sms.queue] == [f"alert:{alert}"]
    await box.post_says(SmsKind.RECEIPT, alert)
    assert box.sms.queue == []


async def test_a_sim_that_is_lost_while_an_alert_waits_holds_no_data_up(
    box: SmsBox, bip: Bip
) -> None:
    box.sms.go_down("no-sim")
    alert = await box.press(bip)
    box.carrier.connect()
    assert box.carrier.take() == [alert]
    box.carrier.receipt(alert)
    await box.settle()
    assert await box.state(bip, 1) == DELIVERED
    box.sms.go_up()
    await box.clock.advance(4000)
    assert box.alerts() == []


async def test_data_has_every_press_before_the_modem(box: SmsBox, bip: Bip) -> None:
    order = []
    box.carrier.connect()
    sending, submitting = box.carrier.send, box.sms.submit
    box.carrier.send = lambda alert: order.append("data") or sending(alert)  # type: ignore[assignment, func-returns-value, method-assign]
    box.sms.submit = lambda sms: order.append("sms") or submitting(sms)  # type: ignore[assignment, func-returns-value, method-assign]
    for _ in range(5):
        await box.press(bip)
        assert set(order) == {"data"}
    await box.clock.advance(3.1)
    assert order.count("sms") == 5


async def test_without_contacts_no_sms_goes_and_with_them_what_waits_does(
    sms_settings: BoxSettings, bip: Bip
) -> None:
    box = SmsBox(sms_settings)
    await box.start()
    alert = await box.press(bip)
    assert box.sms.queue == []
    assert box.alerts() == []
    await box.give_contacts()
    assert [str(one.alerts[0]) for one in box.alerts()] == [alert]
    await box.daemon.stop()


async def test_contacts_outlive_a_restart_and_their_edition_is_told(box: SmsBox, bip: Bip) -> None:
    box.carrier.connect()
    await box.clock.advance(61)
    assert box.carrier.statuses[-1].contacts_edition == 1
    await box.restart()
    box.carrier.connect()
    await box.clock.advance(2)
    assert box.carrier.statuses[-1].contacts_edition == 1
    box.carrier.lose()
    await box.press(bip)
    assert len(box.alerts()) == 1


async def test_an_older_edition_of_the_contacts_changes_nothing(box: SmsBox, bip: Bip) -> None:
    box.carrier.say_contacts(box.contacts(3, post_numbers=[POST_NUMBERS[1]]))
    box.carrier.say_contacts(box.contacts(2, post_numbers=[OFFICER]))
    await box.settle()
    assert box.told["contacts_edition"] == 3
    await box.press(bip)
    ((sms, _),) = box.read()
    assert sms.to == POST_NUMBERS[1]


async def test_a_new_enrolment_keeps_nothing_of_the_old_one(box: SmsBox, bip: Bip) -> None:
    await box.press(bip)
    await box.daemon.stop()
    enrol_by_hand(box.settings, up_key=bytes(32))
    other = SmsBox(box.settings)
    await other.start()
    assert other.told["contacts_edition"] == 0
    assert other.sms.queue == []
    assert other.sms.left == []
    await other.daemon.stop()
    enrol_by_hand(box.settings)
    # The fixture stops this one.
    box.daemon = box._build()
    await box.start()
    assert box.told["contacts_edition"] == 1


async def test_an_hour_of_presses_without_data_goes_in_order_a_few_at_a_time(
    sms_settings: BoxSettings, bip: Bip
) -> None:
    box = SmsBox(sms_settings)
    box.sms.up = False
    await box.start()
    await box.give_contacts()
    pressed = []
    for _ in range(6):
        pressed.append(await box.press(bip))
        await box.clock.advance(600)
    box.sms.go_up()
    await box.settle()
    came = [str(one.alerts[0]) for one in box.alerts()]
    assert came == pressed[: len(came)]
    assert 0 < len(came) < 6
    for _ in range(20):
        for alert in list(came):
            await box.post_says(SmsKind.RECEIPT, alert)
        await box.clock.advance(5)
        came += [str(one.alerts[0]) for one in box.alerts()]
    assert came == pressed
    await box.daemon.stop()


async def test_the_stamps_tell_when_an_sms_left(box: SmsBox, bip: Bip) -> None:
    box.sms.held = True
    alert = await box.press(bip)
    assert "box.sms_sent" not in box.stages
    box.sms.flush()
    await box.post_says(SmsKind.RECEIPT, alert)
    wanted = ["box.opened", "box.published", "box.stored", "box.sms_sent", "box.receipt"]
    assert [stage for stage in box.stages if stage in wanted] == wanted


async def test_the_path_is_told(box: SmsBox, bip: Bip) -> None:
    told = box.told
    assert told["up"] is True
    assert told["post_numbers"] == 2
    assert told["officer"] is False
    assert told["modem"]["technology"] == "LTE"
    carriers = {one["name"]: one["up"] for one in box.daemon.description()["carriers"]}
    assert carriers == {"data": False, "sms": True}
    assert all(number not in str(told) for number in POST_NUMBERS)
