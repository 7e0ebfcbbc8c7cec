"""Counters through power cuts at any point: no number twice, none before its reservation."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from vigibip.wire.counter import END_MAX, HIGHEST, ReservedCounter


class PowerCutError(Exception):
    """The power went at a write."""


class Storage:
    """A cell that loses power before or after a write, or refuses one."""

    def __init__(self, value: int = 0) -> None:
        self.value = value
        self.cut: str | None = None

    def write(self, value: int) -> None:
        cut, self.cut = self.cut, None
        if cut != "before":
            self.value = value
        if cut is not None:
            raise PowerCutError


class CounterLife(RuleBasedStateMachine):
    """A device that counts, loses power at the worst moments, and starts again."""

    @initialize(start=st.sampled_from([0, 1, 64, END_MAX - 200]), block=st.sampled_from([1, 2, 64]))
    def provision(self, start: int, block: int) -> None:
        self.storage = Storage(start)
        self.block = block
        self.used: list[int] = []
        self.wake()

    @rule()
    def wake(self) -> None:
        self.counter = ReservedCounter(self.storage.value, self.storage.write, self.block)

    @rule(times=st.integers(1, 70))
    def count(self, times: int) -> None:
        for _ in range(times):
            try:
                number = self.counter.next()
            except OverflowError:
                assert self.counter_is_used_up()
                return
            assert number < self.storage.value
            self.used.append(number)

    @rule(moment=st.sampled_from(["before", "after"]), restarts=st.booleans())
    def power_cut(self, moment: str, restarts: bool) -> None:
        """At the next write. Without a restart it was a refusal: counting goes on."""
        self.storage.cut = moment
        try:
            while self.storage.cut is not None:
                self.count(1)
                if self.counter_is_used_up():
                    self.storage.cut = None
        except PowerCutError:
            if restarts:
                self.wake()

    def counter_is_used_up(self) -> bool:
        return self.storage.value == END_MAX

    @invariant()
    def never_twice_and_always_up(self) -> None:
        used = getattr(self, "used", [])
        assert all(earlier < later for earlier, later in itertools.pairwise(used))
        assert not used or 0 < used[0] <= used[-1] <= HIGHEST


CounterLife.TestCase.settings = settings(deadline=None, max_examples=60, stateful_step_count=25)
TestCounterLife = CounterLife.TestCase


def test_a_reservation_that_fails_hands_out_nothing_and_is_tried_again() -> None:
    storage = Storage()
    counter = ReservedCounter(0, storage.write)
    storage.cut = "before"
    with pytest.raises(PowerCutError):
        counter.next()
    assert storage.value == 0
    assert counter.next() == 1
    assert storage.value == 65


def test_one_write_serves_a_block() -> None:
    written: list[int] = []
    counter = ReservedCounter(0, written.append)
    assert [counter.next() for _ in range(129)] == list(range(1, 130))
    assert written == [65, 129, 193]


def test_a_key_is_used_up_once_and_for_all() -> None:
    storage = Storage(HIGHEST - 1)
    counter = ReservedCounter(storage.value, storage.write)
    assert [counter.next(), counter.next()] == [HIGHEST - 1, HIGHEST]
    for _ in range(3):
        with pytest.raises(OverflowError):
            counter.next()
    assert storage.value == END_MAX
    with pytest.raises(OverflowError):
        ReservedCounter(storage.value, storage.write).next()


@pytest.mark.parametrize(("reserved", "block"), [(-1, 64), (END_MAX + 1, 64), (0, 0), (0, -5)])
def test_nonsense_from_storage_does_not_start_again_at_one(reserved: int, block: int) -> None:
    with pytest.raises(ValueError, match="32-bit"):
        ReservedCounter(reserved, lambda end: None, block)
