"""Shops, their boxes and the enrolment of these. Functions of one transaction each."""

from __future__ import annotations

import secrets
import string
from datetime import datetime

from sqlalchemy import Connection, delete, insert, or_, select, update

from vigibip.base.errors import UsageError
from vigibip.post.errors import UnknownBoxError
from vigibip.post.store import contacts
from vigibip.post.store.records import KnownBox, ShopView, TokenRow
from vigibip.post.store.schema import Box, BoxMessage, BoxPath, EnrolmentToken, Shop

_BOX_LETTERS = string.digits + string.ascii_lowercase
KEY_LENGTH = 32


def create_shop(
    connection: Connection, *, name: str, spoken: str, address: str, now: datetime
) -> ShopView:
    """Make a shop and its box, which has no keys yet."""
    if not name.strip() or not spoken.strip():
        raise UsageError("a shop needs a name, and a name to be spoken")
    if len(name) > 120 or len(spoken) > 120 or len(address) > 200:
        raise UsageError("name and spoken name hold 120 characters, the address 200")
    shop_id = f"shop-{secrets.token_hex(8)}"
    box_id = "box-" + "".join(secrets.choice(_BOX_LETTERS) for _ in range(8))
    connection.execute(
        insert(Shop).values(id=shop_id, name=name, spoken=spoken, address=address, created_at=now)
    )
    connection.execute(insert(Box).values(id=box_id, shop=shop_id, last_sequence=0))
    return ShopView(
        shop_id=shop_id,
        box_id=box_id,
        name=name,
        spoken=spoken,
        address=address,
        enrolled_at=None,
        revoked_at=None,
    )


def shops(connection: Connection) -> list[ShopView]:
    """Return every shop with its boxes, by name."""
    rows = connection.execute(
        select(
            Shop.id,
            Box.id,
            Shop.name,
            Shop.spoken,
            Shop.address,
            Box.enrolled_at,
            Box.revoked_at,
            Box.phone,
        )
        .join_from(Box, Shop, Box.shop == Shop.id)
        .order_by(Shop.name, Box.id)
    )
    return [
        ShopView(
            shop_id=row[0],
            box_id=row[1],
            name=row[2],
            spoken=row[3],
            address=row[4],
            enrolled_at=row[5],
            revoked_at=row[6],
            phone=row[7],
        )
        for row in rows
    ]


def known_boxes(connection: Connection, box_id: str | None = None) -> dict[str, KnownBox]:
    """Return the boxes that are enrolled and not revoked; `box_id`: this one, if it is."""
    query = (
        select(
            Box.id,
            Box.up_key,
            Box.down_key,
            Shop.spoken,
            Shop.address,
            Box.phone,
            BoxPath.up_highest,
            BoxPath.up_bits,
        )
        .join_from(Box, Shop, Box.shop == Shop.id)
        .join(BoxPath, BoxPath.box == Box.id, isouter=True)
        .where(Box.revoked_at.is_(None))
    )
    if box_id is not None:
        query = query.where(Box.id == box_id)
    return {
        row[0]: KnownBox(row[1], row[2], row[3], row[4], row[5], window_of(row[6], row[7]))
        for row in connection.execute(query)
        if row[1] is not None and row[2] is not None
    }


def window_of(highest: int | None, bits: str | None) -> tuple[int, int]:
    """Return a box's window over SMS as `wire.window` has it; None: it has no row."""
    return (-1, 0) if highest is None or bits is None else (highest, int(bits, 16))


def set_box_keys(
    connection: Connection,
    box_id: str,
    *,
    up_key: bytes,
    down_key: bytes,
    serial: str,
    now: datetime,
) -> None:
    """Record that the box is enrolled with these keys and this certificate; it is served now."""
    if len(up_key) != KEY_LENGTH or len(down_key) != KEY_LENGTH:
        raise UsageError(f"a box key is {KEY_LENGTH} bytes")
    done = connection.execute(
        update(Box)
        .where(Box.id == box_id, Box.revoked_at.is_(None))
        .values(up_key=up_key, down_key=down_key, certificate_serial=serial, enrolled_at=now)
    )
    if done.rowcount != 1:
        raise UnknownBoxError(f"no box {box_id} that can be enrolled")
    # Under new keys its sequences begin again; those given to it go on.
    connection.execute(
        update(BoxPath).where(BoxPath.box == box_id).values(up_highest=-1, up_bits="0")
    )
    # Whoever entered its number did so before it was there.
    connection.execute(
        update(BoxPath)
        .where(BoxPath.box == box_id, BoxPath.expected_since.is_not(None))
        .values(expected_since=now)
    )
    contacts.renew(connection, now)


def revoke_box(connection: Connection, box_id: str, *, now: datetime) -> None:
    """Refuse this box from now on; its keys are forgotten, its tokens void, its messages ended.

    Its number is free for the box that takes its place.
    """
    done = connection.execute(
        update(Box)
        .where(Box.id == box_id)
        .values(revoked_at=now, up_key=None, down_key=None, phone=None)
    )
    if done.rowcount != 1:
        raise UnknownBoxError(f"no box {box_id}")
    connection.execute(delete(EnrolmentToken).where(EnrolmentToken.box == box_id))
    connection.execute(
        update(BoxMessage)
        .where(BoxMessage.box == box_id, BoxMessage.settled_at.is_(None))
        .values(settled_at=now)
    )
    contacts.renew(connection, now)


def put_token(connection: Connection, token: TokenRow) -> None:
    """Keep the token, and void any that its box was given before: one paper opens, the last."""
    connection.execute(delete(EnrolmentToken).where(EnrolmentToken.box == token.box_id))
    connection.execute(
        insert(EnrolmentToken).values(
            id=token.token_id,
            box=token.box_id,
            proof_key=token.proof_key,
            expires_at=token.expires_utc,
            claimed_key=token.claimed_key,
            certificate_pem=token.certificate_pem,
        )
    )


def get_token(connection: Connection, token_id: str) -> TokenRow | None:
    row = connection.execute(
        select(
            EnrolmentToken.id,
            EnrolmentToken.box,
            EnrolmentToken.proof_key,
            EnrolmentToken.expires_at,
            EnrolmentToken.claimed_key,
            EnrolmentToken.certificate_pem,
        ).where(EnrolmentToken.id == token_id)
    ).first()
    return None if row is None else TokenRow(*row)


def complete_enrolment(
    connection: Connection,
    token_id: str,
    *,
    claimed_key: bytes,
    certificate_pem: str,
    serial: str,
    up_key: bytes,
    down_key: bytes,
    now: datetime,
) -> bool:
    """Bind the token to the key that claims it and enrol its box; False: another key was first."""
    claimed = connection.execute(
        update(EnrolmentToken)
        .where(
            EnrolmentToken.id == token_id,
            or_(EnrolmentToken.claimed_key.is_(None), EnrolmentToken.claimed_key == claimed_key),
        )
        .values(claimed_key=claimed_key, certificate_pem=certificate_pem)
        .returning(EnrolmentToken.box)
    ).first()
    if claimed is None:
        return False
    set_box_keys(connection, claimed[0], up_key=up_key, down_key=down_key, serial=serial, now=now)
    return True


def purge_tokens(connection: Connection, before: datetime) -> int:
    """Forget the tokens that expired before then; return how many."""
    return connection.execute(
        delete(EnrolmentToken).where(EnrolmentToken.expires_at < before)
    ).rowcount
