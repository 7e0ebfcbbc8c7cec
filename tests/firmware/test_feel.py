"""The palm's language: distinct, whole, and never while the radio sends."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from vigibip.town import device_tree
from vigibip.town.feels import Feel, FeelReader

feel: Any = device_tree.load("bip", "feel")
sender: Any = device_tree.load("bip", "sender")


class Palm:
    """A motor, and a reader of its edges."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.reader = FeelReader()
        self.felt: list[Feel] = []
        self.edges: list[tuple[int, bool]] = []
        self.player = feel.Player(self._switch)

    def _switch(self, on: bool) -> None:
        self.edges.append((self.now_ms, on))
        felt = self.reader.edge(on, self.now_ms, self.now_ms / 1000)
        if felt is not None:
            self.felt.append(felt[0])

    def run(self, until_ms: int, next_send_ms: int | None = None, late_ms: int = 0) -> None:
        """Let the player step at its times, each `late_ms` late."""
        while True:
            due_ms = self.player.due_ms()
            if due_ms is None or due_ms + late_ms > until_ms:
                self.now_ms = until_ms
                return
            self.now_ms = max(self.now_ms, due_ms + late_ms)
            self.player.step(self.now_ms, next_send_ms)
            if next_send_ms is not None and self.player.due_ms() == due_ms:
                return


def test_no_pattern_begins_like_another() -> None:
    for one, other in permutations(feel.PATTERNS.values(), 2):
        assert one[: len(other)] != other


def test_there_is_a_pattern_for_all_that_is_told_and_no_other() -> None:
    beside_states = {"not_sent", "noted", "battery_low"}
    assert set(feel.PATTERNS) == {*sender._FEELS.values(), *beside_states}
    assert set(feel.PATTERNS) == {feel_.value for feel_ in Feel}


@pytest.mark.parametrize("late_ms", [0, 15, 40])
@pytest.mark.parametrize("name", feel.PATTERNS)
def test_each_is_recognised_even_when_every_edge_is_late(name: str, late_ms: int) -> None:
    palm = Palm()
    palm.player.play(name, 0)
    palm.run(10_000, late_ms=late_ms)
    assert palm.felt == [Feel(name)]
    assert palm.player.idle()


def test_two_that_follow_one_another_stay_two() -> None:
    palm = Palm()
    for name in ("heard", "delivered", "coming"):
        palm.player.play(name, 0)
    palm.run(20_000)
    assert palm.felt == [Feel.HEARD, Feel.DELIVERED, Feel.COMING]


def test_a_pulse_that_would_not_end_in_time_does_not_begin() -> None:
    palm = Palm()
    palm.player.play("coming", 0)
    palm.run(300, next_send_ms=340)
    assert palm.edges == []
    palm.run(5000)
    assert palm.felt == [Feel.COMING]


def test_what_a_transmission_cuts_short_is_felt_whole_afterwards() -> None:
    for cut_ms in range(0, 1300, 10):
        palm = Palm()
        palm.player.play("not_sent", 0)
        palm.run(cut_ms)
        palm.player.hush(palm.now_ms)
        assert not palm.player.on
        palm.run(cut_ms + 6000)
        assert palm.felt == [Feel.NOT_SENT]


def test_too_many_waiting_cost_the_oldest_that_waits_not_the_one_that_plays() -> None:
    palm = Palm()
    palm.player.play("coming", 0)
    palm.run(10)
    for _ in range(9):
        palm.player.play("heard", 10)
    palm.player.play("not_reached", 10)
    palm.run(30_000)
    assert palm.felt[0] is Feel.COMING
    assert palm.felt[-1] is Feel.NOT_REACHED
    assert len(palm.felt) == 6


@pytest.mark.parametrize("cut_ms", range(0, 2400, 50))
def test_what_is_cleared_is_not_felt_and_does_not_run_into_what_follows(cut_ms: int) -> None:
    palm = Palm()
    palm.player.play("unanswered", 0)
    palm.player.play("delivered", 0)
    palm.run(cut_ms)
    palm.player.clear(palm.now_ms)
    before = list(palm.felt)
    assert not palm.player.on
    assert palm.player.idle()
    palm.player.play("heard", palm.now_ms + 30)
    palm.run(cut_ms + 5000)
    assert palm.felt == [*before, Feel.HEARD]


@pytest.mark.parametrize("pulses", [(20,), (2000,), (100, 900), (350, 350), (350, 100, 100)])
def test_pulses_that_are_no_pattern_are_felt_as_none(pulses: tuple[int, ...]) -> None:
    reader = FeelReader()
    at_ms = 0
    for pulse_ms in pulses:
        assert reader.edge(True, at_ms, 0.0) is None
        at_ms += pulse_ms
        assert reader.edge(False, at_ms, 0.0) is None
        at_ms += 120
