"""Reads from a message that keeps to no schema whom to tell that it is refused."""

from __future__ import annotations

import hmac

from pydantic import BaseModel, ConfigDict, ValidationError

from vigibip.alert.messages import MAC_LENGTH, MESSAGE_MAX_BYTES, AlertIdText, authenticate


class _Named(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    alert: AlertIdText


def alert_id_in(key: bytes, payload: bytes) -> str | None:
    """Return the alert's id if the message is authentic and names one, else None."""
    if len(payload) > MESSAGE_MAX_BYTES:
        return None
    mac, text = payload[:MAC_LENGTH], payload[MAC_LENGTH:]
    if not hmac.compare_digest(mac, authenticate(key, text)):
        return None
    try:
        return _Named.model_validate_json(text).alert
    except ValidationError:
        return None
