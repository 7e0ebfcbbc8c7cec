"""What the box's SMS say to whoever reads them with his own eyes, in French, one part each."""

from __future__ import annotations

from datetime import datetime, timedelta

from vigibip.alert.sms_form import PART_SEPTETS, plain_words

PROBE = "VigiBip : essai du chemin SMS"
TAKEN = "VigiBip : votre réponse est enregistrée, le bip en est averti."
WRONG_CODE = "VigiBip : ce code n'est pas valable. Prendre le prochain code de la carte."
LOCKED = "VigiBip : trop de codes faux. Réessayer dans 10 minutes."

_A_DAY_S = 20 * 3600


def moment(age_s: int | None, now_utc: datetime | None) -> str:
    """Say when the press was, in the machine's own time zone; `now_utc` None: clock unsure."""
    if age_s is None:
        return "heure d'appui inconnue"
    if now_utc is None:
        if age_s < 120:
            return f"appui il y a {age_s} s"
        if age_s < 2 * 3600:
            return f"appui il y a {age_s // 60} min"
        return f"appui il y a {age_s // 3600} h"
    pressed = (now_utc - timedelta(seconds=age_s)).astimezone()
    if age_s < _A_DAY_S:
        return f"appui de {pressed:%Hh%M}"
    return f"appui du {pressed:%d/%m à %Hh%M}"


def alert_words(spoken: str, address: str, when: str, room: int) -> str:
    """Return the words of an alert in at most `room` characters; the moment is never cut."""
    return _placed("ALERTE", spoken, address, when, room)


def officer_words(spoken: str, address: str, when: str, word: str, presses: int) -> str:
    """Return the call to an officer; what he answers with is never cut."""
    if presses > 1:
        when = f"{presses} appuis, dernier : {when}"
    asked = f"{when}. Si vous y allez, répondre {word} suivi d'un code de votre carte"
    return _placed("ALERTE VigiBip", spoken, address, asked, PART_SEPTETS)


def _placed(head: str, spoken: str, address: str, tail: str, room: int) -> str:
    head, tail = plain_words(head), plain_words(tail)
    where = plain_words(", ".join(part for part in (spoken, address) if part))
    where = where[: max(0, room - len(head) - len(tail) - len(" , "))].rstrip(" ,")
    return f"{head} {where}, {tail}" if where else f"{head}, {tail}"
