"""What a hand says beyond that it presses: what it meant, and nothing by fear or by chance."""

from __future__ import annotations

import copy
import random
import re
from itertools import product
from typing import Any

import pytest

from tests.firmware.honest_box import Bip, Box
from vigibip.town import device_tree
from vigibip.wire import frame, parcel

gesture: Any = device_tree.load("bip", "gesture")

ALL = gesture.RAISE | gesture.WITHDRAW | gesture.DURESS
QUIET_MS = 3000
# A tap, a press between all lengths, a long one, a fist; a tremble, a pause, quiet.
HOLDS_MS = (60, 700, 2000, 5000)
GAPS_MS = (40, 600, 3500)


def told_by(holds_ms: tuple[int, ...], gaps_ms: tuple[int, ...], allowed: int = ALL) -> list[int]:
    """Return the marks that a hand makes; `gaps_ms` follow each hold, the last one too."""
    one = gesture.Gestures(allowed)
    marks = []
    at_ms = 10_000
    for hold_ms, gap_ms in zip(holds_ms, gaps_ms, strict=True):
        at_ms, mark = played(one, at_ms, hold_ms, gap_ms)
        marks += mark
    return marks


def played(one: Any, at_ms: int, hold_ms: int, gap_ms: int) -> tuple[int, list[int]]:
    """Press once and wait; return when that is over, and the marks that it made."""
    one.pressed(at_ms)
    one.edge(True, at_ms)
    assert one.mark(at_ms) == 0
    one.edge(False, at_ms + hold_ms)
    looks_ms = [at_ms + hold_ms + wait_ms for wait_ms in (0, min(gap_ms, QUIET_MS), gap_ms)]
    marks = [mark for look_ms in looks_ms if (mark := one.mark(look_ms))]
    return at_ms + hold_ms + gap_ms, marks


def expected(holds_ms: tuple[int, ...], gaps_ms: tuple[int, ...]) -> list[int]:
    """The same from the words of the README alone: a story in letters, looked at as a whole."""
    story = "q"
    for hold_ms, gap_ms in zip(holds_ms, gaps_ms, strict=True):
        story += "S" if hold_ms <= 500 else "L" if 1000 <= hold_ms <= 3000 else "x"
        story += "q" if gap_ms >= QUIET_MS else "g" if 150 <= gap_ms <= 1500 else "y"
    found = re.finditer(r"(?<=q)LgSgLg([SL])(?=q)", story)
    return [frame.WITHDRAWN if made[1] == "S" else frame.DURESS for made in found]


def test_every_sequence_of_five_presses_says_what_it_means_and_no_other() -> None:
    """Every hold and pause of each kind, to five presses: 271,452 sequences."""
    kinds = tuple(product(HOLDS_MS, GAPS_MS))
    count = 0

    def follow(one: Any, at_ms: int, made: tuple[tuple[int, int], ...], marks: list[int]) -> None:
        nonlocal count
        for hold_ms, gap_ms in kinds:
            count += 1
            hand = copy.copy(one)
            now_ms, more = played(hand, at_ms, hold_ms, gap_ms)
            story = (*made, (hold_ms, gap_ms))
            told = marks + more
            holds_ms, gaps_ms = zip(*story, strict=True)
            assert told == expected(holds_ms, gaps_ms), story
            if len(story) < 5:
                follow(hand, now_ms, story, told)

    follow(gesture.Gestures(ALL), 10_000, (), [])
    assert count == sum(12**length for length in range(1, 6))


@pytest.mark.parametrize(("last_ms", "mark"), [(200, frame.WITHDRAWN), (1500, frame.DURESS)])
def test_the_rhythms(last_ms: int, mark: int) -> None:
    holds_ms, gaps_ms = (1500, 200, 1500, last_ms), (600, 600, 600, QUIET_MS)
    assert told_by(holds_ms, gaps_ms) == [mark]
    assert told_by(holds_ms, (600, 600, 600, QUIET_MS - 1)) == []
    for place in range(3):
        for gap_ms in (149, 1501):
            other = list(gaps_ms)
            other[place] = gap_ms
            assert told_by(holds_ms, tuple(other)) == []
    for allowed in (0, gesture.RAISE, ALL & ~(gesture.WITHDRAW | gesture.DURESS)):
        assert told_by(holds_ms, gaps_ms, allowed) == []
    other_one = gesture.DURESS if mark == frame.WITHDRAWN else gesture.WITHDRAW
    assert told_by(holds_ms, gaps_ms, other_one) == []


@pytest.mark.parametrize("hold_ms", [500, 501, 999, 1000, 3000, 3001])
def test_the_edges_of_short_and_long(hold_ms: int) -> None:
    gaps_ms = (600, 600, 600, QUIET_MS)
    for place in range(4):
        holds_ms = [1500, 200, 1500, 200]
        holds_ms[place] = hold_ms
        assert told_by(tuple(holds_ms), gaps_ms) == expected(tuple(holds_ms), gaps_ms)


def hands(chance: random.Random) -> dict[str, list[tuple[int, int]]]:
    """What hands do in fear, as holds and pauses."""
    many = range(chance.randrange(1, 25))
    return {
        "mashing": [(chance.randrange(15, 900), chance.randrange(15, 900)) for _ in many],
        "clenching": [(chance.randrange(3001, 90_000), chance.randrange(15, 20_000)) for _ in many],
        "dropped": [(chance.randrange(1, 120), chance.randrange(1, 5000)) for _ in many],
        "kneading": [(chance.randrange(200, 4000), chance.randrange(15, 149)) for _ in many],
        "again and again, alike": [(chance.randrange(1000, 3000), 800) for _ in many],
    }


def test_what_is_done_in_fear_marks_nothing() -> None:
    chance = random.Random(17)
    for _ in range(4000):
        for name, made in hands(chance).items():
            holds_ms, gaps_ms = zip(*made, (60, 10_000), strict=True)
            assert told_by(holds_ms, gaps_ms) == [], name


def test_edges_that_were_lost_mark_nothing() -> None:
    """Presses count all the same: they are the button's, not the gestures'."""
    made = [(True, 0), (False, 1500), (True, 2100), (False, 2300), (True, 2900), (False, 4400)]
    made += [(True, 5000), (False, 5200)]
    whole = gesture.Gestures(ALL)
    for is_down, at_ms in made:
        whole.edge(is_down, 10_000 + at_ms)
    assert whole.is_pending()
    assert whole.mark(10_000 + 5200 + QUIET_MS) == frame.WITHDRAWN
    assert not whole.is_pending()
    for lost in range(len(made)):
        one = gesture.Gestures(ALL)
        for place, (is_down, at_ms) in enumerate(made):
            if place != lost:
                one.edge(is_down, 10_000 + at_ms)
        # The one before the rhythm was never there: a first press that is not seen to go down.
        assert not one.is_pending(), lost


def test_pressing_again_raises_the_severity_and_ten_quiet_seconds_let_it_fall() -> None:
    one = gesture.Gestures(gesture.RAISE)
    assert [one.pressed(at_ms) for at_ms in (0, 9000, 19_000, 19_100, 19_200)] == [0, 1, 2, 3, 3]
    assert one.pressed(29_201) == 0
    assert [gesture.Gestures(0).pressed(at_ms) for at_ms in (0, 1)] == [0, 0]
    # A clock that leaps back raises nothing.
    assert one.pressed(5) == 0


def test_the_bits_are_the_wire_s() -> None:
    assert gesture.RAISE == parcel.MAY_RAISE
    assert gesture.WITHDRAW == parcel.MAY_WITHDRAW
    assert gesture.DURESS == parcel.MAY_TELL_DURESS
    assert gesture._SEVERITY_MAX <= frame.SEVERITY


class Hand:
    """A bip, its box, and a hand that may say all that a hand can say."""

    def __init__(self) -> None:
        self.bip, self.box = Bip(), Box()
        self.gestures = gesture.Gestures(ALL)
        self.told: dict[int, int] = {}
        """The gesture that the box was told of each press."""
        self.let_time_pass(1000)

    def press(self, hold_ms: int, gap_ms: int) -> int:
        """Press; return the press that left at once."""
        severity = self.gestures.pressed(self.bip.now_ms)
        before = len(self.bip.air)
        self.bip.do(self.bip.sender.press(self.bip.now_ms, severity))
        kind, _, number, payload = self.bip.opened(self.bip.air[before][1])
        assert kind == frame.PRESS
        assert frame.unpack_press(payload)[0] == number, "not a press of its own"
        self.gestures.edge(True, self.bip.now_ms)
        self.let_time_pass(hold_ms)
        self.gestures.edge(False, self.bip.now_ms)
        self.let_time_pass(gap_ms)
        return number

    def let_time_pass(self, duration_ms: int) -> None:
        end_ms = self.bip.now_ms + duration_ms
        while self.bip.now_ms < end_ms:
            self.bip.advance(min(50, end_ms - self.bip.now_ms))
            mark = self.gestures.mark(self.bip.now_ms)
            if mark:
                self.bip.do(self.bip.sender.mark(self.bip.now_ms, mark))
            for _, sealed, _ in self.bip.sent():
                kind, _, _, payload = self.bip.opened(sealed)
                if kind == frame.PRESS:
                    number, gesture_ = (
                        frame.unpack_press(payload)[0],
                        frame.unpack_press(payload)[7],
                    )
                    self.told[number] = gesture_
                self.bip.receive(self.box.take(sealed))


@pytest.mark.parametrize("first", list(product((60, 2000), GAPS_MS)))
def test_whatever_the_hand_does_each_press_is_an_alert(first: tuple[int, int]) -> None:
    """With the firmware's sender, every sequence of three presses: each reaches the box."""
    kinds = tuple(product((60, 2000), GAPS_MS))
    for rest in product(kinds, repeat=2):
        hand = Hand()
        numbers = [hand.press(*one) for one in (first, *rest)]
        assert len(set(numbers)) == 3
        hand.let_time_pass(4000)
        assert set(hand.box.states) == set(numbers), (first, rest)


@pytest.mark.parametrize(("last_ms", "mark"), [(200, frame.WITHDRAWN), (1500, frame.DURESS)])
def test_a_mark_is_told_stops_nothing_and_feels_alike(last_ms: int, mark: int) -> None:
    hand = Hand()
    numbers = [hand.press(hold_ms, 600) for hold_ms in (1500, 200, 1500)]
    numbers.append(hand.press(last_ms, 5000))
    assert set(hand.box.states) == set(numbers)
    assert hand.told == dict(zip(numbers, (0, 1, 2, 3 | mark), strict=True))
    assert hand.bip.felt[-1] == "noted"
    assert hand.bip.felt.count("noted") == 1
    # The alert goes on as if nothing had been said.
    assert hand.bip.open_presses() == [numbers[-1]]
    hand.box.raise_to(numbers[-1], frame.STATE_COMING)
    hand.let_time_pass(2000)
    assert hand.bip.felt[-1] == "coming"


def test_a_mark_that_nobody_hears_goes_on_with_the_press_also_in_a_later_wake() -> None:
    bip, box = Bip(), Box()
    number = bip.press()
    bip.receive(box.take(bip.sent()[0][1]))
    bip.do(bip.sender.mark(bip.now_ms, frame.DURESS))
    bip.sent()
    bip.now_ms += 300_000
    bip.wake(known_time=True)
    bip.advance(1)
    told = [bip.opened(sealed) for _, sealed, _ in bip.sent()]
    marked = [frame.unpack_press(payload) for kind, _, _, payload in told if kind == frame.PRESS]
    assert [(one[0], one[7]) for one in marked] == [(number, frame.DURESS)]
    assert marked[0][8] == 300


def test_a_mark_is_told_also_of_a_press_that_is_over() -> None:
    bip, box = Bip(), Box()
    number = bip.press()
    box.take(bip.air[0][1])
    box.raise_to(number, frame.STATE_COMING)
    bip.receive(box.take(bip.sent()[0][1]))
    assert bip.open_presses() == []
    bip.do(bip.sender.mark(bip.now_ms, frame.DURESS))
    bip.advance(10)
    (sealed,) = [sealed for _, sealed, _ in bip.sent() if bip.opened(sealed)[0] == frame.PRESS]
    assert frame.unpack_press(bip.opened(sealed)[3])[7] == frame.DURESS
    bip.receive(box.take(sealed))
    assert bip.open_presses() == []
    assert bip.felt == ["coming", "noted"]


def test_a_box_that_has_not_stored_the_press_has_not_taken_its_mark() -> None:
    bip, box = Bip(), Box()
    bip.press()
    bip.do(bip.sender.mark(bip.now_ms, frame.WITHDRAWN))
    bip.advance(5000)
    for _, sealed, _ in bip.sent():
        bip.receive(box.take(sealed, stores=False))
    assert bip.felt == []
    bip.advance(5000)
    for _, sealed, _ in bip.sent():
        bip.receive(box.take(sealed))
    assert bip.felt == ["heard", "noted"]


def test_a_further_press_takes_no_mark_away() -> None:
    bip, box = Bip(), Box()
    first = bip.press()
    bip.receive(box.take(bip.sent()[0][1]))
    bip.do(bip.sender.mark(bip.now_ms, frame.DURESS))
    bip.press()
    told = {}
    for _ in range(20):
        bip.advance(200)
        for _, sealed, _ in bip.sent():
            if bip.opened(sealed)[0] == frame.PRESS:
                number, *_, gesture_, _ = frame.unpack_press(bip.opened(sealed)[3])
                told[number] = gesture_
            bip.receive(box.take(sealed))
    assert told[first] == frame.DURESS
    assert len(told) == 2
    # The palm is told of the newest press only.
    assert bip.felt == ["heard", "heard"]


def test_an_answer_to_what_was_sent_before_says_nothing_of_the_mark() -> None:
    """Also one that says that an officer is coming: the mark goes on until it is told."""
    for state in (frame.STATE_HEARD, frame.STATE_COMING):
        bip, box = Bip(), Box()
        number = bip.press()
        before = bip.sent()[0][1]
        bip.receive(box.take(before))
        bip.do(bip.sender.mark(bip.now_ms, frame.DURESS))
        box.raise_to(number, state)
        bip.receive(box.take(before))
        assert "noted" not in bip.felt
        bip.advance(10)
        (marked,) = [sealed for _, sealed, _ in bip.sent() if bip.opened(sealed)[0] == frame.PRESS]
        assert frame.unpack_press(bip.opened(marked)[3])[7] == frame.DURESS
        bip.receive(box.take(marked))
        assert bip.felt[-1] == "noted"
        assert bip.open_presses() == ([] if state == frame.STATE_COMING else [number])
