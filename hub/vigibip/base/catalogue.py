"""The words shown to people: gettext catalogues, French first, English complete too."""

from __future__ import annotations

import gettext
from functools import cache
from pathlib import Path

LANGUAGES = ("fr", "en")
_LOCALES = Path(__file__).resolve().parent.parent / "locales"


@cache
def catalogue(language: str = "fr") -> gettext.NullTranslations:
    """Return the catalogue of `language`.

    Message ids are English; a language without its catalogue file shows them as they are.
    """
    return gettext.translation("vigibip", _LOCALES, languages=[language], fallback=True)
