"""The officer's answer by SMS: what is one, what is none, and what proves it."""

from __future__ import annotations

import random

import pytest

from vigibip.alert.officer_codes import (
    CODE_DIGITS,
    WORDS,
    OfficerReply,
    code_digest,
    new_word,
    read_reply,
)


@pytest.mark.parametrize(
    "text",
    [
        "LILAS 12345678",
        "lilas12345678",
        " Lilas, 1234 5678. ",
        "12345678 lilas",
        "12-34-56-78\nLÎLAS",
    ],
)
def test_a_hurried_thumb_is_understood(text: str) -> None:
    assert read_reply(text) == OfficerReply("LILAS", "12345678")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "LILAS",
        "12345678",
        "LILAS 1234567",
        "LILAS 123456789",
        "LILA 12345678",
        "LILAS ou TIGRE 12345678",
        "j'arrive LILAS 12345678",
        "LILAS ١٢٣٤٥٦٧٨",
        "LILAS 12345678" + " " * 400,
    ],
)
def test_what_is_not_one_word_and_one_code_is_no_answer(text: str) -> None:
    assert read_reply(text) is None


def test_seeded_garbage_is_never_more_than_no_answer() -> None:
    dice = random.Random(20261122)
    alphabet = "LILAS12345678 é\x00😀-"
    for _ in range(20_000):
        reply = read_reply("".join(dice.choices(alphabet, k=dice.randrange(0, 40))))
        assert reply is None or (reply.word in WORDS and len(reply.code) == CODE_DIGITS)


def test_words_are_plain_and_apart() -> None:
    assert len(set(WORDS)) == len(WORDS) >= 64
    assert all(word.isascii() and word.isalpha() and 4 <= len(word) <= 7 for word in WORDS)


def test_a_word_is_not_given_twice_while_one_is_free() -> None:
    dice = random.Random(1)
    taken: set[str] = set()
    for _ in WORDS:
        taken.add(new_word(dice, taken))
    assert taken == set(WORDS)
    assert new_word(dice, taken) in WORDS


def test_a_digest_depends_on_code_and_salt() -> None:
    one = code_digest("12345678", bytes(16))
    assert one == code_digest("12345678", bytes(16))
    assert (
        len({one, code_digest("12345679", bytes(16)), code_digest("12345678", bytes(15) + b"1")})
        == 3
    )
