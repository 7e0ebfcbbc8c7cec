"""The catalogues: the interface's two languages, and no way to ask for others."""

from __future__ import annotations

import pytest

from vigibip.base.catalogue import LANGUAGES, catalogue


def test_french_comes_first() -> None:
    assert LANGUAGES[0] == "fr"
    sentence = "a sentence of no catalogue"
    assert catalogue().gettext(sentence) == catalogue("fr").gettext(sentence)


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_unknown_sentence_is_shown_as_it_is(language: str) -> None:
    assert catalogue(language).gettext("a sentence of no catalogue") == "a sentence of no catalogue"


@pytest.mark.parametrize("language", ["", "de", "FR", "../../etc", "fr\0"])
def test_another_language_is_not_looked_for(language: str) -> None:
    with pytest.raises(ValueError, match="language"):
        catalogue(language)
