"""The air bench, small; and that it would see a loss, a double, a false "heard" and a collision."""

import pytest

from vigibip.base.clock import DrivenClock
from vigibip.base.trace import Trace
from vigibip.town.air import CALM, Way
from vigibip.town.benches import air
from vigibip.town.benches.air_box import Ledger, memory
from vigibip.town.benches.report import Report
from vigibip.town.benches.shared_air import LineReceiver, SharedAir
from vigibip.town.places import Place
from vigibip.wire.serial import BROADCAST

CHANNEL = 6
MACS = [bytes((2, 0, 0, 0, 0, number)) for number in range(4)]


async def test_a_small_run_loses_nothing_and_doubles_nothing() -> None:
    report = await air.measure_with(lambda _words: None, presses=96, rounds=2, real_presses=4)
    figures = report.figures
    assert figures["presses"] == 96
    assert figures["at_once_rounds"] == 2
    assert figures["interpreter_presses"] == 4
    for key in ("lost", "doubled", "falsely_heard", "at_once_lost", "at_once_doubled"):
        assert figures[key] == 0, key
    assert figures["interpreter_lost"] == figures["interpreter_doubled"] == 0
    # The air was as bad as it says.
    sent, lost, doubled = (figures[f"frames_{what}"] for what in ("sent", "lost", "doubled"))
    assert isinstance(sent, int)
    assert isinstance(lost, int)
    assert isinstance(doubled, int)
    assert 0.2 < lost / sent < 0.4
    assert doubled > 0
    assert set(air._TARGETS) <= set(figures)


def test_without_the_interpreter_its_targets_do_not_hold() -> None:
    rest = {key: 0 for key in air._TARGETS if not key.startswith("interpreter_")}
    report = Report("air", dict(rest), dict(air._TARGETS))
    assert report.missed == ["interpreter_lost", "interpreter_doubled"]


def test_the_books_see_what_is_lost_and_what_is_doubled() -> None:
    ledger = Ledger(DrivenClock())
    trace = Trace(ledger.write)
    ledger.pressed |= {"a", "b"}
    for stage, subject in (("box.opened", "a"), ("box.stored", "a"), ("box.opened", "b")):
        trace.stamp(stage, subject)
    assert (ledger.lost, ledger.doubled) == (1, 0)
    trace.stamp("box.opened", "a")
    trace.stamp("box.opened", "nobodys")
    assert (ledger.lost, ledger.doubled) == (1, 2)


async def test_a_palm_told_before_the_commit_is_seen() -> None:
    place = Place(memory())
    try:
        async with air.DrivenAir(place, "x", bips=1, seed=1) as town:
            press = town.press(town.bips[0])
            await town.clock.advance(10)
            assert press.heard_s() is not None
            assert town.falsely_heard() == 0
            town.ledger.stored_s[press.alert_id] = 10.0
            assert town.falsely_heard() == 1
    finally:
        place.leave()


@pytest.mark.parametrize("equal_slots", [True, False])
async def test_two_that_begin_in_the_same_slot_are_lost_to_all(
    equal_slots: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = DrivenClock()
    shared = SharedAir(clock, CALM, seed=1)
    slots = iter((3, 3) if equal_slots else (3, 4))
    monkeypatch.setattr(shared._chance, "randrange", lambda _end: next(slots))
    heard: list[tuple[bytes, float]] = []
    shared.attach(
        Way.DOWN,
        MACS[0],
        lambda: CHANNEL,
        lambda _rssi, mac, _frame: heard.append((mac, clock.monotonic_s())),
    )
    for mac in MACS[1:3]:
        station = shared.attach(Way.UP, mac, lambda: None, lambda *_: None)
        station.send(CHANNEL, BROADCAST, bytes(50))
    await clock.advance(1)
    if equal_slots:
        assert (heard, shared.collided) == ([], 2)
    else:
        assert [mac for mac, _ in heard] == MACS[1:3]
        assert shared.collided == 0
        # 93 bytes at 1 Mbit/s behind a preamble of 192 us, DIFS and 3 slots; then 1 slot.
        first_s = (192 + 93 * 8 + 50 + 3 * 20) / 1e6
        assert heard[0][1] == pytest.approx(first_s)
        assert heard[1][1] - heard[0][1] == pytest.approx(first_s - 2 * 20e-6)
    await shared.close()


async def test_the_line_of_a_receiver_takes_its_time_and_no_frame_twice() -> None:
    clock = DrivenClock()
    receiver = LineReceiver(clock, SharedAir(clock, CALM, seed=1), MACS[0])
    taken: list[tuple[bytes, float]] = []
    receiver.start(lambda _rssi, _mac, frame: taken.append((frame, clock.monotonic_s())))
    receiver.allow([7])
    first, second = (
        (1).to_bytes(2, "big") + (7).to_bytes(4, "big") + bytes([count]) * 44 for count in (1, 2)
    )
    receiver._hear(-50, MACS[1], first)
    await clock.advance(0.001)
    receiver._hear(-50, MACS[1], second)
    receiver._hear(-50, MACS[1], second)
    await clock.advance(1)
    assert [frame for frame, _ in taken] == [first, second]
    assert taken[0][1] == pytest.approx(640 / 115_200)
    assert taken[1][1] == pytest.approx(2 * 640 / 115_200)
    await receiver.close()
