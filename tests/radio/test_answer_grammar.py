"""Digits become answers, and nothing else does."""

import random

import pytest

from vigibip.radio.answer_grammar import GAP_S, AnswerGrammar
from vigibip.radio.contract import HeardAnswer


def typed(keys: str, grammar: AnswerGrammar | None = None, gap_s: float = 0.2) -> list[HeardAnswer]:
    grammar = grammar or AnswerGrammar()
    answers = []
    for index, key in enumerate(keys):
        answer = grammar.feed(key, index * gap_s)
        if answer is not None:
            answers.append(answer)
    return answers


@pytest.mark.parametrize(
    ("keys", "number", "code"),
    [
        ("23*4711#", 23, "4711"),
        ("07*4711#", 7, "4711"),
        ("7*4711#", 7, "4711"),
        ("123*12345678#", 123, "12345678"),
        ("23**4711#", 23, "4711"),  # a key that bounced
        ("99*0000*4711#", 0, ""),  # the second * makes 0000 the number: none
        ("99*24*4711#", 24, "4711"),  # corrected himself
        ("#23*4711#", 23, "4711"),
        ("5A23*4711#", 23, "4711"),  # a radio's own identifier before
        ("23*471B23*4711#", 23, "4711"),
    ],
)
def test_an_answer_is_number_star_code_hash(keys: str, number: int, code: str) -> None:
    expected = [(number, code)] if number else []
    assert [(answer.number, answer.code) for answer in typed(keys)] == expected


@pytest.mark.parametrize(
    "keys",
    [
        "23*#",
        "*4711#",
        "#",
        "23#",
        "0*4711#",
        "000*4711#",
        "1234*4711#",
        "23*471#",
        "23*123456789#",
        "23*47A11#",
        "23*4711",
        "23*4711D",
    ],
)
def test_what_does_not_fit_is_no_answer(keys: str) -> None:
    assert typed(keys) == []


@pytest.mark.parametrize("garbage", ["#", "23*#", "99999999*1#", "12*123A", "****#", "ABCD", "5#"])
def test_it_finds_its_feet_after_garbage(garbage: str) -> None:
    grammar = AnswerGrammar()
    typed(garbage, grammar)
    assert [answer.number for answer in typed("23*4711#", grammar)] == [23]


def test_a_long_pause_begins_anew() -> None:
    grammar = AnswerGrammar()
    assert typed("99*12", grammar) == []
    late_s = 1 + GAP_S
    for key in "23*4711":
        assert grammar.feed(key, late_s) is None
    assert grammar.feed("#", late_s) == HeardAnswer(23, "4711", late_s)
    assert grammar.refused == 1


def test_a_pause_within_the_gap_is_fine() -> None:
    assert [answer.number for answer in typed("23*4711#", gap_s=GAP_S)] == [23]


def test_pending_tells_that_somebody_keys() -> None:
    grammar = AnswerGrammar()
    assert not grammar.pending(0)
    grammar.feed("2", 10)
    assert grammar.pending(10 + GAP_S)
    assert not grammar.pending(10.1 + GAP_S)
    grammar.reset()
    assert not grammar.pending(10)


def test_after_an_answer_nothing_is_pending() -> None:
    grammar = AnswerGrammar()
    typed("23*4711#", grammar)
    assert not grammar.pending(1.5)


def test_20000_random_streams_give_only_well_formed_answers() -> None:
    rng = random.Random(5)
    grammar = AnswerGrammar()
    now_s = 0.0
    answers = 0
    for _ in range(20_000):
        for key in rng.choices("0123456789*#ABCD", weights=[4] * 10 + [8, 6, 1, 1, 1, 1], k=12):
            now_s += rng.choice((0.1, 0.5, 7.0))
            answer = grammar.feed(key, now_s)
            if answer is not None:
                answers += 1
                assert 1 <= answer.number <= 999
                assert answer.code.isdigit()
                assert 4 <= len(answer.code) <= 8
    # Keys at random do make answers: it is the code that has to be guessed.
    assert answers > 10
