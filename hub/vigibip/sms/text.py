"""The characters of an SMS: the GSM 7-bit alphabets.

3GPP TS 23.038, 6.2.1 and annex A. The tables are gsmcodecs'; its codec is not used, for it
refuses what section 6.2.1 tells a receiver to show (an unknown escape, an escape at the end).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

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
