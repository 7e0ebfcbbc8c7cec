"""The record of open presses: what goes in comes out, and nothing else comes out."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vigibip.town import device_tree
from vigibip.wire import frame

press: Any = device_tree.load("bip", "press")

_MS = st.integers(-1, 2**62)
_PRESSES = st.lists(
    st.tuples(
        st.integers(1, 2**32 - 1),
        st.sampled_from(sorted(press.RANKS)),
        st.booleans(),
        st.booleans(),
        st.integers(0, 255),
        _MS,
        _MS,
        _MS,
        st.integers(0, 127),
        st.booleans(),
        _MS,
    ),
    max_size=press.PRESSES_MAX,
)


def made(fields: tuple[Any, ...]) -> Any:
    one = press.Press(fields[0])
    one.state, one.told_not_sent, one.superseded, one.wakes = fields[1:5]
    one.down_ms, one.heard_ms, one.poll_ms = fields[5:8]
    one.gesture, one.mark_waits, one.mark_ms = fields[8:]
    return one


def told(one: Any) -> tuple[Any, ...]:
    times = (one.down_ms, one.heard_ms, one.poll_ms)
    mark = (one.gesture, one.mark_waits, one.mark_ms)
    return (one.number, one.state, one.told_not_sent, one.superseded, one.wakes, *times, *mark)


_U16 = st.integers(0, 65535)
_U8 = st.integers(0, 255)
_COUNTS = st.tuples(_U16, _U16, _MS, _MS, _U8, _U8)


@given(_PRESSES, _COUNTS)
def test_a_record_comes_back(fields: list[tuple[Any, ...]], counts: tuple[int, ...]) -> None:
    record = press.pack_record([made(one) for one in fields], *counts)
    presses, *rest = press.unpack_record(record)
    assert [told(one) for one in presses] == fields
    assert rest == list(counts)


@given(_PRESSES, _COUNTS)
def test_a_record_without_what_came_later_keeps_its_presses(
    fields: list[tuple[Any, ...]], counts: tuple[int, ...]
) -> None:
    whole = press.pack_record([made(one) for one in fields], *counts)
    presses, *rest = press.unpack_record(whole[: 22 + 30 * len(fields)])
    assert [told(one)[:8] for one in presses] == [one[:8] for one in fields]
    assert [told(one)[8:] for one in presses] == [(0, False, -1)] * len(fields)
    assert rest == [*counts[:4], 0, 0]
    # Nor does what comes later still take them away.
    assert [told(one) for one in press.unpack_record(whole + b"more")[0]] == fields


@given(st.binary(max_size=400))
def test_garbage_is_refused_or_harmless(record: bytes) -> None:
    kept = press.unpack_record(record)
    if kept is not None:
        assert len(kept[0]) <= press.PRESSES_MAX
        assert all(one.state in press.RANKS for one in kept[0])


def test_a_state_that_is_unknown_is_sent_again() -> None:
    one = press.Press(7)
    one.state = 99
    kept = press.unpack_record(press.pack_record([one], 0, 0, 0, 0, 0, 0))
    assert kept[0][0].is_unheard()


def test_an_age_is_told_only_when_the_clock_allows_it() -> None:
    one = press.Press(7)
    assert one.age_s(5000) == frame.AGE_UNKNOWN
    one.down_ms = 4000
    assert one.age_s(5999) == 1
    assert one.age_s(3999) == frame.AGE_UNKNOWN


def test_each_state_on_the_wire_has_a_rank_of_its_own() -> None:
    states = {value for name, value in vars(frame).items() if name.startswith("STATE_")}
    assert set(press.RANKS) == states
    assert len(set(press.RANKS.values())) == len(states)
