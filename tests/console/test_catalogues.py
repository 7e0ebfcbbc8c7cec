"""Every word that is shown is in both catalogues, and the compiled files are fresh."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from vigibip.alert.life import IncidentState
from vigibip.base.catalogue import LANGUAGES, catalogue
from vigibip.console.words import FAULTS, OUTCOMES, STATES, UNPROVEN, WAYS
from vigibip.post.faults import FaultKind
from vigibip.post.store.codes import Reason
from vigibip.post.store.records import IncidentOutcome

HUB = Path(__file__).resolve().parents[2] / "hub" / "vigibip"


def shown() -> set[str | tuple[str, ...]]:
    """Return every message id of the templates and of the modules that hold words."""
    methods = [
        ("console/words.py", "python"),
        ("modem/advice.py", "python"),
        ("workshop/words.py", "python"),
        ("console/templates/**.html", "jinja2"),
    ]
    found = extract_from_dir(HUB, methods, {"jinja2": {}}, keywords={"_": None, "ngettext": (1, 2)})
    return {message[2] for message in found}


def po(language: str):
    with (HUB / "locales" / language / "LC_MESSAGES" / "vigibip.po").open("rb") as file:
        return read_po(file, locale=language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_holds_every_word_and_no_other(language: str) -> None:
    ids = shown()
    assert len(ids) > 100
    assert {message.id for message in po(language) if message.id} == ids


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_is_empty_or_unsure_and_placeholders_survive(language: str) -> None:
    for message in po(language):
        if not message.id:
            continue
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        words = message.string if isinstance(message.string, tuple) else (message.string,)
        assert not message.fuzzy, message.id
        for one, word in zip(ids, words, strict=True):
            assert word.strip(), message.id
            assert set(re.findall(r"%\(\w+\)s", word)) == set(re.findall(r"%\(\w+\)s", one))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_file_is_what_the_words_compile_to(language: str) -> None:
    fresh = io.BytesIO()
    write_mo(fresh, po(language))
    kept = HUB / "locales" / language / "LC_MESSAGES" / "vigibip.mo"
    assert kept.read_bytes() == fresh.getvalue()


def test_french_is_french() -> None:
    assert catalogue("fr").gettext("Nobody has answered") == "Personne n’a répondu"
    assert catalogue("en").gettext("Nobody has answered") == "Nobody has answered"


def test_every_kind_of_fault_state_outcome_and_reason_has_its_words() -> None:
    assert {kind.value for kind in FaultKind} | {"post-stopped"} <= set(FAULTS)
    assert set(STATES) == set(IncidentState)
    assert set(OUTCOMES) == set(IncidentOutcome)
    assert set(UNPROVEN) == set(Reason)
    assert {"console", "arrival", "voice"} <= set(WAYS)


def test_french_stops_stay_with_the_word_before_them() -> None:
    for message in po("fr"):
        words = message.string if isinstance(message.string, tuple) else (message.string,)
        if message.id:
            assert not [word for word in words if re.search(r" [:;!?»]|« ", word)]
            # The narrow one before ; ! ? and the full one before a colon.
            assert not [word for word in words if re.search(r"[a-zà-ÿ][:;!?]", word)]
