"""Who may enter the console: accounts, sessions and one-time links, in a database of their own."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import argon2
from sqlalchemy import Connection, delete, insert, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from vigibip.base.clock import Clock, SystemClock
from vigibip.base.errors import StorageError, UsageError
from vigibip.base.writer import Writer
from vigibip.console.schema import HEAD_REVISION, Account, Link, SessionRow
from vigibip.post.config import PostSettings
from vigibip.post.store.database import SqliteDatabase, migrate

_log = logging.getLogger(__name__)

T = TypeVar("T")

_MIGRATIONS = Path(__file__).parent / "migrations"

PASSWORD_MIN = 12
PASSWORD_MAX = 200
_LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
# What secrets.token_urlsafe(32) makes; nothing else is worth a look into the file.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")

# A dispatcher's screen stays open for a shift; an abandoned one does not stay open for ever.
SESSION_IDLE = timedelta(hours=1)
SESSION_LIFE = timedelta(hours=24)
LINK_LIFE = timedelta(minutes=10)
# Writing "used now" for every request would wear the disk for nothing.
_USED_GRAIN = timedelta(minutes=1)

# A hash takes 64 MiB and some 100 ms: two at once, the others wait.
_HASHERS = 2


@dataclass(frozen=True, slots=True, repr=False)
class Session:
    """Somebody who is in. `csrf` must come back with each of his forms."""

    digest: str
    login: str
    csrf: str


@dataclass(frozen=True, slots=True)
class AccountView:
    login: str
    has_password: bool
    created_at: datetime


class Accounts:
    """The accounts of one console; `start` before use."""

    def __init__(self, path: Path, *, clock: Clock | None = None) -> None:
        self._path = path
        self._clock: Clock = clock or SystemClock()
        self._writer: Writer[Connection] = Writer(SqliteDatabase(path), name="console-writer")
        self._hasher = argon2.PasswordHasher()
        self._hashing = ThreadPoolExecutor(_HASHERS, thread_name_prefix="argon2")
        self._decoy: str | None = None
        # After a failure: when it may be tried again, monotonic.
        self._use_again_s = 0.0

    def start(self) -> None:
        """Create or migrate the file, and open it. Raises StorageError."""
        migrate(self._path, _MIGRATIONS, HEAD_REVISION)
        self._writer.start()

    def close(self) -> None:
        self._hashing.shutdown()
        self._writer.close()

    async def add(self, login: str, password: str | None) -> bool:
        """Make an account, or give one that is there this password and end its sessions and links.

        None: no password, for one-time links only; an account that is there stays as it is.
        False: it was there. Raises UsageError for a login or a password that cannot be taken.
        """
        check_login(login)
        password_hash = None
        if password is not None:
            check_password(login, password)
            password_hash = await self._in_hasher(self._hasher.hash, _plain(password))
        now = self._now()

        def write(connection: Connection) -> bool:
            known = connection.execute(select(Account.login).where(Account.login == login)).first()
            if known is None:
                connection.execute(
                    insert(Account).values(login=login, password_hash=password_hash, created_at=now)
                )
            elif password_hash is not None:
                connection.execute(
                    update(Account)
                    .where(Account.login == login)
                    .values(password_hash=password_hash)
                )
                connection.execute(delete(SessionRow).where(SessionRow.login == login))
                connection.execute(delete(Link).where(Link.login == login))
            return known is None

        return await self._writer.run(write)

    async def remove(self, login: str) -> None:
        """Delete the account, its sessions and its links. Raises UsageError for an unknown one."""
        rows = await self._writer.run(
            lambda connection: (
                connection.execute(delete(Account).where(Account.login == login)).rowcount
            )
        )
        if not rows:
            raise UsageError(f"aucun compte {login!r}")

    async def accounts(self) -> list[AccountView]:
        """Return every account, by login."""

        def read(connection: Connection) -> list[AccountView]:
            rows = connection.execute(
                select(Account.login, Account.password_hash, Account.created_at).order_by(
                    Account.login
                )
            )
            return [
                AccountView(
                    row.login, row.password_hash is not None, row.created_at.replace(tzinfo=UTC)
                )
                for row in rows
            ]

        return await self._writer.run(read)

    async def enter(
        self, login: str, password: str, *, instead_of: str | None = None
    ) -> tuple[str, Session] | None:
        """Return the cookie's value and the session, or None.

        An unknown login takes as long as a wrong password. The session of the cookie `instead_of`
        ends with the entry.
        """
        known = await self._writer.run(lambda connection: _password_hash(connection, login))
        if self._decoy is None:
            self._decoy = await self._in_hasher(self._hasher.hash, secrets.token_hex(16))
        right = await self._in_hasher(self._verify, known or self._decoy, _plain(password))
        if known is None or not right:
            return None

        def write(connection: Connection) -> tuple[str, Session] | None:
            # While the hash was computed the account may have gone, or its password changed.
            if _password_hash(connection, login) != known:
                return None
            return self._open(connection, login, instead_of)

        return await self._writer.run(write)

    async def new_link(self, login: str, life: timedelta = LINK_LIFE) -> tuple[str, datetime]:
        """Return a token that lets in once, and until when. Raises UsageError: no such account."""
        token = secrets.token_urlsafe(32)
        expires_at = self._now() + life

        def write(connection: Connection) -> bool:
            connection.execute(delete(Link).where(Link.expires_at < self._now()))
            known = connection.execute(select(Account.login).where(Account.login == login)).first()
            if known is None:
                return False
            connection.execute(
                insert(Link).values(digest=_digest(token), login=login, expires_at=expires_at)
            )
            return True

        if not await self._writer.run(write):
            raise UsageError(f"aucun compte {login!r} : `vigibip post account add`, ou --create")
        return token, expires_at.replace(tzinfo=UTC)

    async def enter_by_link(
        self, token: str, *, instead_of: str | None = None
    ) -> tuple[str, Session] | None:
        """Use up the link and return the cookie's value and the session; None: not (any more)."""
        if not _TOKEN.fullmatch(token):
            return None
        now = self._now()

        def take(connection: Connection) -> tuple[str, Session] | None:
            row = connection.execute(
                delete(Link)
                .where(Link.digest == _digest(token))
                .returning(Link.login, Link.expires_at)
            ).first()
            if row is None or row.expires_at < now:
                return None
            return self._open(connection, row.login, instead_of)

        return await self._writer.run(take)

    async def session(self, cookie: str) -> Session | None:
        """Return the session of a cookie's value; None when it is over or never was."""
        if not _TOKEN.fullmatch(cookie):
            return None
        now = self._now()
        digest = _digest(cookie)

        def use(connection: Connection) -> Session | None:
            row = connection.execute(
                select(
                    SessionRow.login, SessionRow.csrf, SessionRow.opened_at, SessionRow.used_at
                ).where(SessionRow.digest == digest)
            ).first()
            if row is None:
                return None
            if now - row.used_at > SESSION_IDLE or now - row.opened_at > SESSION_LIFE:
                return None
            if now - row.used_at > _USED_GRAIN:
                unwritten.append(digest)
            return Session(digest, row.login, row.csrf)

        unwritten: list[str] = []
        session = await self._writer.run(use)
        if unwritten and self._clock.monotonic_s() >= self._use_again_s:
            await self._note_use(digest, now)
        return session

    async def _note_use(self, digest: str, now: datetime) -> None:
        try:
            await self._writer.run(
                lambda connection: connection.execute(
                    update(SessionRow).where(SessionRow.digest == digest).values(used_at=now)
                )
            )
        except (StorageError, SQLAlchemyError):
            # A full disk is when a dispatcher most needs the page: he keeps what he has, and the
            # session ends by its last use that could be written.
            _log.error("the use of a session cannot be stored")
            self._use_again_s = self._clock.monotonic_s() + _USED_GRAIN.total_seconds()

    async def leave(self, session: Session) -> None:
        """End the session."""
        await self._writer.run(
            lambda connection: connection.execute(
                delete(SessionRow).where(SessionRow.digest == session.digest)
            )
        )

    def _open(
        self, connection: Connection, login: str, instead_of: str | None
    ) -> tuple[str, Session]:
        cookie = secrets.token_urlsafe(32)
        session = Session(_digest(cookie), login, secrets.token_urlsafe(32))
        now = self._now()
        connection.execute(
            delete(SessionRow).where(
                or_(
                    SessionRow.opened_at < now - SESSION_LIFE,
                    SessionRow.used_at < now - SESSION_IDLE,
                )
            )
        )
        if instead_of is not None:
            connection.execute(delete(SessionRow).where(SessionRow.digest == _digest(instead_of)))
        connection.execute(
            insert(SessionRow).values(
                digest=session.digest, login=login, csrf=session.csrf, opened_at=now, used_at=now
            )
        )
        return cookie, session

    def _now(self) -> datetime:
        # SQLite keeps no time zone: every time in this file is UTC.
        return self._clock.utc().replace(tzinfo=None)

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except argon2.exceptions.VerificationError:
            return False

    async def _in_hasher(self, call: Callable[..., T], *arguments: str) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._hashing, call, *arguments)


def accounts_path(settings: PostSettings) -> Path:
    """Return the file of accounts and sessions, beside the post's store."""
    return settings.data_dir / "console.sqlite"


def check_login(login: str) -> None:
    """Raise UsageError unless `login` can be one."""
    if not _LOGIN.fullmatch(login):
        raise UsageError("un identifiant : 1 à 40 lettres a-z, chiffres, points, tirets")


def check_password(login: str, password: str) -> None:
    """Raise UsageError unless `password` can be taken (NIST SP 800-63B: length before classes)."""
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        raise UsageError(f"un mot de passe : {PASSWORD_MIN} à {PASSWORD_MAX} caractères")
    plain = password.lower()
    if len(set(plain)) < 5 or login in plain or "vigibip" in plain:
        raise UsageError("ce mot de passe se devine : prenez plusieurs mots sans lien")


def _password_hash(connection: Connection, login: str) -> str | None:
    return connection.execute(
        select(Account.password_hash).where(Account.login == login)
    ).scalar_one_or_none()


def _plain(password: str) -> str:
    # One keyboard composes an accent, another does not (NIST SP 800-63B, 5.1.1.2).
    return unicodedata.normalize("NFKC", password)


def _digest(token: str) -> str:
    # The token is 256 random bits: a fast digest is as good as a slow one.
    return hashlib.sha256(token.encode()).hexdigest()
