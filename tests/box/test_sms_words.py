"""What the box's SMS say to people: one part, the moment never cut."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from vigibip.alert.officer_codes import WORDS
from vigibip.alert.sms_form import PART_SEPTETS, plain_words
from vigibip.box import sms_words
from vigibip.sms.text import is_gsm7, septets

PARIS = ZoneInfo("Europe/Paris")
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MIDSUMMER_EVE = datetime(2026, 6, 20, 22, 30, tzinfo=UTC)


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
    assert sms_words.moment(age_s, None, PARIS) == told


def test_with_a_clock_the_time_of_the_press_is_told_where_the_box_stands() -> None:
    assert sms_words.moment(90, NOON, PARIS) == "appui de 12h58"
    assert sms_words.moment(None, NOON, PARIS) == "heure d'appui inconnue"
    assert sms_words.moment(2 * 86_400, NOON, PARIS) == "appui du 27/02 à 13h00"
    assert sms_words.moment(90, MIDSUMMER_EVE, PARIS) == "appui de 00h28"
    reunion = ZoneInfo("Indian/Reunion")
    assert sms_words.moment(2 * 86_400, MIDSUMMER_EVE, reunion) == "appui du 19/06 à 02h30"


def test_an_alert_names_shop_address_and_moment() -> None:
    words = sms_words.alert_words("Tabac du Centre", "12 rue des Lilas", "appui de 14h32", 110)
    assert words == "ALERTE Tabac du Centre, 12 rue des Lilas, appui de 14h32"


@pytest.mark.parametrize("room", [40, 60, 110])
def test_a_long_address_is_cut_and_the_moment_is_not(room: int) -> None:
    words = sms_words.alert_words("Épicerie " * 12, "boulevard " * 20, "appui de 14h32", room)
    assert len(words) <= room
    assert words.startswith("ALERTE Épicerie")
    assert words.endswith(", appui de 14h32")


@pytest.mark.parametrize(
    ("spoken", "told"),
    [
        ("Bar du Port", "Bar du Port"),
        ("Boulangerie artisanale du Vieux Port", "Boulangerie arti"),
        ("Épicerie " * 13, "Épicerie Épiceri"),
    ],
)
def test_a_long_name_leaves_the_street_its_room(spoken: str, told: str) -> None:
    street = "12 boulevard du Général de Gaulle"
    text = sms_words.officer_words(spoken, street, "appui de 14h32", "LAVANDE", presses=2)
    assert f"ALERTE VigiBip {told}, {street}, 2 appuis, dernier : appui de 14h32." in text
    assert septets(text) <= PART_SEPTETS


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
    "text",
    [
        sms_words.TAKEN,
        sms_words.WRONG_CODE,
        sms_words.LOCKED,
        sms_words.PROBE,
        sms_words.not_understood(max(WORDS, key=len)),
    ],
)
def test_what_is_said_besides_is_one_part_that_every_phone_shows(text: str) -> None:
    assert plain_words(text) == text
    assert septets(text) <= PART_SEPTETS
