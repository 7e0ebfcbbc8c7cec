"""What the box's SMS say to people: one part, the moment never cut."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from vigibip.alert.officer_codes import WORDS
from vigibip.alert.sms_form import PART_SEPTETS, plain_words
from vigibip.box import sms_words
from vigibip.sms.text import is_gsm7, septets

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("age_s", "told"),
    [
        (0, "appui il y a 0 s"),
        (119, "appui il y a 119 s"),
        (120, "appui il y a 2 min"),
        (7199, "appui il y a 119 min"),
        (7200, "appui il y a 2 h"),
        (None, "heure d'appui inconnue"),
    ],
)
def test_without_a_sure_clock_the_age_is_told(age_s: int | None, told: str) -> None:
    assert sms_words.moment(age_s, None) == told


def test_with_a_clock_the_time_of_the_press_is_told_where_the_box_stands() -> None:
    pressed = (NOON - timedelta(seconds=90)).astimezone()
    assert sms_words.moment(90, NOON) == f"appui de {pressed:%Hh%M}"
    assert sms_words.moment(None, NOON) == "heure d'appui inconnue"
    pressed = (NOON - timedelta(days=2)).astimezone()
    assert sms_words.moment(2 * 86_400, NOON) == f"appui du {pressed:%d/%m à %Hh%M}"


def test_an_alert_names_shop_address_and_moment() -> None:
    words = sms_words.alert_words("Tabac du Centre", "12 rue des Lilas", "appui de 14h32", 110)
    assert words == "ALERTE Tabac du Centre, 12 rue des Lilas, appui de 14h32"


@pytest.mark.parametrize("room", [40, 60, 110])
def test_a_long_address_is_cut_and_the_moment_is_not(room: int) -> None:
    words = sms_words.alert_words("Épicerie " * 12, "boulevard " * 20, "appui de 14h32", room)
    assert len(words) <= room
    assert words.startswith("ALERTE Épicerie")
    assert words.endswith(", appui de 14h32")


def test_without_contacts_there_is_still_an_alert() -> None:
    assert sms_words.alert_words("", "", "appui de 14h32", 110) == "ALERTE, appui de 14h32"


@pytest.mark.parametrize("spoken", ["Bar", "Épicerie «Chez Œdipe» €#{}" * 5])
@pytest.mark.parametrize("word", [min(WORDS, key=len), max(WORDS, key=len)])
def test_a_call_to_the_officer_fits_one_part_and_ends_with_what_he_answers(
    spoken: str, word: str
) -> None:
    when = "appui du 28/02 à 23h59"
    text = sms_words.officer_words(spoken, "avenue " * 30, when, word, presses=12)
    assert is_gsm7(text)
    assert septets(text) <= PART_SEPTETS
    assert "#" not in text
    assert f"répondre {word} " in text
    assert "12 appuis" in text
    assert "23h59" in text


@pytest.mark.parametrize(
    "text", [sms_words.TAKEN, sms_words.WRONG_CODE, sms_words.LOCKED, sms_words.PROBE]
)
def test_what_is_said_besides_is_one_part_that_every_phone_shows(text: str) -> None:
    assert plain_words(text) == text
    assert septets(text) <= PART_SEPTETS
