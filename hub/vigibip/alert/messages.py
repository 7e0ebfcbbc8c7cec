"""What box and post say to each other, and the seal of it that both carriers share.

Over MQTT a message is the JSON of one of the classes below behind its HMAC. JSON may carry more
fields than are known here: they are ignored, so that fields can be appended. An alert of a newer
version is still read as far as it can be: people may be waiting behind it.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import from_json

from vigibip.alert.ids import ALERT_ID_PATTERN, BOX_ID_PATTERN
from vigibip.base.errors import PeerError, RefusedError

VERSION = 1
VERSION_MAX = 255
KEY_LENGTH = 32
MAC_LENGTH = 32
# Above the largest message of this version (a status with every fault and character at its
# worst); what is larger is not read at all.
MESSAGE_MAX_BYTES = 16384

AlertIdText = Annotated[str, StringConstraints(pattern=ALERT_ID_PATTERN)]
BoxId = Annotated[str, StringConstraints(pattern=BOX_ID_PATTERN)]
# E.164, as everywhere in VigiBip.
PhoneNumber = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")]
_Hex = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2}){8,64}$")]
# Bounded so that no store, SQLite's 64-bit integers included, can choke on an authenticated one.
_Count = Annotated[int, Field(ge=0, le=2**32 - 1)]
_Severity = Annotated[int, Field(ge=0, le=15)]
Mark = Literal["withdrawn", "duress"]
_Sequence = Annotated[int, Field(ge=1, le=2**63 - 1)]


class BadMacError(RefusedError):
    """The message is not of whom it says, or was changed on the way."""


class BadMessageError(PeerError, ValueError):
    """An authenticated message that does not keep to the schema."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, hide_input_in_errors=True)

    version: Annotated[int, Field(ge=1, le=VERSION_MAX)] = VERSION


class Alert(_Message):
    """Box to post: one press. Sent again, with the same id, until a receipt comes."""

    kind: Literal["alert"] = "alert"
    alert: AlertIdText
    age_s: _Count | None = None
    """Seconds from the button going down to this sending; None when the bip lost the time."""
    late: bool = False
    """True for a press outside the box's replay window: the post's memory decides."""
    # As wide as the wire carries them: a sensor's nonsense must not stop an alert.
    battery_mv: Annotated[int, Field(ge=0, le=0xFFFF)] | None = None
    rssi_dbm: Annotated[int, Field(ge=-128, le=127)] | None = None
    severity: _Severity = 0
    """How often the hand said that it is worse; 0 for a press as any other."""
    mark: Mark | None = None
    """What the hand said of it since. A word for people: nothing stops for a withdrawal."""
    mark_age_s: _Count | None = None
    """Seconds since it said so; None when nobody knows."""


class Receipt(_Message):
    """Post to box: the alert is committed ("accepted"), or refused with a reason."""

    kind: Literal["receipt"] = "receipt"
    alert: AlertIdText
    verdict: Literal["accepted", "refused"]
    reason: Annotated[str, Field(max_length=200)] = ""
    severity: _Severity = 0
    """With `mark`: what of the alert's the post has told people."""
    mark: Mark | None = None


class Answer(_Message):
    """Post to box: where the incident of these alerts stands. Kept until acknowledged."""

    kind: Literal["answer"] = "answer"
    sequence: _Sequence
    alerts: Annotated[list[AlertIdText], Field(min_length=1, max_length=64)]
    state: Literal["coming", "unanswered"]


class AnswerAck(_Message):
    """Box to post: the answer of this sequence is on the box's disk."""

    kind: Literal["answer_ack"] = "answer_ack"
    sequence: _Sequence


class OfficerContact(BaseModel):
    """An officer whom a box may call by SMS itself, and what proves his answer."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, hide_input_in_errors=True)

    number: PhoneNumber
    salt: _Hex
    digests: Annotated[list[_Hex], Field(max_length=40)]
    """Of each unused code of his SMS card, under `salt` (`officer_codes.code_digest`)."""


class Contacts(_Message):
    """Post to box, over data alone: whom to reach by SMS, and how the shop is called.

    Sent whenever a status tells another edition than the post's; the box keeps it on its disk.
    """

    kind: Literal["contacts"] = "contacts"
    edition: Annotated[int, Field(ge=1, le=2**32 - 1)]
    post_numbers: Annotated[list[PhoneNumber], Field(max_length=8)]
    """The post's modems, in the order in which to try them. Empty: no SMS to this post."""
    spoken: Annotated[str, Field(max_length=120)] = ""
    address: Annotated[str, Field(max_length=200)] = ""
    officer: OfficerContact | None = None


class OfficerAnswer(_Message):
    """Box to post: an officer's proven SMS answer. Told until an answer "coming" comes back."""

    kind: Literal["officer_answer"] = "officer_answer"
    alert: AlertIdText
    digest: _Hex
    """Of the code that he used up."""
    age_s: _Count | None = None
    """Since his SMS came; None when the box lost the time."""


class BoxStatus(_Message):
    """Box to post: alive, and what it knows of itself. Binds nothing."""

    kind: Literal["status"] = "status"
    software: Annotated[str, Field(max_length=40)]
    uptime_s: _Count
    queued: _Count
    faults: Annotated[list[Annotated[str, Field(max_length=80)]], Field(max_length=32)] = []
    contacts_edition: _Count = 0
    """Of the contacts that it holds; 0: none."""


M = TypeVar("M", Alert, Receipt, Answer, AnswerAck, BoxStatus, Contacts, OfficerAnswer)


def authenticate(key: bytes, text: bytes, length: int = MAC_LENGTH) -> bytes:
    """Return the first `length` bytes of HMAC-SHA256 (RFC 2104) of the exact `text`.

    A key serves one box and one direction. MQTT carries all 32 bytes; an SMS has room for 8.
    Raises ValueError when the key has not 32 bytes: an empty one would let everybody in.
    """
    if len(key) != KEY_LENGTH:
        raise ValueError(f"a message key has {KEY_LENGTH} bytes")
    return hmac.new(key, text, hashlib.sha256).digest()[:length]


def seal_message(key: bytes, message: BaseModel) -> bytes:
    """Return the bytes to publish: HMAC, then the JSON that it covers."""
    text = message.model_dump_json().encode()
    return authenticate(key, text) + text


def open_message(key: bytes, payload: bytes, model: type[M]) -> M:
    """Return the message that `payload` carries.

    Raises BadMacError before anything of it is read, and BadMessageError when it does not keep to
    `model` or is longer than MESSAGE_MAX_BYTES. No error's text repeats what was received.
    """
    text = _authenticated(key, payload)
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise _bad_message(model, error) from error


def read_alert(key: bytes, payload: bytes) -> Alert:
    """Return the alert that `payload` carries, of this version or a newer one.

    A newer version's alert is never refused for what this version does not understand: those
    fields are left as unknown, and `version > VERSION` tells the caller to raise a fault. Raises
    what `open_message` raises; of a newer version only when not even the alert's id can be read.
    """
    text = _authenticated(key, payload)
    try:
        return Alert.model_validate_json(text)
    except ValidationError as error:
        salvaged = _salvaged_alert(text, error)
        if salvaged is None:
            raise _bad_message(Alert, error) from error
        return salvaged


def _authenticated(key: bytes, payload: bytes) -> bytes:
    if len(payload) > MESSAGE_MAX_BYTES:
        raise BadMessageError(f"message of {len(payload)} bytes")
    mac, text = payload[:MAC_LENGTH], payload[MAC_LENGTH:]
    if not hmac.compare_digest(mac, authenticate(key, text)):
        raise BadMacError("message authentication failed")
    return text


def _salvaged_alert(text: bytes, error: ValidationError) -> Alert | None:
    try:
        fields = from_json(text)
    except ValueError:
        return None
    version = fields.get("version") if isinstance(fields, dict) else None
    if not isinstance(version, int) or version <= VERSION:
        return None
    unreadable = {str(detail["loc"][0]) for detail in error.errors() if detail["loc"]}
    kept = {name: value for name, value in fields.items() if name not in unreadable - {"kind"}}
    try:
        return Alert.model_validate(kept | {"version": min(version, VERSION_MAX)})
    except ValidationError:
        return None


def _bad_message(model: type[BaseModel], error: ValidationError) -> BadMessageError:
    places = [".".join(map(str, detail["loc"])) for detail in error.errors()]
    return BadMessageError(f"{model.__name__}: {', '.join(filter(None, places)) or 'not JSON'}")
