"""What is said of messages that are not taken, and what is read of those that keep no schema."""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, ValidationError

from vigibip.alert.messages import (
    MAC_LENGTH,
    MESSAGE_MAX_BYTES,
    Alert,
    AlertIdText,
    authenticate,
)

NOT_STORED = "the post could not store it"
# Older than any press can be.
_AGE_MAX_S = 10**8


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


def when_pressed(alert: Alert, now: datetime) -> str:
    """Return the time of an alert that people alone are told of."""
    if alert.age_s is None:
        return "at a time unknown"
    return f"{now - timedelta(seconds=min(alert.age_s, _AGE_MAX_S)):%Y-%m-%d %H:%M:%S} UTC"
