"""Printed cards of one-time codes: made here, kept in the store as slow salted hashes.

All valid cards share one salt, because an answer must be checked against every code within a
fraction of a second: one hash then tells. A stolen store costs its thief the slow hash of every
possible code; the store's keys would serve him better.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import dataclass

from vigibip.base.errors import UsageError
from vigibip.post.config import AnswerSettings
from vigibip.post.store import Store

_SALT_LENGTH = 16
# 2 MB and some milliseconds each: a card of 20 is printed, and an answer judged, in no time.
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**11, 8, 1


@dataclass(frozen=True, slots=True, repr=False)
class Card:
    """What is printed, once: the codes are nowhere else."""

    card_id: int
    callsign: str
    codes: tuple[str, ...]


def digest(code: str, salt: bytes) -> bytes:
    """Return the slow hash of a code (scrypt, RFC 7914)."""
    return hashlib.scrypt(
        code.encode("ascii"), salt=salt, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P, dklen=32
    )


async def new_card(store: Store, callsign: str, settings: AnswerSettings) -> Card:
    """Make a card for an officer; his former one is void from now on. Raises UsageError."""
    if not 1 <= len(callsign) <= 40 or not callsign.isprintable():
        raise UsageError("a callsign has 1 to 40 printable characters")
    known = await store.code_salts()
    salt = known[0] if known else secrets.token_bytes(_SALT_LENGTH)
    taken = await store.taken_code_digests(salt)
    by_digest = await asyncio.to_thread(_new_codes, settings, salt, taken)
    card_id = await store.add_card(callsign, salt, list(by_digest))
    return Card(card_id, callsign, tuple(by_digest.values()))


def _new_codes(settings: AnswerSettings, salt: bytes, taken: set[bytes]) -> dict[bytes, str]:
    """Return fresh codes by their hash: none is on another valid card, none the static code."""
    # One in a thousand at most may be right, however many cards there are.
    if len(taken) + settings.codes_per_card > 10**settings.code_digits // 1000:
        raise UsageError(
            "too many codes for so few digits: raise answers.code_digits or lower"
            " answers.codes_per_card"
        )
    codes: dict[bytes, str] = {}
    while len(codes) < settings.codes_per_card:
        code = f"{secrets.randbelow(10**settings.code_digits):0{settings.code_digits}d}"
        hashed = digest(code, salt)
        if hashed not in taken and code != settings.static_code:
            codes[hashed] = code
    return codes
