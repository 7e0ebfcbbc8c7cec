"""The SMS form of what box and post say: one part of GSM 03.38 text, for people and for machines.

    ALERTE Tabac du Centre, 12 rue des Lilas, appui de 14h32 #CEAAAAAH...

Before the `#` stand words; after it the base32 (RFC 4648, no padding) of

    kind << 4 | version    1 byte
    sequence               4 bytes, big-endian as all that follows
    fields of the kind     see `_FIELDS`; then the ids of its alerts, 8 bytes each
    HMAC                   8 bytes: HMAC-SHA256 (RFC 2104) of words and fields, cut short

The HMAC covers the words as `plain_words` leaves them, without accents: what an operator may do to
white space and accents is no change, and any other changed character is a forged message. What an
operator adds behind the code ("Envoyé par ...") is not covered and not read. Its
key serves one box and one direction, the one that MQTT's messages have. A sequence is never given
twice under one key: a copy is recognised for ever, which ids alone cannot promise after a purge.

A newer version may append to an ALERT, and change no more of it: it is read here as far as it is
known, because people may be waiting behind it.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hmac
import itertools
import re
import struct
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from vigibip.alert.ids import AlertId
from vigibip.alert.messages import BadMacError, BadMessageError, authenticate

VERSION = 1
PART_SEPTETS = 160
ALERTS_MAX = 5
SEQUENCE_MAX = 2**32 - 1
MAC_LENGTH = 8
# Two parts: an operator's addition may make two of ours. Nothing longer is looked at.
TEXT_MAX_CHARS = 320
# A code that was folded onto several lines, or a word behind it that looks like one.
_PIECES_MAX = 4

_DOMAIN = b"VigiBip SMS\n"
_AGE_UNKNOWN = 0xFFFFFFFF
# One septet each, alike in every table and on every phone; `#` ends the words, `@` is septet 0.
_PLAIN = set(" !\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_PLAIN |= set("àèéìòùÄÖÜäöüÉÇ")
_INSTEAD = {"’": "'", "‘": "'", "“": '"', "”": '"', "«": '"', "»": '"', "–": "-", "—": "-"}
_INSTEAD |= {"…": "...", "œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE", "ç": "c", "€": "EUR", "°": "o"}
_CODE = re.compile(r"[A-Z2-7]+")


class SmsKind(IntEnum):
    """What an SMS says, and so which way it goes."""

    ALERT = 1  # box to post: one press
    RECEIPT = 2  # post to box: these alerts are committed
    REFUSAL = 3  # post to box: these alerts are refused
    COMING = 4  # post to box: an officer comes for these alerts
    UNANSWERED = 5  # post to box: nobody has answered them yet
    PROBE = 6  # box to post: does this way work today?
    PROBE_REPLY = 7  # post to box: it does


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsMessage:
    """One message. Which fields a kind has stands in `_FIELDS`; the others keep their defaults."""

    kind: SmsKind
    version: int = VERSION
    """Above VERSION only in an ALERT that was read: there was more in it."""
    sequence: int
    """Of its sender, under this key; given once."""
    alerts: tuple[AlertId, ...] = ()
    """Exactly one in an ALERT; 1 to ALERTS_MAX in what the post says of alerts."""
    age_s: int | None = None
    """ALERT: from the button going down to the writing of this SMS; None when nobody knows."""
    written_s: int = 0
    """ALERT: when it was written, in seconds of Unix time; 0 while the box's clock is unsure."""
    late: bool = False
    """ALERT: a press outside the box's replay window: the post's memory decides."""
    answers: int = 0
    """PROBE_REPLY: the sequence of the probe. COMING, UNANSWERED: the answer's sequence."""


_OF_ALERTS = (SmsKind.RECEIPT, SmsKind.REFUSAL, SmsKind.COMING, SmsKind.UNANSWERED)
# Before the ids of alerts: what each kind says beside its sequence.
_FIELDS = {
    SmsKind.ALERT: struct.Struct(">BII"),  # flags (1: late), age, time of writing
    SmsKind.RECEIPT: struct.Struct(""),
    SmsKind.REFUSAL: struct.Struct(""),
    SmsKind.COMING: struct.Struct(">I"),  # the answer's sequence
    SmsKind.UNANSWERED: struct.Struct(">I"),
    SmsKind.PROBE: struct.Struct(""),
    SmsKind.PROBE_REPLY: struct.Struct(">I"),  # the probe's sequence
}
_HEAD = struct.Struct(">BI")
_ID = struct.Struct(">II")


def write_sms(key: bytes, words: str, message: SmsMessage) -> str:
    """Return the text to send: `words` as far as they fit, then the code. At most one part.

    Raises ValueError when `message` has not what its kind needs.
    """
    body = _pack(message)
    room = PART_SEPTETS - len(" #") - len(_code(body + bytes(MAC_LENGTH)))
    said = plain_words(words)[:room].rstrip()
    code = _code(body + authenticate(key, _signed(said, body), MAC_LENGTH))
    return f"{said} #{code}" if said else f"#{code}"


def read_sms(key: bytes, text: str) -> SmsMessage:
    """Return the message in `text`.

    Raises BadMessageError when it has not the form, and BadMacError when `key` did not make it;
    whatever a field holds is looked at only behind the HMAC. No error's text repeats the SMS.
    """
    return find_author({"": key}, text)[1]


def find_author(keys: Mapping[str, bytes], text: str) -> tuple[str, SmsMessage]:
    """Return whose key of these made the message in `text`, and the message.

    Raises as `read_sms`. Costs some microseconds a key.
    """
    said, codes = _split(text)
    for packed in codes:
        body, mac = packed[:-MAC_LENGTH], packed[-MAC_LENGTH:]
        signed = _signed(said, body)
        for name, key in keys.items():
            if hmac.compare_digest(mac, authenticate(key, signed, MAC_LENGTH)):
                return name, _unpack(body)
    raise BadMacError("SMS authentication failed")


def alerts_named(text: str) -> tuple[SmsKind, tuple[AlertId, ...]] | None:
    """Return of which kind a text of ours is and which alerts it names; None for any other text.

    Without a key: nothing of it is proven.
    """
    try:
        _, codes = _split(text)
    except BadMessageError:
        return None
    for packed in codes:
        with contextlib.suppress(BadMessageError):
            message = _unpack(packed[:-MAC_LENGTH])
            return message.kind, message.alerts
    return None


def has_form(text: str) -> bool:
    """Tell whether `text` looks like a message of ours, proven or not."""
    try:
        _split(text)
    except BadMessageError:
        return False
    return True


def plain_words(words: str) -> str:
    """Return `words` in characters that every phone and gateway leaves as they are.

    Runs of white space become one space. Idempotent.
    """
    plain = []
    for character in unicodedata.normalize("NFC", words):
        for one in _INSTEAD.get(character, character):
            if one in _PLAIN:
                plain.append(one)
                continue
            base = unicodedata.normalize("NFD", one)[0]
            plain.append(base if base in _PLAIN else " " if one.isspace() else "?")
    return " ".join("".join(plain).split())


def _split(text: str) -> tuple[str, list[bytes]]:
    """Return the words, and what the bytes behind the `#` may be, one at least.

    Words of ours have no `#`: the first one ends them, whatever stands behind the code.
    """
    if len(text) > TEXT_MAX_CHARS:
        raise BadMessageError("an SMS that is too long to be one of ours")
    words, mark, behind = text.partition("#")
    pieces = list(itertools.takewhile(_CODE.fullmatch, behind.split()))
    if not mark or not pieces:
        raise BadMessageError("an SMS without a code")
    codes = (_packed("".join(pieces[:count])) for count in range(1, _PIECES_MAX + 1))
    found = list(dict.fromkeys(packed for packed in codes if packed is not None))
    if not found:
        raise BadMessageError("an SMS with half a code")
    return words, found


def _packed(code: str) -> bytes | None:
    try:
        packed = base64.b32decode(code + "=" * (-len(code) % 8))
    except binascii.Error:
        return None
    # Base32 leaves bits over: two texts must not be one message.
    if _code(packed) != code or len(packed) < _HEAD.size + MAC_LENGTH:
        return None
    return packed


def _covered(words: str) -> bytes:
    """Return what the HMAC covers of `words`: some operators take the accents off."""
    apart = unicodedata.normalize("NFD", plain_words(words))
    return "".join(one for one in apart if not unicodedata.combining(one)).encode()


def _pack(message: SmsMessage) -> bytes:
    kind = message.kind
    if not 0 <= message.sequence <= SEQUENCE_MAX or not 0 <= message.answers <= SEQUENCE_MAX:
        raise ValueError("a sequence has 32 bits")
    at_most = 1 if kind is SmsKind.ALERT else ALERTS_MAX if kind in _OF_ALERTS else 0
    if not min(at_most, 1) <= len(message.alerts) <= at_most:
        raise ValueError(f"{kind.name} with {len(message.alerts)} alerts")
    head = _HEAD.pack(kind << 4 | VERSION, message.sequence)
    if kind is SmsKind.ALERT:
        age_s = _AGE_UNKNOWN if message.age_s is None else min(message.age_s, _AGE_UNKNOWN - 1)
        fields = _FIELDS[kind].pack(message.late, age_s, message.written_s)
    elif _FIELDS[kind].size:
        fields = _FIELDS[kind].pack(message.answers)
    else:
        fields = b""
    return head + fields + b"".join(_ID.pack(*alert) for alert in message.alerts)


def _unpack(body: bytes) -> SmsMessage:
    first, sequence = _HEAD.unpack_from(body)
    code, version = divmod(first, 16)
    newer = code == SmsKind.ALERT and version > VERSION
    if not (newer or version == VERSION) or code not in SmsKind.__members__.values():
        raise BadMessageError("an authenticated SMS of a version or kind that is not known here")
    kind = SmsKind(code)
    fields, rest = _FIELDS[kind], body[_HEAD.size :]
    ids = rest[fields.size :]
    if newer:
        ids = ids[: _ID.size]
    if len(rest) < fields.size or len(ids) % _ID.size:
        raise BadMessageError(f"{kind.name}: its length is wrong")
    values = fields.unpack_from(rest)
    alerts = tuple(AlertId(*pair) for pair in _ID.iter_unpack(ids))
    if kind is SmsKind.ALERT:
        flags, age_s, written_s = values
        message = SmsMessage(
            kind=kind,
            version=version,
            sequence=sequence,
            alerts=alerts,
            age_s=None if age_s == _AGE_UNKNOWN else age_s,
            written_s=written_s,
            late=bool(flags & 1),
        )
    else:
        answers = values[0] if values else 0
        message = SmsMessage(kind=kind, sequence=sequence, alerts=alerts, answers=answers)
    try:
        _pack(message)
    except ValueError as error:
        raise BadMessageError(str(error)) from error
    return message


def _signed(said: str, body: bytes) -> bytes:
    return _DOMAIN + _covered(said) + b"\0" + body


def _code(packed: bytes) -> str:
    return base64.b32encode(packed).decode("ascii").rstrip("=")
