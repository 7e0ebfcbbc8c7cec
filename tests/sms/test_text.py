"""Characters: the alphabet as the standard prints it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigibip.sms.errors import TextError
from vigibip.sms.text import (
    from_gsm7,
    is_gsm7,
    septets,
    to_gsm7,
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


def test_septets_count_escapes_twice() -> None:
    assert septets("10 €") == 5
    with pytest.raises(TextError):
        septets("ê")


@given(st.text(alphabet=[c for c in DEFAULT if c != "\ufffc"] + list(EXTENSION.values())))
def test_what_is_written_is_read(text: str) -> None:
    assert from_gsm7(to_gsm7(text)) == text


@given(st.binary(max_size=200), st.integers(0, 15), st.integers(0, 15))
def test_any_septets_are_some_text(codes: bytes, locking: int, single: int) -> None:
    assert len(from_gsm7(codes, locking=locking, single=single)) <= len(codes)
