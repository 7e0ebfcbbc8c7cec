"""What is said on the air, in French: the fixed phrases, and how an announcement joins them."""

from __future__ import annotations

import re

from vigibip.radio.contract import MAX_NUMBER, Announcement

LATE_AFTER_S = 120
"""An alert older than this is told with its age."""
MAX_SPOKEN_CHARS = 200
"""A shop's name with its address: some 20 s of speech, said twice within a transmission."""

SHOP = "shop"
"""Stands in a plan for the shop's own clip."""

# fmt: off
_UNITS = (
    "zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix", "onze",
    "douze", "treize", "quatorze", "quinze", "seize", "dix-sept", "dix-huit", "dix-neuf",
)
# fmt: on
_TENS = ("", "", "vingt", "trente", "quarante", "cinquante", "soixante")
# What Pico would spell out or misread in an address.
_ABBREVIATIONS = {
    "av": "avenue",
    "ave": "avenue",
    "bd": "boulevard",
    "bld": "boulevard",
    "chem": "chemin",
    "fg": "faubourg",
    "imp": "impasse",
    "pl": "place",
    "rte": "route",
    "st": "saint",
    "ste": "sainte",
}
_ABBREVIATION = re.compile(r"\b(" + "|".join(_ABBREVIATIONS) + r")\b\.?", re.IGNORECASE)
# Pico takes markup between < and >, and \ as an escape: only plain text reaches it.
_UNSPEAKABLE = re.compile(r"[^\w\s'’.,-]", re.UNICODE)


def french_number(number: int) -> str:
    """`number`, 0-999, in words. Raises ValueError outside."""
    if not 0 <= number <= MAX_NUMBER:
        raise ValueError(f"{number} is not 0-{MAX_NUMBER}")
    if number < 100:
        return _below_hundred(number)
    hundreds, rest = divmod(number, 100)
    words = "cent" if hundreds == 1 else f"{_UNITS[hundreds]} cent"
    if rest:
        return f"{words} {_below_hundred(rest)}"
    return words if hundreds == 1 else f"{words}s"


def _below_hundred(number: int) -> str:
    if number < 20:
        return _UNITS[number]
    if number < 70:
        tens, unit = divmod(number, 10)
        if unit == 0:
            return _TENS[tens]
        return f"{_TENS[tens]} et un" if unit == 1 else f"{_TENS[tens]}-{_UNITS[unit]}"
    if number < 80:
        rest = number - 60
        return "soixante et onze" if rest == 11 else f"soixante-{_UNITS[rest]}"
    rest = number - 80
    return "quatre-vingts" if rest == 0 else f"quatre-vingt-{_UNITS[rest]}"


def _feminine(number: int) -> str:
    words = french_number(number)
    return f"{words}e" if words == "un" or words.endswith(" un") else words


def _phrases() -> dict[str, str]:
    phrases = {
        "alert": "Alerte.",
        "reminder": "Rappel.",
        "unnamed": "Commerce à lire sur la console.",
        "incident": "Incident",
        "again": "Nouvel appui.",
        "presses": "appuis.",
        "age-unknown": "Heure de l'appui inconnue.",
        "age-days": "Il y a plus d'un jour.",
        "digest": "Récapitulatif.",
        "waiting": "incidents en attente. Consultez la console.",
    }
    phrases |= {f"n-{number}": french_number(number) for number in range(1, 100)}
    phrases |= {f"hundred-{hundreds}": french_number(100 * hundreds) for hundreds in range(1, 10)}
    for minutes in range(2, 60):
        phrases[f"age-m-{minutes}"] = f"Il y a {_feminine(minutes)} minutes."
    for hours in range(1, 25):
        phrases[f"age-h-{hours}"] = f"Il y a {_feminine(hours)} heure{'s' if hours > 1 else ''}."
    return phrases


PHRASES = _phrases()
"""Every common clip's key and words; together with a shop's clip they say any announcement."""


def number_plan(number: int) -> tuple[str, ...]:
    """The clips that say `number`, 1-999."""
    if not 1 <= number <= MAX_NUMBER:
        raise ValueError(f"{number} is not 1-{MAX_NUMBER}")
    hundreds, rest = divmod(number, 100)
    return (f"hundred-{hundreds}",) * (hundreds > 0) + (f"n-{rest}",) * (rest > 0)


def is_number(key: str) -> bool:
    """Whether a clip is a number, or a part of one."""
    return key.startswith(("n-", "hundred-"))


def _age_plan(age_s: int | None) -> tuple[str, ...]:
    if age_s is None:
        return ("age-unknown",)
    if age_s < LATE_AFTER_S:
        return ()
    if age_s < 3600:
        return (f"age-m-{age_s // 60}",)
    hours = age_s // 3600
    return (f"age-h-{hours}",) if hours <= 24 else ("age-days",)


def _presses_plan(joined_presses: int) -> tuple[str, ...]:
    if joined_presses == 0:
        return ()
    if joined_presses == 1:
        return ("again",)
    return (*number_plan(min(joined_presses + 1, MAX_NUMBER)), "presses")


def plan(announcement: Announcement) -> tuple[str, ...]:
    """The clips of one saying of `announcement`, in order; SHOP stands for the shop's own."""
    age = _age_plan(announcement.age_s)
    if announcement.digest_of is not None:
        count = number_plan(min(announcement.digest_of, MAX_NUMBER))
        return ("digest", *count, "waiting", *age)
    return (
        *(("reminder",) if announcement.round_no > 1 else ()),
        "alert",
        SHOP,
        "incident",
        *number_plan(announcement.number),
        *_presses_plan(announcement.joined_presses),
        *age,
    )


def shop_sentence(spoken_name: str, address: str) -> str:
    """The shop's own sentence for the voice. Raises ValueError if nothing can be said of it."""
    parts = [_speakable(spoken_name), _speakable(address)]
    sentence = ", ".join(part for part in parts if part)[:MAX_SPOKEN_CHARS].rstrip(" ,")
    if not any(character.isalnum() for character in sentence):
        raise ValueError("the shop's name and address hold nothing that can be spoken")
    return f"{sentence}."


def _speakable(text: str) -> str:
    plain = " ".join(_UNSPEAKABLE.sub(" ", text[: 2 * MAX_SPOKEN_CHARS]).replace("_", " ").split())
    spelt = _ABBREVIATION.sub(lambda found: _ABBREVIATIONS[found[1].lower()], plain)
    return spelt.strip(" .,")


def announcement_text(
    *,
    spoken_name: str,
    address: str,
    number: int,
    round_no: int = 1,
    joined_presses: int = 0,
    age_s: int | None = 0,
) -> str:
    """The announcement as a person reads it on a radio's display; numbers stay figures."""
    shop = ", ".join(part.strip() for part in (spoken_name, address) if part.strip())
    parts = ["Rappel."] if round_no > 1 else []
    parts += ["Alerte.", f"{shop}.", f"Incident {number}."]
    if joined_presses:
        parts.append("Nouvel appui." if joined_presses == 1 else f"{joined_presses + 1} appuis.")
    parts += [PHRASES[key] for key in _age_plan(age_s)]
    return " ".join(parts)
