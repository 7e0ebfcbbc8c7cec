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

from vigibip.base.errors import PeerError, RefusedError

VERSION = 1
MAC_LENGTH = 32
# Far above any message of this version; what is larger is not read at all.
MESSAGE_MAX_BYTES = 4096

AlertIdText = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
BoxId = Annotated[str, StringConstraints(pattern=r"^box-[0-9a-z]{8}$")]


class BadMacError(RefusedError):
    """The message is not of whom it says, or was changed on the way."""


class BadMessageError(PeerError, ValueError):
    """An authenticated message that does not keep to the schema."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    version: Annotated[int, Field(ge=1, le=255)] = VERSION


class Alert(_Message):
    """Box to post: one press. Sent again, with the same id, until a receipt comes."""

    kind: Literal["alert"] = "alert"
    alert: AlertIdText
    age_s: Annotated[int, Field(ge=0)] | None = None
    """Seconds from the button going down to this sending; None when the bip lost the time."""
    late: bool = False
    """True for a press outside the box's replay window: the post's memory decides."""
    battery_mv: Annotated[int, Field(ge=0, le=20000)] | None = None
    rssi_dbm: Annotated[int, Field(ge=-128, le=20)] | None = None


class Receipt(_Message):
    """Post to box: the alert is committed ("accepted"), or refused with a reason."""

    kind: Literal["receipt"] = "receipt"
    alert: AlertIdText
    verdict: Literal["accepted", "refused"]
    reason: Annotated[str, Field(max_length=200)] = ""


class Answer(_Message):
    """Post to box: where the incident of these alerts stands. Kept until acknowledged."""

    kind: Literal["answer"] = "answer"
    sequence: Annotated[int, Field(ge=1)]
    alerts: Annotated[list[AlertIdText], Field(min_length=1, max_length=64)]
    state: Literal["coming", "unanswered"]


class AnswerAck(_Message):
    """Box to post: the answer of this sequence is on the box's disk."""

    kind: Literal["answer_ack"] = "answer_ack"
    sequence: Annotated[int, Field(ge=1)]


class BoxStatus(_Message):
    """Box to post: alive, and what it knows of itself. Binds nothing."""

    kind: Literal["status"] = "status"
    software: Annotated[str, Field(max_length=40)]
    uptime_s: Annotated[int, Field(ge=0)]
    queued: Annotated[int, Field(ge=0)]
    faults: Annotated[list[Annotated[str, Field(max_length=80)]], Field(max_length=32)] = []


M = TypeVar("M", Alert, Receipt, Answer, AnswerAck, BoxStatus)


def authenticate(key: bytes, text: bytes, length: int = MAC_LENGTH) -> bytes:
    """Return the first `length` bytes of HMAC-SHA256 (RFC 2104) of the exact `text`.

    A key serves one box and one direction. MQTT carries all 32 bytes; an SMS has room for 8.
    """
    return hmac.new(key, text, hashlib.sha256).digest()[:length]


def seal_message(key: bytes, message: BaseModel) -> bytes:
    """Return the bytes to publish: HMAC, then the JSON that it covers."""
    text = message.model_dump_json().encode()
    return authenticate(key, text) + text


def open_message(key: bytes, payload: bytes, model: type[M]) -> M:
    """Return the message that `payload` carries.

    Raises BadMacError before anything of it is read, and BadMessageError when it does not keep to
    `model`.
    """
    if len(payload) > MESSAGE_MAX_BYTES:
        raise BadMessageError(f"message of {len(payload)} bytes")
    mac, text = payload[:MAC_LENGTH], payload[MAC_LENGTH:]
    if not hmac.compare_digest(mac, authenticate(key, text)):
        raise BadMacError("message authentication failed")
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, item["loc"])) for item in error.errors())
        raise BadMessageError(f"{model.__name__}: {fields or 'not JSON'}") from error
