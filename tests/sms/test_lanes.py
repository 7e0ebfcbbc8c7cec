"""Lanes: what leaves next, what gives way, and what never does."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from vigibip.sms.lanes import Lane, Lanes, Put


def test_an_alert_leaves_before_all_that_came_earlier() -> None:
    lanes: Lanes[str] = Lanes()
    for lane in (Lane.PROBE, Lane.OTHER, Lane.ANSWER, Lane.ALERT):
        lanes.put(lane, lane.name, lane.name)
    assert [item for _, _, item in lanes] == ["ALERT", "ANSWER", "OTHER", "PROBE"]
    assert lanes.pop() == (Lane.ALERT, "ALERT", "ALERT")


def test_a_newer_text_takes_the_place_of_the_older() -> None:
    lanes: Lanes[str] = Lanes()
    lanes.put(Lane.OTHER, "a", "a1")
    lanes.put(Lane.OTHER, "b", "b1")
    assert lanes.put(Lane.OTHER, "a", "a2") == Put(replaced="a1")
    assert [item for _, _, item in lanes] == ["a2", "b1"]


def test_a_newer_text_never_becomes_less_urgent() -> None:
    lanes: Lanes[str] = Lanes()
    lanes.put(Lane.ALERT, "a", "a1")
    lanes.put(Lane.PROBE, "a", "a2")
    assert lanes.pop() == (Lane.ALERT, "a", "a2")


def test_a_more_urgent_text_goes_to_the_end_of_its_lane() -> None:
    lanes: Lanes[str] = Lanes()
    lanes.put(Lane.OTHER, "a", "a1")
    lanes.put(Lane.ALERT, "b", "b1")
    assert lanes.put(Lane.ALERT, "a", "a2") == Put(replaced="a1")
    assert [item for _, _, item in lanes] == ["b1", "a2"]


def test_the_newest_of_the_least_urgent_gives_way_and_is_told() -> None:
    lanes: Lanes[str] = Lanes(waiting_max=3)
    for key in ("o1", "o2"):
        lanes.put(Lane.OTHER, key, key)
    lanes.put(Lane.PROBE, "p", "p")
    assert lanes.put(Lane.ANSWER, "r", "r").dropped == "p"
    assert lanes.put(Lane.ALERT, "a", "a").dropped == "o2"
    assert lanes.put(Lane.PROBE, "p", "p").dropped == "p"  # itself
    assert [item for _, _, item in lanes] == ["a", "r", "o1"]


def test_alerts_are_taken_beyond_the_bound() -> None:
    lanes: Lanes[int] = Lanes(waiting_max=2)
    assert [lanes.put(Lane.ALERT, number, number).dropped for number in range(5)] == [None] * 5
    assert lanes.put(Lane.ANSWER, "r", 99).dropped == 99
    assert [item for _, _, item in lanes] == [0, 1, 2, 3, 4]


def test_what_is_taken_back_is_gone() -> None:
    lanes: Lanes[str] = Lanes()
    lanes.put(Lane.OTHER, "a", "a1")
    assert lanes.remove("a") == "a1"
    assert lanes.remove("a") is None
    assert lanes.pop() is None


class LanesAsTheyShouldBe(RuleBasedStateMachine):
    """Against a plain list: (lane, key, item), in the order of leaving within each lane."""

    waiting_max = 6

    def __init__(self) -> None:
        super().__init__()
        self.lanes: Lanes[int] = Lanes(self.waiting_max)
        self.model: list[tuple[Lane, int, int]] = []
        self.item = 0

    @rule(lane=st.sampled_from(Lane), key=st.integers(0, 12))
    def put(self, lane: Lane, key: int) -> None:
        self.item += 1
        put = self.lanes.put(lane, key, self.item)
        place = next((n for n, entry in enumerate(self.model) if entry[1] == key), None)
        if place is not None:
            old_lane, _, old_item = self.model[place]
            assert put == Put(replaced=old_item)
            if lane < old_lane:
                del self.model[place]
                self.model.append((lane, key, self.item))
            else:
                self.model[place] = (old_lane, key, self.item)
            return
        self.model.append((lane, key, self.item))
        dropped = None
        if len(self.model) > self.waiting_max:
            last = max(entry[0] for entry in self.model)
            if last is not Lane.ALERT:
                newest = [entry for entry in self.model if entry[0] is last][-1]
                self.model.remove(newest)
                dropped = newest[2]
        assert put == Put(dropped=dropped)

    @rule()
    def pop(self) -> None:
        popped = self.lanes.pop()
        expected = min(self.model, key=lambda entry: entry[0], default=None)
        assert popped == expected
        if expected is not None:
            self.model.remove(expected)

    @rule(key=st.integers(0, 12))
    def remove(self, key: int) -> None:
        found = next((entry for entry in self.model if entry[1] == key), None)
        assert self.lanes.remove(key) == (found[2] if found else None)
        if found:
            self.model.remove(found)

    @invariant()
    def they_agree(self) -> None:
        assert list(self.lanes) == sorted(self.model, key=lambda entry: entry[0])
        counts = Counter(lane for lane, _, _ in self.model)
        assert {lane: self.lanes.count(lane) for lane in Lane} == {
            lane: counts[lane] for lane in Lane
        }
        assert len(self.lanes) <= max(self.waiting_max, counts[Lane.ALERT])


TestLanesAsTheyShouldBe = LanesAsTheyShouldBe.TestCase


@given(st.lists(st.sampled_from(Lane), min_size=1, max_size=200))
def test_no_alert_is_ever_dropped(arrivals: list[Lane]) -> None:
    lanes: Lanes[int] = Lanes(waiting_max=10)
    dropped = [lanes.put(lane, number, number).dropped for number, lane in enumerate(arrivals)]
    alerts = {number for number, lane in enumerate(arrivals) if lane is Lane.ALERT}
    assert not alerts & {number for number in dropped if number is not None}
