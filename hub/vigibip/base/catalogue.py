"""The words shown to people: gettext catalogues, French first, English complete too."""

from __future__ import annotations

import gettext
from functools import cache
from pathlib import Path

LANGUAGES = ("fr", "en")
_LOCALES = Path(__file__).resolve().parent.parent / "locales"


@cache
def catalogue(language: str = "fr") -> gettext.NullTranslations:
    """Return the catalogue of `language`, one of LANGUAGES; ValueError for any other.

    Message ids are English; a language without its catalogue file shows them as they are.
    """
    if language not in LANGUAGES:
        # It may come from a browser: what is not ours is neither looked up on the disk nor kept.
        raise ValueError("not a language of the interface")
    return gettext.translation("vigibip", _LOCALES, languages=[language], fallback=True)
