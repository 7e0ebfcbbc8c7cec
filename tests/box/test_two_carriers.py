"""Two ways out at once, each with its own schedule: the second is dear, slow and comes later."""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator

import pytest

from tests.box.driven import DrivenBox, SmallCarrier
from tests.box.peers import Bip
from vigibip.box.config import BoxSettings, PlanSettings, QueueSettings
from vigibip.box.faults import FaultCode
from vigibip.box.pairing import pair_device
from vigibip.box.schedule import Schedule, data_schedule
from vigibip.wire import frame

HEARD, DELIVERED = frame.STATE_HEARD, frame.STATE_DELIVERED

# As messages over a modem go: each costs, leaves seconds later, and its receipt takes its time.
DEAR = Schedule(
    start_after_s=3.0,
    again_s=(60.0, 240.0, 600.0, 1800.0),
    jitter=0.0,
    backlog_in_flight=2,
    backlog_hold_s=10.0,
    resend_on_up=False,
    silent_after_s=None,
)


class TwoCarriers(DrivenBox):
    def __init__(self, settings: BoxSettings) -> None:
        self.dear = SmallCarrier("dear", DEAR)
        super().__init__(settings, self.dear)

    async def times(self, carrier: SmallCarrier, seconds: int) -> list[int]:
        """Return at which of the coming seconds the carrier was handed something."""
        handed = [0] * len(carrier.take())
        for second in range(1, seconds + 1):
            await self.clock.advance(1)
            handed += [second] * len(carrier.take())
        return handed


@pytest.fixture
async def two(settings: BoxSettings, bip: Bip) -> AsyncIterator[TwoCarriers]:
    """A box with both carriers up."""
    box = TwoCarriers(settings)
    box.carrier.up = box.dear.up = True
    await box.start()
    yield box
    await box.daemon.stop()


async def test_the_second_comes_three_seconds_later_and_not_after_a_receipt(
    two: TwoCarriers, bip: Bip
) -> None:
    first = await two.press(bip)
    assert two.carrier.take() == [first]
    await two.clock.advance(2.9)
    assert two.dear.take() == []
    two.carrier.receipt(first)
    await two.clock.advance(60)
    assert two.dear.take() == []
    second = await two.press(bip)
    await two.clock.advance(2.9)
    assert two.dear.take() == []
    await two.clock.advance(0.2)
    assert two.dear.take() == [second]


async def test_it_comes_at_once_while_the_first_is_known_to_be_down(
    two: TwoCarriers, bip: Bip
) -> None:
    two.carrier.lose()
    assert await two.press(bip) in two.dear.take()
    # Known a second after the press: then at once, not three seconds after the press.
    two.carrier.connect()
    alert = await two.press(bip)
    await two.clock.advance(1)
    assert two.dear.take() == []
    two.carrier.lose()
    assert two.dear.take() == [alert]


async def test_what_it_repeats_and_when(two: TwoCarriers, bip: Bip) -> None:
    alert = await two.press(bip)
    two.carrier.take()
    handed = await two.times(two.dear, 2 * 3600)
    since_first = [at - handed[0] for at in handed]
    assert handed[0] == 3
    assert since_first == [0, 60, 300, 900, 2700, 4500, 6300]
    assert {one.alert for one in two.carrier.sent} == {alert}
    # And all the while the first one keeps its own pace.
    assert len(two.carrier.take()) >= 100


async def test_the_first_one_coming_back_repeats_nothing_on_the_second(
    two: TwoCarriers, bip: Bip
) -> None:
    two.carrier.lose()
    alert = await two.press(bip)
    assert two.dear.take() == [alert]
    for _ in range(20):
        two.carrier.connect()
        await two.clock.advance(1)
        two.carrier.lose()
        await two.clock.advance(1)
    assert two.carrier.take() == [alert] * 20
    assert two.dear.take() == []
    await two.clock.advance(20)
    assert two.dear.take() == [alert]


async def test_the_second_coming_back_repeats_nothing_anywhere_but_what_never_left(
    two: TwoCarriers, bip: Bip
) -> None:
    alert = await two.press(bip)
    await two.clock.advance(4)
    assert (two.carrier.take(), two.dear.take()) == ([alert], [alert])
    two.dear.lose()
    two.dear.connect()
    assert (two.carrier.take(), two.dear.take()) == ([], [])
    two.dear.fail(alert)
    # Not at once again: the carrier has just given it up. Coming up is another matter.
    assert two.dear.take() == []
    two.dear.lose()
    two.dear.connect()
    assert two.dear.take() == [alert]
    two.dear.fail(alert)
    assert [at for at in await two.times(two.dear, 300) if at] == [240]


async def test_while_the_second_is_down_too_the_press_goes_when_it_comes_up(
    two: TwoCarriers, bip: Bip
) -> None:
    two.carrier.lose()
    two.dear.lose()
    alert = await two.press(bip)
    await two.clock.advance(600)
    assert (two.carrier.take(), two.dear.take()) == ([], [])
    two.dear.connect()
    assert two.dear.take() == [alert]
    # The first one that comes back has its head start with what the second was never handed.
    two.dear.lose()
    other = await two.press(bip)
    two.carrier.connect()
    two.dear.connect()
    assert set(two.carrier.take()) == {alert, other}
    assert two.dear.take() == []
    await two.clock.advance(3.1)
    assert two.dear.take() == [other]


async def test_a_receipt_by_either_ends_the_wait_on_both(two: TwoCarriers, bip: Bip) -> None:
    by_data, by_dear = await two.press(bip), await two.press(bip)
    await two.clock.advance(3)
    two.carrier.take()
    two.dear.take()
    two.dear.receipt(by_dear)
    two.carrier.receipt(by_data)
    # The other one's comes later, in its own time, and a refusal by the slower one too late.
    two.carrier.receipt(by_dear)
    two.dear.receipt(by_data, "refused", "too late to say no")
    await two.settle()
    assert await two.state(bip, 1) == await two.state(bip, 2) == DELIVERED
    await two.clock.advance(7200)
    assert (two.carrier.take(), two.dear.take()) == ([], [])
    assert not two.codes()


async def test_an_answer_is_acknowledged_by_the_carrier_that_brought_it(
    two: TwoCarriers, bip: Bip
) -> None:
    alert = await two.press(bip)
    two.dear.answer(1, alert)
    await two.settle()
    assert (two.carrier.acknowledged, two.dear.acknowledged) == ([], [1])
    two.carrier.answer(1, alert)
    await two.settle()
    assert (two.carrier.acknowledged, two.dear.acknowledged) == ([1], [1])


async def test_a_slow_receipt_of_the_second_is_no_silence_of_the_post(
    two: TwoCarriers, bip: Bip
) -> None:
    two.carrier.lose()
    await two.press(bip)
    await two.clock.advance(3600)
    assert FaultCode.POST_SILENT not in two.codes()


@pytest.mark.parametrize("after_s", [10, 40])
async def test_a_first_carrier_that_nobody_answers_is_a_fault_though_the_second_delivers(
    two: TwoCarriers, bip: Bip, after_s: float
) -> None:
    alert = await two.press(bip)
    await two.clock.advance(after_s)
    two.dear.receipt(alert)
    await two.clock.advance(31)
    assert await two.state(bip, 1) == DELIVERED
    assert two.codes() == {FaultCode.POST_SILENT}
    # Nothing waits that could show its end, so it is told for a day, or until it speaks.
    if after_s == 10:
        two.carrier.receipt(alert)
        assert not two.codes()
    await two.clock.advance(25 * 3600)
    assert not two.codes()


async def test_the_backlog_of_one_lane_does_not_hold_the_others_up(
    settings: BoxSettings, bip: Bip
) -> None:
    box = TwoCarriers(settings)
    await box.start()
    old = [await box.press(bip) for _ in range(30)]
    await box.clock.advance(600)
    box.dear.connect()
    # A few at a time, each place for ten seconds; a fresh press goes past all of them.
    assert box.dear.take() == old[:2]
    fresh = await box.press(bip)
    assert box.dear.take() == [fresh]
    await box.clock.advance(10)
    assert box.dear.take() == old[2:4]
    box.carrier.connect()
    came = []
    while sent := box.carrier.take():
        came += sent
        for alert in sent:
            box.carrier.receipt(alert)
    assert set(came) == {fresh, *old}
    await box.clock.advance(7200)
    assert box.dear.take() == []
    assert len(box.daemon._outbox) == 0
    await box.daemon.stop()


async def test_a_carrier_that_is_up_and_full_is_asked_again(two: TwoCarriers, bip: Bip) -> None:
    two.dear.full = True
    two.carrier.lose()
    alert = await two.press(bip)
    await two.clock.advance(100)
    assert two.dear.take() == []
    two.dear.full = False
    await two.clock.advance(60)
    assert two.dear.take() == [alert]


async def test_what_waits_from_before_a_restart_leaves_the_first_its_time(
    two: TwoCarriers, bip: Bip
) -> None:
    alert = await two.press(bip)
    await two.clock.advance(5)
    two.dear.take()
    two.carrier.up = False
    await two.restart()
    await two.clock.advance(2.9)
    assert two.dear.take() == []
    await two.clock.advance(0.1)
    assert two.dear.take() == [alert]


async def test_a_parked_alert_that_is_sent_again_goes_as_a_new_one(
    two: TwoCarriers, bip: Bip
) -> None:
    alert = await two.press(bip)
    two.carrier.receipt(alert, "refused", "unknown device")
    await two.clock.advance(10)
    assert two.dear.take() == []
    two.carrier.take()
    parked = two.daemon._book.get(next(iter(two.daemon._book)).alert_id)
    assert parked is not None
    two.daemon._outbox.resend(parked)
    assert two.carrier.take() == [alert]
    assert await two.times(two.dear, 10) == [3]


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_the_two_do_every_press_is_delivered_once_and_its_places_come_back(
    settings: BoxSettings, seed: int
) -> None:
    chance = random.Random(seed)
    bips = [Bip(0x100 + number, bytes([number] * 16)) for number in range(1, 4)]
    for one in bips:
        pair_device(settings, f"{one.device_id:08x}", "comptoir", one.key.hex())
    box = TwoCarriers(settings)
    await box.start()
    pressed: list[str] = []
    for _ in range(300):
        carrier = chance.choice(box.carriers)
        act = chance.randrange(8)
        if act == 0:
            pressed.append(await box.press(chance.choice(bips)))
        elif act == 1:
            (carrier.lose if carrier.up else carrier.connect)()
        elif act in (2, 3) and carrier.sent:
            alert = chance.choice(carrier.sent).alert
            carrier.receipt(alert, chance.choice(["accepted", "accepted", "refused"]))
        elif act == 4 and carrier.sent:
            carrier.fail(chance.choice(carrier.sent).alert)
        else:
            await box.clock.advance(chance.choice([0.5, 3, 20, 130]))
    for carrier in box.carriers:
        if not carrier.up:
            carrier.connect()
    for _ in range(60):
        for alert in set(itertools.chain(box.carrier.take(), box.dear.take())):
            box.carrier.receipt(alert)
        await box.clock.advance(60)
    assert len(box.daemon._outbox) == 0
    rows = box.sql("SELECT count(*), count(receipt) FROM alerts")
    assert rows == [(len(pressed), len(pressed))]
    for lane in box.daemon._outbox._lanes:
        assert (lane._tries, lane._places) == ({}, 0)
    await box.daemon.stop()


def test_the_schedule_of_data() -> None:
    schedule = data_schedule(QueueSettings(), PlanSettings())
    assert schedule.start_after_s == 0
    chance = random.Random(1)
    for handed_over, pause_s in ((1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (6, 60), (10**9, 60)):
        drawn = [schedule.pause_s(handed_over, chance) for _ in range(200)]
        assert 0.8 * pause_s <= min(drawn) < max(drawn) <= 1.2 * pause_s
