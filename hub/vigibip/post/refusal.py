"""Reads from a message that keeps to no schema whose it is, and whom to tell of its refusal."""

from __future__ import annotations

import hmac

from pydantic import BaseModel, ConfigDict, ValidationError

from vigibip.alert.messages import MAC_LENGTH, MESSAGE_MAX_BYTES, AlertIdText, authenticate


class _Named(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    alert: AlertIdText


def is_authentic(key: bytes, payload: bytes) -> bool:
    """Tell whether this key made the message's HMAC, however long it is and whatever it says."""
    mac, text = payload[:MAC_LENGTH], payload[MAC_LENGTH:]
    return hmac.compare_digest(mac, authenticate(key, text))


def alert_id_in(key: bytes, payload: bytes) -> str | None:
    """Return the alert's id if the message is authentic and names one, else None."""
    if len(payload) > MESSAGE_MAX_BYTES or not is_authentic(key, payload):
        return None
    try:
        return _Named.model_validate_json(payload[MAC_LENGTH:]).alert
    except ValidationError:
        return None
