"""What is said, in French."""

import pytest

from tests.radio.rig import announcement
from vigibip.radio.speech import (
    MAX_SPOKEN_CHARS,
    PHRASES,
    SHOP,
    announcement_text,
    french_number,
    plan,
    shop_sentence,
)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zéro"),
        (16, "seize"),
        (17, "dix-sept"),
        (21, "vingt et un"),
        (22, "vingt-deux"),
        (60, "soixante"),
        (61, "soixante et un"),
        (70, "soixante-dix"),
        (71, "soixante et onze"),
        (77, "soixante-dix-sept"),
        (80, "quatre-vingts"),
        (81, "quatre-vingt-un"),
        (91, "quatre-vingt-onze"),
        (99, "quatre-vingt-dix-neuf"),
        (100, "cent"),
        (101, "cent un"),
        (200, "deux cents"),
        (280, "deux cent quatre-vingts"),
        (999, "neuf cent quatre-vingt-dix-neuf"),
    ],
)
def test_numbers_in_words(number: int, words: str) -> None:
    assert french_number(number) == words


def test_every_number_is_worded_differently() -> None:
    assert len({french_number(number) for number in range(1000)}) == 1000
    for outside in (-1, 1000):
        with pytest.raises(ValueError, match="0-999"):
            french_number(outside)


def said(**changes: object) -> str:
    words = PHRASES | {SHOP: "Tabac, 12 rue Zola."}
    return " ".join(words[key] for key in plan(announcement(**changes)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "Alerte. Tabac, 12 rue Zola. Incident vingt-trois"),
        ({"number": 100}, "Alerte. Tabac, 12 rue Zola. Incident cent"),
        ({"number": 271}, "Alerte. Tabac, 12 rue Zola. Incident deux cents soixante et onze"),
        ({"round_no": 2}, "Rappel. Alerte. Tabac, 12 rue Zola. Incident vingt-trois"),
        (
            {"joined_presses": 1},
            "Alerte. Tabac, 12 rue Zola. Incident vingt-trois Nouvel appui.",
        ),
        (
            {"joined_presses": 3, "age_s": 725},
            "Alerte. Tabac, 12 rue Zola. Incident vingt-trois quatre appuis. Il y a douze minutes.",
        ),
        ({"age_s": 119}, "Alerte. Tabac, 12 rue Zola. Incident vingt-trois"),
        (
            {"age_s": 21 * 60},
            "Alerte. Tabac, 12 rue Zola. Incident vingt-trois Il y a vingt et une minutes.",
        ),
        (
            {"age_s": 3600},
            "Alerte. Tabac, 12 rue Zola. Incident vingt-trois Il y a une heure.",
        ),
        (
            {"age_s": 10**9},
            "Alerte. Tabac, 12 rue Zola. Incident vingt-trois Il y a plus d'un jour.",
        ),
        (
            {"age_s": None},
            "Alerte. Tabac, 12 rue Zola. Incident vingt-trois Heure de l'appui inconnue.",
        ),
        (
            {"digest_of": 5, "age_s": 3000},
            "Récapitulatif. cinq incidents en attente. Consultez la console."
            " Il y a cinquante minutes.",
        ),
    ],
)
def test_an_announcement_says(changes: dict[str, object], words: str) -> None:
    assert said(**changes) == words


def test_every_announcement_can_be_said_from_the_clips() -> None:
    for number in range(1, 1000):
        said(number=number)
    for age_s in range(0, 100_000, 30):
        said(age_s=age_s)
    for joined in (0, 1, 2, 50, 998, 5000):
        said(joined_presses=joined)


@pytest.mark.parametrize(
    ("name", "address", "sentence"),
    [
        ("Tabac de la Gare", "12 rue des Lilas", "Tabac de la Gare, 12 rue des Lilas."),
        ("Optique Bd", "3 bis av. du Mal Foch", "Optique boulevard, 3 bis avenue du Mal Foch."),
        ("L'Épi d'Or", "", "L'Épi d'Or."),
        ("", "1 pl. St-Jean", "1 place saint-Jean."),
        ("Fleurs & <b>Co</b>\n\x00", "9, rue Zola.", "Fleurs b Co b, 9, rue Zola."),
    ],
)
def test_a_shop_s_sentence(name: str, address: str, sentence: str) -> None:
    assert shop_sentence(name, address) == sentence


def test_a_shop_s_sentence_is_bounded() -> None:
    assert len(shop_sentence("très long " * 100, "rue " * 1000)) <= MAX_SPOKEN_CHARS + 1


@pytest.mark.parametrize(("name", "address"), [("", ""), ("<>", "--"), (" ", "...")])
def test_nothing_to_say_is_told(name: str, address: str) -> None:
    with pytest.raises(ValueError, match="spoken"):
        shop_sentence(name, address)


def test_the_text_for_displays() -> None:
    text = announcement_text(
        spoken_name="Tabac",
        address="12 rue Zola",
        number=23,
        round_no=2,
        joined_presses=1,
        age_s=725,
    )
    assert text == (
        "Rappel. Alerte. Tabac, 12 rue Zola. Incident 23. Nouvel appui. Il y a douze minutes."
    )
