"""The one segmenter: a text becomes the parts that a network carries, whoever carries them.

3GPP TS 23.040, 9.2.3.24.1 (concatenation); 140 octets of user data a part.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from vigibip.sms import text as alphabet
from vigibip.sms.errors import TextError

PARTS_MAX = 10
"""1,530 characters. Networks allow 255 parts; phones and operators give up long before."""

_GSM7_SINGLE, _GSM7_PART = 160, 153  # septets: 140 octets, less 7 septets of header
_UCS2_SINGLE, _UCS2_PART = 70, 67  # 16-bit units: 140 octets, less 6 of header
# Longer clusters are no letters but mischief, and are cut between characters.
_CLUSTER_MAX = 32
_JOINER = "\u200d"


class Coding(StrEnum):
    """How user data is written: septets, UTF-16 big-endian, or octets that are no text."""

    GSM7 = "gsm7"
    UCS2 = "ucs2"
    DATA = "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One part of a text.

    `body` is septets, one an octet, or UTF-16 big-endian; the header is not in it. `reference` is
    None when the text is whole in one part, and 0-255 otherwise.
    """

    text: str
    coding: Coding
    body: bytes
    reference: int | None = None
    part: int = 1
    parts: int = 1

    @property
    def header(self) -> bytes:
        """The user data header's elements, without its length octet; empty for a single part."""
        if self.reference is None:
            return b""
        return bytes((0x00, 3, self.reference, self.parts, self.part))


class References:
    """Concatenation references that rotate, so that neighbouring texts never share one.

    Start from a random number: a restart would otherwise begin with the last ones used.
    """

    def __init__(self, first: int) -> None:
        self._next = first % 256

    def next(self) -> int:
        reference = self._next
        self._next = (reference + 1) % 256
        return reference


def segment(
    text: str, reference: int | None = None, *, parts_max: int = PARTS_MAX
) -> list[Segment]:
    """Cut `text` into as few parts as it needs, the text itself unchanged.

    No escape is parted from its character and no surrogate pair is cut; letters stay with their
    combining marks and emoji in one piece wherever a part can hold them. GSM-7 if every character
    is in it, else UCS-2. `reference` (0-255) is needed once there are several parts.

    Raises TextError when it takes more than `parts_max` parts, when it takes several and
    `reference` is None, and when it holds half of a surrogate pair.
    """
    if alphabet.is_gsm7(text):
        coding, single, part_size = Coding.GSM7, _GSM7_SINGLE, _GSM7_PART
    else:
        coding, single, part_size = Coding.UCS2, _UCS2_SINGLE, _UCS2_PART
    if len(text) > parts_max * single:
        raise TextError(f"the text takes more than {parts_max} SMS")
    whole = _body(text, coding)
    if _units(whole, coding) <= single:
        return [Segment(text=text, coding=coding, body=whole)]
    texts = list(_cut(text, coding, part_size))
    if len(texts) > parts_max:
        raise TextError(f"the text takes more than {parts_max} SMS")
    if reference is None:
        raise TextError("the text takes several SMS, and no reference was given to join them")
    if not 0 <= reference <= 255:
        raise TextError(f"concatenation reference {reference} is not 0-255")
    return [
        Segment(
            text=piece,
            coding=coding,
            body=_body(piece, coding),
            reference=reference,
            part=number,
            parts=len(texts),
        )
        for number, piece in enumerate(texts, start=1)
    ]


def _body(text: str, coding: Coding) -> bytes:
    if coding is Coding.GSM7:
        return alphabet.to_gsm7(text)
    try:
        return text.encode("utf-16-be")
    except UnicodeEncodeError:
        raise TextError("the text holds half of a surrogate pair") from None


def _units(body: bytes, coding: Coding) -> int:
    return len(body) if coding is Coding.GSM7 else len(body) // 2


def _cut(text: str, coding: Coding, part_size: int) -> Iterator[str]:
    """Yield pieces of at most `part_size` units, each as full as its clusters allow."""
    piece: list[str] = []
    room = part_size
    pieces = text if coding is Coding.GSM7 else _clusters(text)
    for cluster in pieces:
        size = _units(_body(cluster, coding), coding)
        if size > room:
            yield "".join(piece)
            piece, room = [], part_size
        piece.append(cluster)
        room -= size
    yield "".join(piece)


def _clusters(text: str) -> Iterator[str]:
    """Yield what a reader sees as one character, none longer than _CLUSTER_MAX characters.

    The part of Unicode's UAX 29 that matters in an SMS: combining marks, variation selectors and
    keycaps, emoji joined or coloured, flags.
    """
    cluster = ""
    for character in text:
        if cluster and len(cluster) < _CLUSTER_MAX and _joins(cluster, character):
            cluster += character
        else:
            if cluster:
                yield cluster
            cluster = character
    if cluster:
        yield cluster


def _joins(cluster: str, character: str) -> bool:
    if character == _JOINER or cluster[-1] == _JOINER:
        return True
    if unicodedata.category(character) in ("Mn", "Me", "Mc"):
        return True
    if "\U0001f3fb" <= character <= "\U0001f3ff" or "\U000e0020" <= character <= "\U000e007f":
        return True
    return len(cluster) == 1 and _is_flag_letter(cluster) and _is_flag_letter(character)


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
