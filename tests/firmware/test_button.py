"""The button's edges, looked at late: no tap is lost, no bounce is counted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from vigibip.town import device_tree

_ROUND = 1 << 30


class Chip:
    """A pin, ticks, and a scheduler that runs the handlers of edges once the program goes on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, now_ms: int) -> None:
        self.now_ms = now_ms
        self.level = 1
        self._handler: Callable[[Any], None] = lambda pin: None
        self._scheduled = 0
        chip = self

        class Pin:
            IN = PULL_UP = IRQ_FALLING = IRQ_RISING = 0

            def __init__(self, *_: int) -> None: ...

            def irq(self, handler: Callable[[Any], None], _: int) -> None:
                chip._handler = handler

            def value(self) -> int:
                return chip.level

        self.pin = Pin()
        machine, time = ModuleType("machine"), ModuleType("time")
        machine.Pin = Pin  # type: ignore[attr-defined]
        time.ticks_ms = lambda: self.now_ms % _ROUND  # type: ignore[attr-defined]
        time.ticks_add = lambda a, b: (a + b) % _ROUND  # type: ignore[attr-defined]
        time.ticks_diff = lambda a, b: (  # type: ignore[attr-defined]
            (a - b + _ROUND // 2) % _ROUND - _ROUND // 2
        )
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "machine", machine)
            patch.setitem(sys.modules, "time", time)
            source = (device_tree.FIRMWARE / "bip" / "button.py").read_text()
            namespace: dict[str, Any] = {"__name__": "button"}
            exec(source, namespace)
        self.button = namespace["Button"](4)

    def edge(self, level: int, after_ms: int = 0) -> None:
        """The level changes while the program is held up."""
        self.now_ms += after_ms
        self.level = level
        self._scheduled = min(self._scheduled + 1, 8)

    def goes_on(self) -> int:
        """The handlers run; return what is pending."""
        while self._scheduled:
            self._scheduled -= 1
            self._handler(self.pin)
        count: int = self.button.pending()
        return count

    def waits(self, duration_ms: int) -> None:
        """The program looks at the button each 20 ms."""
        end_ms = self.now_ms + duration_ms
        while self.now_ms < end_ms:
            self.now_ms = min(self.now_ms + 20, end_ms)
            self.goes_on()


# The second one lets the ticks go round in the middle of the test.
@pytest.fixture(params=[1_000_000, _ROUND - 150])
def chip(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Chip:
    chip = Chip(monkeypatch, request.param)
    chip.waits(100)
    return chip


def test_a_press_and_its_release_are_one(chip: Chip) -> None:
    chip.edge(0)
    assert chip.goes_on() == 1
    chip.waits(200)
    chip.edge(1)
    assert chip.goes_on() == 1
    chip.button.told()
    assert chip.goes_on() == 0


def test_a_tap_while_flash_or_radio_hold_the_program_up_counts_once(chip: Chip) -> None:
    for bounces in (0, 1, 3, 9):
        before = chip.goes_on()
        chip.edge(0, after_ms=20)
        for _ in range(bounces):
            chip.edge(1, after_ms=1)
            chip.edge(0, after_ms=1)
        chip.edge(1, after_ms=50)
        assert chip.goes_on() == before + 1
        chip.waits(100)


def test_the_bounces_of_press_and_release_are_none(chip: Chip) -> None:
    for level in (0, 1, 0, 1, 0):
        chip.edge(level, after_ms=2)
        chip.goes_on()
    chip.waits(200)
    for level in (1, 0, 1, 0, 1):
        chip.edge(level, after_ms=2)
        chip.goes_on()
    assert chip.goes_on() == 1


def test_a_disturbance_that_is_shorter_than_a_finger_is_none(chip: Chip) -> None:
    for _ in range(50):
        chip.waits(40)
        chip.edge(0)
        chip.edge(1)
        assert chip.goes_on() == 0


def test_a_press_that_begins_and_lasts_while_it_is_held_up_counts_once(chip: Chip) -> None:
    chip.edge(0, after_ms=100)
    chip.now_ms += 100
    assert chip.goes_on() == 1
    chip.waits(100)
    chip.edge(1)
    assert chip.goes_on() == 1


def test_a_press_whose_release_before_was_looked_at_late_is_no_bounce(chip: Chip) -> None:
    chip.edge(0)
    chip.goes_on()
    chip.waits(100)
    chip.edge(1)
    chip.now_ms += 35  # held up
    chip.goes_on()
    chip.edge(0, after_ms=10)
    chip.goes_on()
    chip.waits(60)
    assert chip.goes_on() == 2
    chip.waits(200)
    chip.edge(1)
    assert chip.goes_on() == 2


def test_what_gestures_are_made_of_is_noted_without_its_bounces(chip: Chip) -> None:
    began_ms = chip.now_ms
    for level in (0, 1, 0, 1, 0):
        chip.edge(level, after_ms=2)
        chip.goes_on()
    chip.waits(200)
    for level in (1, 0, 1):
        chip.edge(level, after_ms=2)
        chip.goes_on()
    chip.waits(100)
    noted = chip.button.take_edges()
    assert [is_down for is_down, _ in noted] == [True, False]
    times_ms = [(at - began_ms) % _ROUND for _, at in noted]
    assert times_ms == [2, 212]
    assert chip.button.take_edges() == []


def test_a_release_that_was_taken_for_a_bounce_is_noted_all_the_same(chip: Chip) -> None:
    chip.edge(0)
    chip.goes_on()
    chip.edge(1, after_ms=10)
    chip.goes_on()
    chip.waits(100)
    assert [is_down for is_down, _ in chip.button.take_edges()] == [True, False]
    chip.edge(0)
    assert chip.goes_on() == 2


def test_more_edges_than_a_hand_makes_are_forgotten_and_no_press_with_them(chip: Chip) -> None:
    for _ in range(100):
        for level in (0, 1):
            chip.edge(level, after_ms=50)
            chip.goes_on()
    assert chip.goes_on() == 100
    assert len(chip.button.take_edges()) == 32
