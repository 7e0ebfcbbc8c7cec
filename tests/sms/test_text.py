"""Characters: the alphabet as the standard prints it, and what is said of the others."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigibip.sms.errors import TextError
from vigibip.sms.text import (
    Hint,
    from_gsm7,
    is_gsm7,
    normalise,
    plain,
    septets,
    to_gsm7,
    to_gsm7_hints,
)

# 3GPP TS 23.038, 6.2.1, typed from the standard, column by column; U+FFFC stands for the escape.
DEFAULT = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\ufffcÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
EXTENSION = dict(
    zip(
        (0x0A, 0x14, 0x28, 0x29, 0x2F, 0x3C, 0x3D, 0x3E, 0x40, 0x65),
        "\f^{}\\[~]|€",
        strict=True,
    )
)


def test_the_default_alphabet_is_the_standards() -> None:
    for code, character in enumerate(DEFAULT):
        if character != "\ufffc":
            assert to_gsm7(character) == bytes((code,))
            assert from_gsm7(bytes((code,))) == character


def test_the_extension_table_is_the_standards() -> None:
    for code, character in EXTENSION.items():
        assert to_gsm7(character) == bytes((0x1B, code))
        assert from_gsm7(bytes((0x1B, code))) == character


def test_nothing_else_is_in_gsm7() -> None:
    known = (set(DEFAULT) - {"\ufffc"}) | set(EXTENSION.values())
    found = {chr(point) for point in range(0x110000) if is_gsm7(chr(point))}
    assert found == known


def test_what_a_receiver_shows_for_escapes_it_does_not_know() -> None:
    assert from_gsm7(b"\x1bA") == "A"  # as the main table
    assert from_gsm7(b"a\x1b\x1bb") == "a b"  # reserved for another table: a space
    assert from_gsm7(b"a\x1b") == "a "


def test_national_tables_are_read() -> None:
    assert from_gsm7(b"\x1b\x69", single=1) == "ı"  # Turkish
    assert from_gsm7(b"\x1b\x09", single=2) == "ç"  # Spanish
    assert from_gsm7(b"\x04", locking=3) == "ê"  # Portuguese
    assert from_gsm7(b"\x04", locking=99, single=99) == "è"  # none that we know


@pytest.mark.parametrize("character", "éèàùÉÇ€@[]")
def test_what_french_keeps(character: str) -> None:
    assert is_gsm7(character)
    assert to_gsm7_hints(character) == []


@pytest.mark.parametrize(
    ("character", "instead"),
    [
        *[("ç", "c"), ("ê", "e"), ("â", "a"), ("î", "i"), ("ô", "o"), ("û", "u"), ("ë", "e")],
        *[("ï", "i"), ("ÿ", "y"), ("À", "A"), ("È", "E"), ("Ê", "E"), ("œ", "oe"), ("Œ", "OE")],
        *[("’", "'"), ("—", "-"), ("–", "-"), ("«", '"'), ("»", '"'), ("“", '"'), ("…", "...")],
        *[("\u00a0", " "), ("\u202f", " "), ("°", "o"), ("№", "No"), ("½", "1/2"), ("\t", " ")],
        *[("\u200b", ""), ("\u0302", ""), ("😀", None), ("日", None)],
    ],
)
def test_what_to_write_instead(character: str, instead: str | None) -> None:
    assert not is_gsm7(character)
    assert to_gsm7_hints(character) == [Hint(character, 1, instead)]


def test_hints_count_in_the_order_of_the_text() -> None:
    assert to_gsm7_hints("Forêt, l’allée de la forêt") == [Hint("ê", 2, "e"), Hint("’", 1, "'")]


def test_an_accent_beside_its_letter_is_one_character() -> None:
    assert to_gsm7_hints("e\u0301") == []
    assert to_gsm7_hints("e\u0302") == [Hint("ê", 1, "e")]


def test_plain_follows_the_hints_and_keeps_what_has_no_likeness() -> None:
    assert plain("Boulangerie « Forêt » — ça va… 😀") == 'Boulangerie " Foret " - ca va... 😀'


def test_septets_count_escapes_twice() -> None:
    assert septets("10 €") == 5
    with pytest.raises(TextError):
        septets("ê")


def test_normalising_changes_nothing_that_is_seen() -> None:
    assert normalise("a\r\nb\rc\u2028d") == "a\nb\nc\nd"
    assert normalise("10\u202f€\u00a0!\t\u200b\x00") == "10 € ! "
    assert normalise("e\u0301 ê ’ —") == "é ê ’ —"
    assert normalise("\ud83d") == "\ufffd"
    assert normalise("👩\u200d🚒") == "👩\u200d🚒"


@given(st.text(max_size=60))
def test_normalising_twice_is_normalising_once(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert unicodedata.is_normalized("NFC", once)


@given(st.text(max_size=60))
def test_plain_leaves_only_what_has_no_hint(text: str) -> None:
    assert all(hint.instead is None for hint in to_gsm7_hints(plain(text)))


@given(st.text(alphabet=[c for c in DEFAULT if c != "\ufffc"] + list(EXTENSION.values())))
def test_what_is_written_is_read(text: str) -> None:
    assert from_gsm7(to_gsm7(text)) == text


@given(st.binary(max_size=200), st.integers(0, 15), st.integers(0, 15))
def test_any_septets_are_some_text(codes: bytes, locking: int, single: int) -> None:
    assert len(from_gsm7(codes, locking=locking, single=single)) <= len(codes)
