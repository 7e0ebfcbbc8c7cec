"""The console's own tables: accounts, sessions and one-time links."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

HEAD_REVISION = "0001"


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "ix": "ix_%(column_0_label)s",
        }
    )


class Account(Base):
    """Who may enter. Without a password, only by a one-time link."""

    __tablename__ = "account"
    login: Mapped[str] = mapped_column(String(40), primary_key=True)
    password_hash: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime]


class SessionRow(Base):
    """Who is in. Only the digest of the cookie's value is kept."""

    __tablename__ = "session"
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    login: Mapped[str] = mapped_column(ForeignKey("account.login", ondelete="CASCADE"), index=True)
    csrf: Mapped[str] = mapped_column(String(64))
    opened_at: Mapped[datetime]
    used_at: Mapped[datetime]


class Link(Base):
    """A link that lets its holder in once. Only the digest of its token is kept."""

    __tablename__ = "link"
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    login: Mapped[str] = mapped_column(ForeignKey("account.login", ondelete="CASCADE"), index=True)
    expires_at: Mapped[datetime]
