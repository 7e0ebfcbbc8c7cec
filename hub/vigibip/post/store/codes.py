"""Officers' codes: cards of one-time codes, and the judgement of an answer that was keyed.

Whoever guesses is bounded: after some wrong codes within a time, an answer takes two unused codes
of one card, keyed one after the other. A right code is never locked out by somebody else's wrong
ones, and an officer who hears no confirmation does just that: he keys his next code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from vigibip.alert.life import IncidentState
from vigibip.post.store import incidents
from vigibip.post.store.incidents import Change
from vigibip.post.store.schema import Answer, Incident, OfficerCard, OfficerCode

# The second code of a pair comes at the officer's next attempt, not an hour later.
_PAIR_WITHIN = timedelta(minutes=2)
_UNPROVEN_MAX = 1000


class Reason(StrEnum):
    """Why an answer is not proven."""

    WRONG_CODE = "wrong-code"
    NO_INCIDENT = "no-incident"  # a right code, for a number that is not open
    ONE_MORE_CODE = "one-more-code"  # a right code, while somebody is guessing
    WRONG_SMS_CODE = "wrong-sms-code"  # to a box, by SMS: it guesses nothing on the radio


@dataclass(frozen=True, slots=True, kw_only=True)
class Guessing:
    """How many wrong codes within how long count as guessing."""

    wrong_max: int
    window_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """An answer as it was keyed. `digests`: the code's hash for each salt in use.

    `static`: it is the static code that the settings allow.
    """

    number: int
    digests: Mapping[bytes, bytes]
    static: bool
    via: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`change` is set if the answer is proven; else `reason` says why not (None: nothing new)."""

    change: Change | None
    reason: Reason | None
    guessing: bool


def salts(connection: Connection) -> list[bytes]:
    """Return every salt that a valid card's codes were hashed with."""
    return list(
        connection.execute(
            select(OfficerCard.salt).where(OfficerCard.voided_at.is_(None)).distinct()
        ).scalars()
    )


def taken_digests(connection: Connection, salt: bytes) -> set[bytes]:
    """Return the hashes of every code, used or not, of the valid cards with this salt."""
    return set(
        connection.execute(
            select(OfficerCode.digest)
            .join_from(OfficerCode, OfficerCard, OfficerCode.card == OfficerCard.id)
            .where(OfficerCard.voided_at.is_(None), OfficerCard.salt == salt)
        ).scalars()
    )


def add_card(
    connection: Connection, callsign: str, salt: bytes, digests: Sequence[bytes], now: datetime
) -> int:
    """Record a card and void the officer's former ones; return its number."""
    connection.execute(
        update(OfficerCard)
        .where(OfficerCard.callsign == callsign, OfficerCard.voided_at.is_(None))
        .values(voided_at=now)
    )
    card = connection.execute(
        insert(OfficerCard)
        .values(callsign=callsign, salt=salt, created_at=now)
        .returning(OfficerCard.id)
    ).scalar_one()
    connection.execute(
        insert(OfficerCode), [{"card": card, "digest": digest} for digest in digests]
    )
    return int(card)


def judge(connection: Connection, claim: Claim, guessing: Guessing, now: datetime) -> Verdict:
    """Decide on an answer; whatever it proves or does not is recorded in the same transaction."""
    incident_id = incidents.open_incident_numbered(connection, claim.number)
    suspected = _wrong_codes(connection, guessing, now) >= guessing.wrong_max
    code = _find(connection, claim)
    if code is not None and code.used_at is not None:
        if (
            incident_id is not None
            and code.used_for == incident_id
            and _answered(connection, incident_id)
        ):
            # The same officer again, who heard no confirmation; it proves nothing new.
            return Verdict(None, None, suspected)
        code = None
    if code is None and claim.static and not suspected:
        return _judge_static(connection, claim, incident_id, now)
    if code is None:
        unproven(connection, incident_id, "?", claim.via, Reason.WRONG_CODE, now)
        guessed = _wrong_codes(connection, guessing, now) >= guessing.wrong_max
        return Verdict(None, Reason.WRONG_CODE, guessed)

    # It was on the air: whatever comes of it, it is used.
    connection.execute(
        update(OfficerCode)
        .where(OfficerCode.id == code.id)
        .values(used_at=now, used_for=incident_id)
    )
    if incident_id is None:
        unproven(connection, None, code.callsign, claim.via, Reason.NO_INCIDENT, now)
        return Verdict(None, Reason.NO_INCIDENT, suspected)
    if suspected and not _second_of_pair(connection, code, incident_id, now):
        unproven(connection, incident_id, code.callsign, claim.via, Reason.ONE_MORE_CODE, now)
        return Verdict(None, Reason.ONE_MORE_CODE, True)
    change = incidents.answer(connection, incident_id, by=code.callsign, via=claim.via, now=now)
    return Verdict(change, None, suspected)


def _judge_static(
    connection: Connection, claim: Claim, incident_id: str | None, now: datetime
) -> Verdict:
    if incident_id is None:
        unproven(connection, None, "?", claim.via, Reason.NO_INCIDENT, now)
        return Verdict(None, Reason.NO_INCIDENT, False)
    change = incidents.answer(connection, incident_id, by="radio", via=claim.via, now=now)
    return Verdict(change, None, False)


def _find(
    connection: Connection, claim: Claim
) -> Row[int, int, datetime | None, str | None, str] | None:
    for salt, digest in claim.digests.items():
        found = connection.execute(
            select(
                OfficerCode.id,
                OfficerCode.card,
                OfficerCode.used_at,
                OfficerCode.used_for,
                OfficerCard.callsign,
            )
            .join_from(OfficerCode, OfficerCard, OfficerCode.card == OfficerCard.id)
            .where(
                OfficerCode.digest == digest,
                OfficerCard.salt == salt,
                OfficerCard.voided_at.is_(None),
            )
        ).first()
        if found is not None:
            return found
    return None


def _answered(connection: Connection, incident_id: str) -> bool:
    state = connection.execute(
        select(Incident.state).where(Incident.id == incident_id)
    ).scalar_one()
    return state in (IncidentState.COMING, IncidentState.ON_SCENE)


def _wrong_codes(connection: Connection, guessing: Guessing, now: datetime) -> int:
    return connection.execute(
        select(func.count())
        .select_from(Answer)
        .where(
            Answer.reason == Reason.WRONG_CODE.value,
            Answer.at > now - timedelta(seconds=guessing.window_s),
        )
    ).scalar_one()


def _second_of_pair(
    connection: Connection,
    code: Row[int, int, datetime | None, str | None, str],
    incident_id: str,
    now: datetime,
) -> bool:
    """Tell whether another code of this card was used for this incident just before."""
    return (
        connection.execute(
            select(OfficerCode.id)
            .where(
                OfficerCode.card == code.card,
                OfficerCode.id != code.id,
                OfficerCode.used_for == incident_id,
                OfficerCode.used_at > now - _PAIR_WITHIN,
            )
            .limit(1)
        ).first()
        is not None
    )


def unproven(
    connection: Connection,
    incident_id: str | None,
    by: str,
    via: str,
    reason: Reason,
    now: datetime,
) -> None:
    """Record what was said without proof; the oldest of it makes room."""
    incidents.record_unproven(connection, incident_id, by=by, via=via, reason=reason.value, now=now)
    newest = select(func.max(Answer.id)).scalar_subquery()
    connection.execute(
        delete(Answer).where(Answer.proven.is_(False), Answer.id <= newest - _UNPROVEN_MAX)
    )
