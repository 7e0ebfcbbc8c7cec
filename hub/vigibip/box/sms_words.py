"""What the box's SMS say to whoever reads them with his own eyes, in French, one part each."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from vigibip.alert.sms_form import PART_SEPTETS, plain_words

PROBE = "VigiBip : essai du chemin SMS"
TAKEN = "VigiBip : votre réponse est enregistrée, le bip en est averti."
WRONG_CODE = "VigiBip : ce code n'est pas valable. Prendre le prochain code de la carte."
LOCKED = "VigiBip : trop de codes faux. Réessayer dans 10 minutes."

_A_DAY_S = 20 * 3600
# Of a long name; the street, which alone tells where to go, has the rest.
_NAME_MIN = 16


def moment(age_s: int | None, now_utc: datetime | None, zone: tzinfo) -> str:
    """Say when the press was, as a clock in `zone` showed it; `now_utc` None: clock unsure."""
    if age_s is None:
        return "heure d'appui inconnue"
    if now_utc is None:
        if age_s < 120:
            return f"appui il y a {age_s} s"
        if age_s < 2 * 3600:
            return f"appui il y a {age_s // 60} min"
        return f"appui il y a {age_s // 3600} h"
    pressed = (now_utc - timedelta(seconds=age_s)).astimezone(zone)
    if age_s < _A_DAY_S:
        return f"appui de {pressed:%Hh%M}"
    return f"appui du {pressed:%d/%m à %Hh%M}"


def alert_words(spoken: str, address: str, when: str, room: int) -> str:
    """Return the words of an alert in at most `room` characters; the moment is never cut."""
    return _placed("ALERTE", spoken, address, when, room)


def not_understood(word: str) -> str:
    """Return what an officer is told whose answer is none, while the call with `word` is open."""
    return (
        "VigiBip : réponse non comprise, le bip n'en sait rien. "
        f"Répondre seulement {word} et les 8 chiffres d'un code de la carte."
    )


def officer_words(spoken: str, address: str, when: str, word: str, presses: int) -> str:
    """Return the call to an officer; what he answers with is never cut."""
    if presses > 1:
        when = f"{presses} appuis, dernier : {when}"
    asked = f"{when}. Si vous y allez, répondre {word} et un code de la carte"
    return _placed("ALERTE VigiBip", spoken, address, asked, PART_SEPTETS)


def _placed(head: str, spoken: str, address: str, tail: str, room: int) -> str:
    head, tail = plain_words(head), plain_words(tail)
    space = max(0, room - len(head) - len(tail) - len(" , "))
    where = _where(plain_words(spoken), plain_words(address), space)
    return f"{head} {where}, {tail}" if where else f"{head}, {tail}"


def _where(name: str, street: str, space: int) -> str:
    if name and street and len(name) + len(", ") + len(street) > space:
        name_room = max(_NAME_MIN, space - len(", ") - len(street))
        name = name[:name_room].rstrip(" ,")
    return ", ".join(part for part in (name, street) if part)[:space].rstrip(" ,")
