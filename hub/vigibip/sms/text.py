"""The characters of an SMS: the GSM 7-bit alphabets, and what to write instead of others.

3GPP TS 23.038, 6.2.1 and annex A. The tables are gsmcodecs'; its codec is not used, for it
refuses what section 6.2.1 tells a receiver to show (an unknown escape, an escape at the end).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from gsmcodecs.charmaps import GSMCHARMAPS

from vigibip.sms.errors import TextError

ESCAPE = 0x1B
_LOCKING: Mapping[int, Mapping[int, int]] = {
    language: tables["locking"]["decode"]
    for language, tables in GSMCHARMAPS.items()
    if "locking" in tables
}
_SINGLE: Mapping[int, Mapping[int, int]] = {
    language: tables["singleShift"]["decode"]
    for language, tables in GSMCHARMAPS.items()
    if "singleShift" in tables
}


def _encoding() -> dict[str, bytes]:
    extension = {
        chr(point): bytes((ESCAPE, septet))
        for septet, point in _SINGLE[0].items()
        if septet != ESCAPE  # reserved for another table: shown as a space, never written
    }
    default = {
        chr(point): bytes((septet,)) for septet, point in _LOCKING[0].items() if septet != ESCAPE
    }
    return extension | default


_SEPTETS = _encoding()
_GSM7 = re.compile(f"[{re.escape(''.join(_SEPTETS))}]*")

# What a reader takes for the same. Others lose their accents, by Unicode's decompositions.
_INSTEAD = (
    dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4\u0060\u02bc", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"')
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043", "-")
    | dict.fromkeys("\u2022\u00b7\u25cf\u25aa\u00ac", "-")
    | {"\u2039": "<", "\u203a": ">", "\u2192": "->", "\u2190": "<-", "\u2026": "...", "\t": " "}
    | {"\u2044": "/", "\u00f7": "/", "\u00d7": "x", "\u00b1": "+/-", "\u00a6": "|"}
    | {"\u0153": "oe", "\u0152": "OE", "\u00b0": "o", "\u00a9": "(c)", "\u00ae": "(R)"}
    | {"\u0131": "i", "\u0142": "l", "\u0141": "L", "\u0111": "d", "\u0110": "D"}
)
# Characters that nobody sees; the joiner of emoji (U+200D) is none of them.
_UNSEEN = re.compile(
    "[\x00-\x09\x0b\x0e-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
_LINE_END = re.compile("\r\n?|[\u0085\u2028\u2029]")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Hint:
    """A character that forces UCS-2, how often it stands there, and what to write instead.

    `instead` None: GSM-7 has nothing that a reader would take for it.
    """

    character: str
    count: int
    instead: str | None


def is_gsm7(text: str) -> bool:
    """Tell whether the default alphabet and its extension table hold every character."""
    return _GSM7.fullmatch(text) is not None


def septets(text: str) -> int:
    """Return how many septets `text` takes; a character of the extension table takes two.

    Raises TextError when a character is not in GSM-7.
    """
    return len(to_gsm7(text))


def to_gsm7(text: str) -> bytes:
    """Return the septets of `text`, one an octet. Raises TextError like `septets`."""
    try:
        return b"".join([_SEPTETS[character] for character in text])
    except KeyError:
        raise TextError("the text holds characters that GSM-7 does not have") from None


def from_gsm7(codes: bytes, *, locking: int = 0, single: int = 0) -> str:
    """Return the text of `codes`, one septet an octet; the eighth bit is ignored. Never fails.

    `locking` and `single` are the national language identifiers of TS 23.038, 6.2.1.2.4; unknown
    ones mean the default tables. After an escape, a code that the table does not have is shown
    as the main table shows it, and an escape, there or at the end, as a space (6.2.1.1). A code
    that a national table leaves empty becomes U+FFFD.
    """
    main = _LOCKING.get(locking, _LOCKING[0])
    shifted = _SINGLE.get(single, _SINGLE[0])
    characters: list[str] = []
    escaped = False
    for code in codes:
        code &= 0x7F
        if escaped:
            escaped = False
            point = 0x20 if code == ESCAPE else shifted.get(code, main.get(code, 0xFFFD))
        elif code == ESCAPE:
            escaped = True
            continue
        else:
            point = main.get(code, 0xFFFD)
        characters.append(chr(point))
    if escaped:
        characters.append(" ")
    return "".join(characters)


def to_gsm7_hints(text: str) -> list[Hint]:
    """Return what keeps `text` out of GSM-7, in the order of first appearance; empty if nothing.

    Composed first, so that a letter with its accent beside it counts as one character.
    """
    foreign = Counter(c for c in unicodedata.normalize("NFC", text) if c not in _SEPTETS)
    return [Hint(character, count, _instead(character)) for character, count in foreign.items()]


def plain(text: str) -> str:
    """Return `text` with every hint followed: in GSM-7, but for what has no likeness there."""
    composed = unicodedata.normalize("NFC", text)
    instead = {hint.character: hint.instead for hint in to_gsm7_hints(composed)}
    return "".join(c if (new := instead.get(c)) is None else new for c in composed)


def normalise(text: str) -> str:
    """Return `text` as an SMS carries it best, changing nothing that a reader sees.

    Composed (NFC), every line end a line feed, every kind of space a space, invisible characters
    gone, halves of surrogate pairs U+FFFD. Idempotent. Accents and punctuation stay as they are:
    `plain` is what changes them.
    """
    text = _LINE_END.sub("\n", _SURROGATE.sub("\ufffd", text)).replace("\t", " ")
    text = unicodedata.normalize("NFC", _UNSEEN.sub("", text))
    return "".join(" " if unicodedata.category(c) == "Zs" else c for c in text)


def _instead(character: str) -> str | None:
    known = _INSTEAD.get(character)
    if known is not None:
        return known
    if _UNSEEN.match(character):
        return ""
    if unicodedata.category(character) == "Zs":
        return " "
    written = "".join(
        _INSTEAD.get(c, c)
        for c in unicodedata.normalize("NFKD", character)
        if not unicodedata.combining(c)
    )
    return written if is_gsm7(written) and (written or unicodedata.combining(character)) else None
