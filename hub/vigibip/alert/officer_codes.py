"""An officer's answer by SMS to a box that calls him itself, while the post is dead.

The box's SMS carries a one-time word; he answers with it and with the next code of his SMS card.
The box holds slow salted hashes of the card's codes alone. They are no codes of the radio's cards:
who takes a box apart learns nothing that answers an incident elsewhere.
"""

from __future__ import annotations

import hashlib
import random
import re
import unicodedata
from typing import NamedTuple

CODE_DIGITS = 8
SALT_LENGTH = 16
# 16 MB and some 50 ms on a PC: a hundred million codes of a stolen box's hashes cost weeks.
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**14, 8, 1
_DIGEST_LENGTH = 32
_REPLY_MAX_CHARS = 320

# Short, without accents, unlike each other by ear and on a small keyboard.
_ALL_WORDS = (
    "ABRI AGNEAU AIGLE AVION BAGUE BALCON BANANE BISON BOUGIE CABANE CAMION CANARD CERISE CHALET "
    "CIGALE CITRON CORAIL CUIVRE DATTE DOMINO ECUME EPICE FALAISE FIGUE FORET FUSEE GALET GIRAFE "
    "GUITARE HIBOU IGLOO IVOIRE JARDIN JUPITER KAYAK KIMONO LAVANDE LILAS LOUTRE MANGUE MELON "
    "MOULIN NAVIRE NUAGE OLIVE ORAGE PANDA PARASOL PIVOINE POIRE QUILLE RADEAU RENARD RUBIS SABLE "
    "SAPIN TIGRE TULIPE USINE VALISE VIOLON WAGON YAOURT ZEBRE"
)
WORDS = tuple(_ALL_WORDS.split())


class OfficerReply(NamedTuple):
    """What an officer's SMS says."""

    word: str
    code: str


def new_word(chance: random.Random, taken: set[str]) -> str:
    """Return a word that no open call uses. `chance` must be a cryptographic source in service."""
    return chance.choice([word for word in WORDS if word not in taken] or WORDS)


def code_digest(code: str, salt: bytes) -> bytes:
    """Return the slow hash of a code (scrypt, RFC 7914); blocks for tens of milliseconds."""
    return hashlib.scrypt(
        code.encode("ascii"),
        salt=salt,
        n=_SCRYPT_N,
        r=_SCRYPT_R,
        p=_SCRYPT_P,
        dklen=_DIGEST_LENGTH,
        maxmem=64 * 2**20,
    )


def read_reply(text: str) -> OfficerReply | None:
    """Return word and code of an officer's SMS, None when it is no such answer.

    Case, accents, order, punctuation and spaces between digits do not matter; anything more than
    one word and one code does: it is then no answer but talk.
    """
    if len(text) > _REPLY_MAX_CHARS:
        return None
    bare = "".join(
        one for one in unicodedata.normalize("NFD", text.upper()) if not unicodedata.combining(one)
    )
    words = re.findall(r"[A-Z]+", bare)
    code = "".join(re.findall(r"[0-9]", bare))
    if len(words) != 1 or words[0] not in WORDS or len(code) != CODE_DIGITS:
        return None
    return OfficerReply(words[0], code)
