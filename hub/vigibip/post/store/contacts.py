"""What boxes are told of SMS: the post's numbers, and the officer whom they may call themselves.

One edition for all boxes: it changes with the modems' numbers, with the boxes that are served (they
share the modems) and a box's own number, and with the officer's codes. It is at least the seconds
of Unix time at its making, so that a store that was brought back from a copy does not give an old
edition to new contents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from vigibip.post.store.schema import OfficerPhone, OfficerPhoneCode, SmsContacts

_EDITION_MAX = 2**32 - 1
_ROW = 1


@dataclass(frozen=True, slots=True, repr=False)
class CalledOfficer:
    """The officer whom boxes call: his number, and what proves his answer."""

    number: str
    salt: bytes
    digests: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, repr=False)
class ContactsView:
    edition: int
    post_numbers: tuple[str, ...]
    officer: CalledOfficer | None


def edition(connection: Connection) -> int:
    """Return the edition in force; 0 when nothing was ever to be told."""
    return connection.execute(select(SmsContacts.edition)).scalar() or 0


def current(connection: Connection) -> ContactsView:
    row = connection.execute(select(SmsContacts.edition, SmsContacts.post_numbers)).first()
    if row is None:
        return ContactsView(0, (), None)
    officer = connection.execute(
        select(OfficerPhone.callsign, OfficerPhone.number, OfficerPhone.salt)
        .order_by(OfficerPhone.made_at.desc(), OfficerPhone.callsign)
        .limit(1)
    ).first()
    if officer is None:
        return ContactsView(row[0], tuple(row[1]), None)
    digests = connection.execute(
        select(OfficerPhoneCode.digest)
        .where(OfficerPhoneCode.callsign == officer[0], OfficerPhoneCode.used_at.is_(None))
        .order_by(OfficerPhoneCode.id)
    ).scalars()
    called = CalledOfficer(officer[1], officer[2], tuple(digests))
    return ContactsView(row[0], tuple(row[1]), called)


def renew(connection: Connection, now: datetime, *, above: int = 0) -> int:
    """Give what boxes are told a new edition, above `above` too, and return it."""
    row = connection.execute(select(SmsContacts.edition)).first()
    before = 0 if row is None else row[0]
    new = min(_EDITION_MAX, max(before + 1, above + 1, int(now.timestamp())))
    if row is None:
        connection.execute(insert(SmsContacts).values(id=_ROW, edition=new, post_numbers=[]))
    else:
        connection.execute(update(SmsContacts).values(edition=new))
    return new


def use_numbers(connection: Connection, numbers: Sequence[str], now: datetime) -> None:
    """Tell boxes these numbers of the post's modems; the same ones change nothing."""
    held = connection.execute(select(SmsContacts.post_numbers)).scalar()
    if list(numbers) == (held or []):
        return
    renew(connection, now)
    connection.execute(update(SmsContacts).values(post_numbers=list(numbers)))


def put_officer(
    connection: Connection,
    callsign: str,
    number: str,
    salt: bytes,
    digests: Sequence[bytes],
    now: datetime,
) -> None:
    """Record an officer's number and SMS card, his former one void: now it is he who is called."""
    _forget(connection, callsign)
    connection.execute(
        insert(OfficerPhone).values(callsign=callsign, number=number, salt=salt, made_at=now)
    )
    connection.execute(
        insert(OfficerPhoneCode), [{"callsign": callsign, "digest": one} for one in digests]
    )
    renew(connection, now)


def remove_officer(connection: Connection, callsign: str, now: datetime) -> bool:
    """No box calls him any more; False when none did."""
    if not _forget(connection, callsign):
        return False
    renew(connection, now)
    return True


def _forget(connection: Connection, callsign: str) -> bool:
    connection.execute(delete(OfficerPhoneCode).where(OfficerPhoneCode.callsign == callsign))
    gone = connection.execute(delete(OfficerPhone).where(OfficerPhone.callsign == callsign))
    return gone.rowcount > 0
