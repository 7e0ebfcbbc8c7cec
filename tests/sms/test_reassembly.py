"""Parts of long texts: any order, twice, late, never; and floods."""

import itertools
import random
import tracemalloc
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigibip.base.clock import DrivenClock
from vigibip.sms.address import Address
from vigibip.sms.pdu import Deliver
from vigibip.sms.reassembly import (
    FINISHED_MAX,
    PARTS_MAX,
    TIMEOUT_S,
    UNFINISHED_MAX,
    UNFINISHED_PER_SENDER_MAX,
    Reassembly,
    Whole,
)
from vigibip.sms.segments import segment
from vigibip.sms.user_data import UserData, of_segment

OFFICER = Address.parse("+33639980001")
MORNING = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
TEXT = "Agression au tabac, deux hommes, partis vers la gare. € " * 7


def delivers(text: str, reference: int = 7, sender: Address = OFFICER) -> list[Deliver]:
    return [
        Deliver(sender=sender, data=of_segment(one), sent_utc=MORNING)
        for one in segment(text, reference, parts_max=255)
    ]


def raw(body: bytes, header: str, dcs: int = 0) -> Deliver:
    data = UserData(dcs=dcs, header=bytes.fromhex(header), body=body)
    return Deliver(sender=OFFICER, data=data, sent_utc=MORNING)


def add_all(reassembly: Reassembly, parts: list[Deliver], *, known: bool = True) -> list[Whole]:
    """Add and finish; return what became whole."""
    found = []
    for part in parts:
        whole = reassembly.add(part, known=known)
        if whole is not None:
            reassembly.finish(whole)
            found.append(whole)
    return found


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_any_order(order: tuple[int, ...]) -> None:
    parts = delivers(TEXT)
    assert len(parts) == 3
    reassembly = Reassembly(DrivenClock())
    assert [whole.text for whole in add_all(reassembly, [parts[n] for n in order])] == [TEXT]
    assert reassembly.unfinished == 0


@given(st.data())
def test_duplicates_anywhere_make_no_second_text(data: st.DataObject) -> None:
    parts = delivers(TEXT)
    extra = data.draw(st.lists(st.sampled_from(parts), max_size=6))
    arrivals = data.draw(st.permutations(parts + extra))
    reassembly = Reassembly(DrivenClock())
    assert [whole.text for whole in add_all(reassembly, arrivals)] == [TEXT]
    assert reassembly.counts["duplicate"] == len(extra)
    assert reassembly.unfinished == 0


def test_until_it_is_safe_the_last_part_completes_it_again() -> None:
    parts = delivers(TEXT)
    reassembly = Reassembly(DrivenClock())
    first, again = [[reassembly.add(part, known=True) for part in parts][-1] for _ in "12"]
    assert first is not None
    assert again is not None
    assert first.text == again.text == TEXT


def test_references_of_one_sender_are_kept_apart() -> None:
    one, two = delivers("a" * 200, reference=1), delivers("b" * 200, reference=2)
    reassembly = Reassembly(DrivenClock())
    mixed = [one[0], two[1], two[0], one[1]]
    assert [whole.text for whole in add_all(reassembly, mixed)] == ["b" * 200, "a" * 200]


def test_senders_with_one_reference_are_kept_apart() -> None:
    one, two = delivers("a" * 200), delivers("b" * 200, sender=Address.parse("+33639980002"))
    reassembly = Reassembly(DrivenClock())
    assert [whole.text for whole in add_all(reassembly, [one[0], two[1], one[1], two[0]])] == [
        "a" * 200,
        "b" * 200,
    ]


def test_an_8_bit_and_a_16_bit_reference_are_never_the_same() -> None:
    reassembly = Reassembly(DrivenClock())
    assert reassembly.add(raw(b"a", "0003070201"), known=True) is None
    assert reassembly.add(raw(b"b", "080400070202"), known=True) is None
    assert reassembly.unfinished == 2


def test_a_reference_that_comes_round_begins_anew() -> None:
    old, new = delivers("a" * 200), delivers("b" * 200)
    reassembly = Reassembly(DrivenClock())
    assert [whole.text for whole in add_all(reassembly, [old[0], *new])] == ["b" * 200]
    assert reassembly.counts["restarted"] == 1


async def test_a_part_that_comes_too_late_completes_nothing() -> None:
    clock = DrivenClock()
    reassembly = Reassembly(clock)
    first, second = delivers("a" * 200)
    reassembly.add(first, known=True)
    await clock.advance(TIMEOUT_S + 1)
    assert reassembly.add(second, known=True) is None
    assert reassembly.counts["timed-out"] == 1
    assert reassembly.unfinished == 1


async def test_a_part_that_comes_just_in_time_completes() -> None:
    clock = DrivenClock()
    reassembly = Reassembly(clock)
    first, second = delivers("a" * 200)
    reassembly.add(first, known=True)
    await clock.advance(TIMEOUT_S - 1)
    whole = reassembly.add(second, known=True)
    assert whole is not None
    assert whole.text == "a" * 200


def test_escapes_and_pairs_that_a_sender_cut_are_whole_again() -> None:
    reassembly = Reassembly(DrivenClock())
    parts = [raw(b"10 \x1b", "0003070201"), raw(b"\x65", "0003070202")]
    assert add_all(reassembly, parts)[0].text == "10 €"
    emoji = "😀".encode("utf-16-be")
    parts = [raw(emoji[:2], "0003080201", 8), raw(emoji[2:], "0003080202", 8)]
    assert add_all(reassembly, parts)[0].text == "😀"


def test_parts_of_different_codings_are_one_text() -> None:
    reassembly = Reassembly(DrivenClock())
    parts = [raw(b"abc ", "0003070201"), raw("ê".encode("utf-16-be"), "0003070202", 8)]
    assert add_all(reassembly, parts)[0].text == "abc ê"


def test_a_text_with_a_part_of_data_is_no_text() -> None:
    reassembly = Reassembly(DrivenClock())
    (whole,) = add_all(reassembly, [raw(b"a", "0003070201"), raw(b"\xff", "0003070202", 4)])
    assert whole.text is None


def test_a_stranger_floods_only_strangers() -> None:
    reassembly = Reassembly(DrivenClock())
    first, second = delivers("a" * 200)
    reassembly.add(first, known=True)
    for number in range(2000):
        sender = Address.parse(f"+336399{number:05d}")
        reassembly.add(delivers("x" * 200, number % 256, sender)[0], known=False)
    assert reassembly.unfinished <= UNFINISHED_MAX + 1
    whole = reassembly.add(second, known=True)
    assert whole is not None
    assert whole.text == "a" * 200


def test_one_sender_pushes_out_only_his_own() -> None:
    reassembly = Reassembly(DrivenClock())
    first, second = delivers("a" * 200)
    reassembly.add(first, known=True)
    talker = Address.parse("+33639980002")
    for reference in range(256):
        reassembly.add(delivers("x" * 200, reference, talker)[0], known=True)
    assert reassembly.unfinished == UNFINISHED_PER_SENDER_MAX + 1
    assert reassembly.add(second, known=True) is not None


def test_more_parts_than_anybody_writes_are_refused() -> None:
    reassembly = Reassembly(DrivenClock())
    parts = delivers("a" * (153 * PARTS_MAX + 1))
    assert add_all(reassembly, parts) == []
    assert reassembly.counts["too-long"] == PARTS_MAX + 1
    assert reassembly.unfinished == 0


def test_memory_is_bounded_whatever_comes() -> None:
    chance = random.Random(7)
    reassembly = Reassembly(DrivenClock())
    tracemalloc.start()
    try:
        for _ in range(5_000):
            total = chance.randrange(2, 30)
            header = bytes((0, 3, chance.randrange(256), total, chance.randint(1, total)))
            data = UserData(header=header, body=chance.randbytes(chance.randrange(153)))
            sender = Address.parse(f"+3363998{chance.randrange(10_000):04d}")
            message = Deliver(sender=sender, data=data, sent_utc=MORNING)
            whole = reassembly.add(message, known=chance.random() < 0.5)
            if whole is not None:
                reassembly.finish(whole)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert reassembly.unfinished <= 2 * UNFINISHED_MAX
    assert size < 2 * UNFINISHED_MAX * PARTS_MAX * 600 + FINISHED_MAX * 4000
