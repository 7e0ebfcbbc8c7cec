"""The receiver's probes: a jam is told, also in pulses; heavy Wi-Fi is not. Simulated air."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from vigibip.town import device_tree
from vigibip.town.interference import HeavyWifi, Jammer

jam_module: Any = device_tree.load("receiver", "jam")
# How often the bridge looks at a probe that is under way; the rest of its loop takes its time.
_LOOK_MS = 7

FreeAt = Callable[[float], float]


class Radio:
    """The bridge's loop around the core, on an air where a frame leaves when `free_at_s` says."""

    def __init__(self, free_at_s: FreeAt) -> None:
        self.jam = jam_module.Jam()
        self.now_ms = 0
        self.told: list[tuple[int, bool]] = []
        self.sent = 0
        self._free_at_s = free_at_s
        self._leaves: list[float] = []

    def run(self, until_s: float, *, away_ms: Callable[[int], int] = lambda _: 0) -> None:
        """Look until then; `away_ms`: how long the program does something else now."""
        while self.now_ms < until_s * 1000:
            jam, was = self.jam, self.jam.jammed
            answered = sum(leaves <= self.now_ms for leaves in self._leaves[-1:])
            if jam.look(self.now_ms, self.sent - len(self._leaves[-1:]) + answered, 0):
                self.sent += 1
                self._leaves.append(self._free_at_s(self.now_ms / 1000) * 1000 + 0.8)
                jam.sent(self.now_ms, self.sent, 0)
            if jam.jammed != was:
                self.told.append((self.now_ms, jam.jammed))
            pause_ms = _LOOK_MS if jam.under_way else max(1, jam.next_ms - self.now_ms)
            self.now_ms += pause_ms + away_ms(self.now_ms)


def test_a_calm_air_is_probed_four_times_a_second_and_never_told() -> None:
    radio = Radio(lambda at_s: at_s)
    radio.run(600)
    assert not radio.told
    assert radio.jam.held_ms == 0
    assert 3.8 < radio.sent / 600 < 4.1


@pytest.mark.parametrize("on_s", [math.inf, 10.0, 2.0, 1.0, 0.5, 0.3])
@pytest.mark.parametrize("share", [1 / 6, 0.5])
@pytest.mark.parametrize("start_s", [100.0, 100.13])
def test_ten_seconds_of_sixty_are_told_within_that_minute_in_whatever_pulses(
    on_s: float, share: float, start_s: float
) -> None:
    off_s = 0.0 if math.isinf(on_s) else on_s * (1 / share - 1)
    jammer = Jammer(on_s=on_s, off_s=off_s, start_s=start_s, end_s=start_s + 120)
    radio = Radio(jammer.free_at_s)
    radio.run(400)
    (began_ms, began), (ended_ms, ended) = radio.told
    assert (began, ended) == (True, False)
    assert start_s * 1000 + 7500 < began_ms <= (start_s + 61) * 1000
    assert (start_s + 120) * 1000 < ended_ms <= (start_s + 181) * 1000


def test_a_jam_that_goes_on_is_told_after_eight_seconds_of_it() -> None:
    radio = Radio(Jammer(start_s=20.0).free_at_s)
    radio.run(600)
    ((began_ms, _),) = radio.told
    assert 27_800 <= began_ms <= 28_400
    assert 59_000 <= radio.jam.held_ms <= 61_000
    assert not radio.jam.stuck
    radio.run(625)
    assert radio.jam.stuck, "the radio may be what is stuck: start anew"


def test_five_seconds_of_sixty_are_not_told() -> None:
    radio = Radio(Jammer(on_s=1.0, off_s=11.0).free_at_s)
    radio.run(3600)
    assert not radio.told
    assert radio.jam.held_ms > 2000


@pytest.mark.parametrize(("stations", "hours"), [(1, 1), (3, 1), (8, 6)])
def test_no_alarm_beside_wifi_that_is_loaded_to_its_end(stations: int, hours: int) -> None:
    """Each station always sends, each frame as long as the standard lets it be."""
    radio = Radio(HeavyWifi(stations, seed=stations).free_at_s)
    worst_ms = 0
    for minute in range(hours * 60):
        radio.run(60 * (minute + 1))
        worst_ms = max(worst_ms, radio.jam.held_ms)
    assert not radio.told
    assert worst_ms < 6000


def test_a_jam_beside_heavy_wifi_is_told_all_the_same() -> None:
    wifi, jammer = HeavyWifi(3, seed=5), Jammer(on_s=0.5, off_s=2.5, start_s=300.0)

    def free_at_s(at_s: float) -> float:
        free_s = wifi.free_at_s(jammer.free_at_s(at_s))
        while jammer.taken(free_s):
            free_s = wifi.free_at_s(jammer.free_at_s(free_s))
        return free_s

    radio = Radio(free_at_s)
    radio.run(500)
    ((began_ms, _),) = radio.told
    assert 300_000 < began_ms <= 361_000


def test_a_program_that_looks_late_takes_its_own_slowness_for_no_jam() -> None:
    """A line that nobody reads holds each write up for 200 ms on a C3."""
    radio = Radio(lambda at_s: at_s)
    radio.run(600, away_ms=lambda _: 400)
    assert not radio.told
    assert radio.jam.held_ms == 0


def test_probes_that_fail_or_find_no_room_count_as_held_up_until_one_leaves() -> None:
    for refused in (False, True):
        jam = jam_module.Jam()
        failed = sent = now_ms = 0
        while not jam.jammed:
            if jam.look(now_ms, sent, failed):
                if refused:
                    jam.refused(now_ms, now_ms + 1)
                else:
                    sent += 1
                    jam.sent(now_ms, sent, failed)
                    failed += 1
            now_ms += _LOOK_MS
            assert now_ms < 20_000
        assert 7_800 < now_ms < 9_000
        assert jam.probes_failed > 70
        while jam.jammed:
            if jam.look(now_ms, sent, failed):
                sent += 1
                jam.sent(now_ms, sent, failed)
            now_ms += _LOOK_MS
            assert now_ms < 90_000


def test_another_channel_begins_anew_and_a_long_sleep_of_the_program_forgets_the_minute() -> None:
    radio = Radio(Jammer(end_s=30.0).free_at_s)
    radio.run(10)
    assert radio.jam.jammed
    radio.jam.retuned(radio.now_ms)
    assert not radio.jam.under_way
    radio.jam.look(radio.now_ms + 3_600_000, 99, 0)
    assert not radio.jam.jammed
    assert radio.jam.held_ms == 0
