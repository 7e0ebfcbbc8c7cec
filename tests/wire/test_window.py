"""The replay window against the plainest model there is: the set of all that was accepted."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from vigibip.wire import window

# Numbers that crowd around the window's edges, and a few leaps.
STEPS = st.lists(
    st.one_of(st.integers(-70, 70), st.sampled_from([-64, -63, 63, 64, 65, 1000, 2**31])),
    max_size=60,
)


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 2**32 - 1), STEPS)
def test_it_agrees_with_a_set(start: int, steps: list[int]) -> None:
    highest, bits = -1, 0
    accepted: set[int] = set()
    number = start
    for step in [0, *steps]:
        number = max(0, min(number + step, 2**32 - 1))
        if accepted and number <= max(accepted) - window.WIDTH:
            expected = window.OUTSIDE
        else:
            expected = window.SEEN if number in accepted else window.NEW
        assert window.judge(highest, bits, number) == expected
        highest, bits = window.accept(highest, bits, number)
        if expected != window.OUTSIDE:
            accepted.add(number)
        assert highest == max(accepted)
        # Sixty-four bits and no more: a store keeps them in eight bytes.
        assert 0 < bits < 1 << 64
        for near in range(highest - window.WIDTH + 1, highest + 1):
            assert (window.judge(highest, bits, near) == window.SEEN) == (near in accepted)


def test_a_replay_is_never_new() -> None:
    highest, bits = -1, 0
    numbers = [5, 3, 70, 64, 7, 1, 200, 137, 136, 201]
    for place, number in enumerate(numbers):
        highest, bits = window.accept(highest, bits, number)
        for old in numbers[: place + 1]:
            assert window.judge(highest, bits, old) != window.NEW
