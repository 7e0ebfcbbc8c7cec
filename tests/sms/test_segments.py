"""The one segmenter: the borders of every part, and what is never cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigibip.sms.errors import TextError
from vigibip.sms.segments import PARTS_MAX, Coding, References, Segment, segment

EMOJI = "😀"  # two units
FAMILY = "👩\u200d👩\u200d👧\u200d👦"  # eleven units


def texts(segments: list[Segment]) -> list[str]:
    return [one.text for one in segments]


def lengths(segments: list[Segment]) -> list[int]:
    return [len(one.body) if one.coding is Coding.GSM7 else len(one.body) // 2 for one in segments]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [0]),
        ("a" * 160, [160]),
        ("a" * 161, [153, 8]),
        ("a" * 306, [153, 153]),
        ("a" * 307, [153, 153, 1]),
        ("€" * 80, [160]),
        ("€" * 81, [152, 10]),
        ("a" * 152 + "€" * 5, [152, 10]),  # the escape would be septet 153
        ("a" * 151 + "€" * 5, [153, 8]),
        ("a" * 152 + "[" + "b" * 152 + "]" + "c", [152, 153, 4]),
        ("ê" * 70, [70]),
        ("ê" * 71, [67, 4]),
        ("ê" * 134, [67, 67]),
        ("ê" * 135, [67, 67, 1]),
        (EMOJI * 35, [70]),
        ("ê" * 66 + EMOJI * 3, [66, 6]),  # the pair would stand across the border
        ("ê" * 65 + EMOJI * 3, [67, 4]),
    ],
)
def test_the_borders(text: str, expected: list[int]) -> None:
    parts = segment(text, 7)
    assert lengths(parts) == expected
    assert "".join(texts(parts)) == text


def test_a_single_part_has_no_header_and_needs_no_reference() -> None:
    (one,) = segment("Tout va bien", 7)
    assert (one.reference, one.header, one.part, one.parts) == (None, b"", 1, 1)


def test_parts_say_which_they_are() -> None:
    parts = segment("a" * 307, 0xA5)
    assert [one.header.hex() for one in parts] == ["0003a50301", "0003a50302", "0003a50303"]


@pytest.mark.parametrize(
    "cluster",
    ["e\u0302\u0323", FAMILY, "👍\U0001f3fd", "🇫🇷", "1\ufe0f\u20e3", "ê\u0323"],
)
def test_what_a_reader_sees_as_one_stays_in_one_part(cluster: str) -> None:
    for before in range(55, 72):
        parts = segment("ê" * before + cluster + "ê" * 60, 7)
        assert sum(cluster in piece for piece in texts(parts)) == 1


def test_a_monstrous_cluster_is_cut_between_characters() -> None:
    text = "e" + "\u0302" * 300
    parts = segment(text, 7)
    assert "".join(texts(parts)) == text
    assert max(lengths(parts)) <= 67


def test_flags_stay_pairs() -> None:
    parts = segment("🇫🇷" * 40, 7)
    assert all(len(piece) % 2 == 0 for piece in texts(parts))


@pytest.mark.parametrize(
    ("text", "reference"),
    [("a" * (PARTS_MAX * 153 + 1), 7), ("a" * 161, None), ("a" * 161, 256), ("\ud83d", 7)],
)
def test_what_cannot_be_sent_is_refused(text: str, reference: int | None) -> None:
    with pytest.raises(TextError):
        segment(text, reference)


def test_the_most_parts_are_still_sent() -> None:
    assert len(segment("a" * (PARTS_MAX * 153), 7)) == PARTS_MAX


def test_references_rotate() -> None:
    references = References(254)
    assert [references.next() for _ in range(4)] == [254, 255, 0, 1]


@given(st.text(alphabet=st.sampled_from("aé€[ê\u0302\u200d👩🇫\U0001f3fd\n@"), max_size=400))
def test_nothing_is_lost_added_or_cut(text: str) -> None:
    parts = segment(text, 7, parts_max=20)
    assert "".join(texts(parts)) == text
    assert len({one.coding for one in parts}) == 1
    limits = {Coding.GSM7: (160, 153), Coding.UCS2: (70, 67)}[parts[0].coding]
    assert max(lengths(parts)) <= limits[len(parts) > 1]
    for one in parts:
        assert not one.body.endswith(b"\x1b") or one.coding is Coding.UCS2
        if one.coding is Coding.UCS2:
            assert one.body.decode("utf-16-be") == one.text  # no half of a pair
