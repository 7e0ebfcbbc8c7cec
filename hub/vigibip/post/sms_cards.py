"""Officers' SMS cards: one-time codes that answer a box's own call, and nothing on the radio.

Made here, printed once, kept as slow salted hashes under a salt of the card's own, which the boxes
are told over data.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import dataclass

from vigibip.alert.officer_codes import CODE_DIGITS, SALT_LENGTH, code_digest
from vigibip.base.errors import UsageError
from vigibip.post.store.second_path import SecondPathStore

CODES = 20
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


@dataclass(frozen=True, slots=True, repr=False)
class SmsCard:
    """What is printed, once: the codes are nowhere else."""

    callsign: str
    codes: tuple[str, ...]


def read_number(text: str) -> str:
    """Return a phone number in E.164; spaces, dots and hyphens do not matter. Raises UsageError."""
    number = re.sub(r"[ .\-\u00a0\u202f]", "", text)
    if _E164.fullmatch(number) is None:
        raise UsageError("un numéro s'écrit avec son indicatif de pays, comme +33639980101")
    return number


async def new_sms_card(store: SecondPathStore, callsign: str, number: str) -> SmsCard:
    """Make a card; boxes call this officer from now on, and his former card is void.

    Raises UsageError.
    """
    if not 1 <= len(callsign) <= 40 or not callsign.isprintable():
        raise UsageError("un indicatif a 1 à 40 caractères imprimables")
    salt = secrets.token_bytes(SALT_LENGTH)
    codes: dict[bytes, str] = {}
    while len(codes) < CODES:
        code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"
        codes[await asyncio.to_thread(code_digest, code, salt)] = code
    await store.put_officer(callsign, number, salt, list(codes))
    return SmsCard(callsign, tuple(codes.values()))
