"""What the post says by SMS: together, once, to whom data does not reach, and no more than that."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.post.harness import until
from tests.post.sms_site import SmsBox, SmsSite
from vigibip.alert.sms_form import SmsKind
from vigibip.post.store.second_path import SecondPathStore
from vigibip.town.operator import OperatorWeather

PRESS = "00000001000000aa"
Build = Callable[..., SmsSite]


@pytest.fixture
async def build(tmp_path: Path) -> AsyncIterator[Build]:
    made: list[SmsSite] = []

    def one(**fields: object) -> SmsSite:
        made.append(SmsSite(tmp_path, **fields))  # type: ignore[arg-type]
        return made[-1]

    yield one
    for site in made:
        await site.close()


@pytest.fixture
async def town(build: Build) -> SmsSite:
    site = build()
    await site.start()
    return site


async def pressed(site: SmsSite, box: SmsBox, alert_id: str = PRESS) -> None:
    box.press(alert_id)
    await site.pass_sms()


async def answer(site: SmsSite) -> None:
    """An officer answers at the console."""
    for incident in await site.store.incidents(open_only=True):
        await site.store.answer_incident(incident.id, by="Alpha 1")
    await site.refresh()


async def test_coming_goes_once_and_stays_outstanding_until_data_acknowledges_it(
    town: SmsSite,
) -> None:
    box = await town.add_sms_box()
    await pressed(town, box)
    await answer(town)
    await town.pass_sms()
    (coming,) = box.of(SmsKind.COMING)
    (outstanding,) = await town.store.outstanding_messages()
    assert [str(alert) for alert in coming.alerts] == [PRESS]
    assert coming.answers == outstanding.sequence
    # The report says that the handset has it: that ends the repetition, and nothing else.
    await town.advance(400)
    assert len(box.heard) == 2
    assert await town.store.outstanding_messages() == [outstanding]
    await box.client.connect()
    await town.advance(60)
    await until(lambda: box.client.states == [("coming", (PRESS,))])
    await until(lambda: town.post is not None and not town.post.busy)
    assert await town.store.outstanding_messages() == []


async def test_coming_is_repeated_three_times_while_no_report_comes(build: Build) -> None:
    site = build(weather=OperatorWeather(report_lost=1.0))
    await site.start()
    box = await site.add_sms_box()
    await pressed(site, box)
    await answer(site)
    counts = []
    for step_s in (20, 60, 240, 600, 300):
        await site.advance(step_s)
        counts.append(len(box.of(SmsKind.COMING)))
    assert counts == [1, 2, 3, 4, 4]


async def test_data_that_lives_needs_no_sms(town: SmsSite) -> None:
    box = await town.add_sms_box(connect=True)
    box.client.press(PRESS)
    await until(lambda: PRESS in box.client.accepted)
    await answer(town)
    await until(lambda: box.client.states == [("coming", (PRESS,))])
    await town.pass_sms()
    assert box.handset.texts == []


async def test_data_that_comes_back_ends_the_telling_by_sms(build: Build) -> None:
    site = build(weather=OperatorWeather(report_lost=1.0))
    await site.start()
    box = await site.add_sms_box()
    await pressed(site, box)
    await answer(site)
    await site.pass_sms()
    await box.client.connect()
    await site.advance(100)
    await until(lambda: bool(box.client.states))
    said = len(box.heard)
    await site.advance(400)
    assert len(box.heard) == said


async def test_unanswered_goes_by_sms_only_where_that_is_set(build: Build) -> None:
    site = build(sms={"tell_unanswered": True})
    await site.start()
    box = await site.add_sms_box()
    await pressed(site, box)
    await site.advance(240)
    assert [str(one.alerts[0]) for one in box.of(SmsKind.UNANSWERED)] == [PRESS]


async def test_nobody_answering_costs_no_sms_by_default(town: SmsSite) -> None:
    box = await town.add_sms_box()
    await pressed(town, box)
    await town.advance(240)
    assert [one.kind for one in box.heard] == [SmsKind.RECEIPT]
    assert [one.state.value for one in await town.store.outstanding_messages()] == ["unanswered"]


async def test_receipts_that_have_not_left_go_together(town: SmsSite) -> None:
    box = await town.add_sms_box()
    alerts = [f"00000001000000{number:02x}" for number in range(16, 24)]
    for alert_id in alerts:
        town.bring(box.handset.number, box.alert_text(alert_id))
    await town.advance(60)
    assert sorted(one for batch in box.receipts for one in batch) == alerts
    assert max(len(batch) for batch in box.receipts) == 5
    assert len(box.receipts) <= 3


async def test_a_receipt_goes_by_the_modem_that_heard_or_by_another_that_is_up(
    build: Build,
) -> None:
    site = build(modems=2)
    await site.start()
    box = await site.add_sms_box()
    box.press(PRESS, modem=1)
    await site.pass_sms()
    assert [one.sender for one in box.handset.texts] == [site.numbers[1]]
    site.bring(box.handset.number, box.alert_text("00000001000000ab"), modem=1)
    await site.advance(0.5)
    # It fails before the receipt leaves.
    site.operator.detach(site.simulated[1])
    site.simulated[1].close()
    await site.advance(150)
    assert [one.sender for one in box.handset.texts][1:] == [site.numbers[0]]


async def test_a_restart_between_commit_and_receipt_costs_one_retry_of_the_box(
    town: SmsSite,
) -> None:
    box = await town.add_sms_box()
    box.press(PRESS)
    while not [stage for stage, _ in town.stamps if stage == "post.committed"]:
        await town.advance(0.1)
    await town.stop_post()
    await town.start_post()
    await town.pass_sms()
    assert (await town.store.incidents())[0].presses == 1
    had = len(box.receipts)
    box.press(PRESS, age_s=60)
    await town.pass_sms()
    assert len(box.receipts) == had + 1
    assert (await town.store.incidents())[0].presses == 1


async def test_coming_is_told_by_sms_after_a_restart_too(town: SmsSite) -> None:
    box = await town.add_sms_box()
    await pressed(town, box)
    await answer(town)
    await town.stop_post()
    before = len(box.of(SmsKind.COMING))
    await town.start_post()
    await town.advance(60)
    assert len(box.of(SmsKind.COMING)) == before + 1


async def test_twenty_boxes_without_data_take_three_sms_an_alert(build: Build) -> None:
    site = build(modems=2)
    await site.start()
    boxes = [await site.add_sms_box(f"Commerce {number}") for number in range(20)]
    for number, box in enumerate(boxes):
        box.press(f"000000{number:02x}00000001", modem=number % 2)
        await site.advance(0.5)
    await site.advance(60)
    incidents = await site.store.incidents(limit=100)
    assert sorted(one.presses for one in incidents) == [1] * 20
    assert [len(box.receipts) for box in boxes] == [1] * 20
    await answer(site)
    await site.advance(120)
    assert [len(box.of(SmsKind.COMING)) for box in boxes] == [1] * 20
    assert [len(box.heard) for box in boxes] == [2] * 20


async def test_a_modem_without_sim_is_told_with_advice_until_it_has_one(build: Build) -> None:
    site = build(modems=2)
    await site.start()
    assert site.post is not None
    fault = ("modem-sim", "modem-2")
    site.simulated[1].sim.present = False
    site.simulated[1].sim_changed()
    await site.advance(120)
    assert fault in site.post.faults
    assert [key for key in site.post.faults if key[0].startswith("modem")] == [fault]
    state, *advice = site.post.faults[fault].split(" ; ")
    assert state == "no-sim"
    assert advice
    (first, second) = await SecondPathStore(site.store, site.clock).modems()
    assert (first.state, second.state) == ("ready", "no-sim")
    assert (first.operator, first.technology, first.rate_per_min) == ("VigiBip Mobile", "LTE", 20)
    # Alerts go on by the other one.
    box = await site.add_sms_box()
    await pressed(site, box)
    assert box.receipts == [[PRESS]]
    site.simulated[1].sim.present = True
    site.simulated[1].sim_changed()
    await site.advance(240)
    assert fault not in site.post.faults


async def test_coming_goes_by_sms_when_data_dies_after_the_receipt(town: SmsSite) -> None:
    box = await town.add_sms_box(connect=True)
    box.client.press(PRESS)
    await until(lambda: PRESS in box.client.accepted)
    await box.client.disconnect()
    await answer(town)
    await town.advance(40)
    assert box.handset.texts == []
    await town.advance(60)
    (coming,) = box.of(SmsKind.COMING)
    assert [str(alert) for alert in coming.alerts] == [PRESS]
    # Nothing but data's own acknowledgement settles it.
    assert len(await town.store.outstanding_messages()) == 1


async def test_a_coming_of_long_ago_is_not_told_by_sms_after_a_restart(town: SmsSite) -> None:
    box = await town.add_sms_box(connect=True)
    box.client.press(PRESS)
    await until(lambda: PRESS in box.client.accepted)
    await box.client.disconnect()
    await answer(town)
    await town.stop_post()
    await town.clock.advance(1200)
    await town.start_post()
    await town.advance(200)
    assert box.handset.texts == []
