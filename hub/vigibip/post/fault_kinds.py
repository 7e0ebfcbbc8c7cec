"""Every kind of fault at the post, and which of them happen rather than last."""

from __future__ import annotations

from enum import StrEnum


class FaultKind(StrEnum):
    """Every kind, with what it is about in parentheses. README.md says what to do."""

    STORE_FAILED = "store-failed"
    BROKER_LOST = "broker-lost"
    MESSAGE_REFUSED = "message-refused"  # (box)
    MESSAGE_FORGED = "message-forged"  # (box in whose name)
    BOX_UNKNOWN = "box-unknown"  # (box that it says it is)
    BOX_FLOODS = "box-floods"  # (box in whose name)
    PRESS_OF_REVOKED_BOX = "press-of-revoked-box"  # (box)
    PRESS_LATE = "press-late"  # (box)
    PRESS_DURESS = "press-duress"  # (box)
    PRESS_WITHDRAWN = "press-withdrawn"  # (box)
    PRESS_WORSE = "press-worse"  # (box)
    VERSION_NEWER = "version-newer"  # (box)
    CODE_GUESSING = "code-guessing"  # (radio)
    RADIO_ABSENT = "radio-absent"  # (radio)
    RADIO_FAILED = "radio-failed"  # (radio)
    RADIO_DEGRADED = "radio-degraded"  # (radio)
    NO_RADIO = "no-radio"
    NUMBERS_EXHAUSTED = "numbers-exhausted"
    SMS_UNVERIFIED = "sms-unverified"  # (box whose number it came from)
    DATA_LOST = "data-lost"  # (box)
    SMS_UNPROVEN = "sms-unproven"  # (box)
    BOX_LOST = "box-lost"  # (box)
    BOX_LOST_AFTER_PRESS = "box-lost-after-press"  # (box)
    MODEM_ABSENT = "modem-absent"  # (modem)
    MODEM_FAULTY = "modem-faulty"  # (modem)
    MODEM_SIM = "modem-sim"  # (modem)
    MODEM_NO_NETWORK = "modem-no-network"  # (modem)


# These tell of something that happened, not of something that lasts: they end by themselves.
EVENTS = frozenset(
    {
        FaultKind.MESSAGE_REFUSED.value,
        FaultKind.MESSAGE_FORGED.value,
        FaultKind.BOX_UNKNOWN.value,
        FaultKind.BOX_FLOODS.value,
        FaultKind.PRESS_OF_REVOKED_BOX.value,
        FaultKind.PRESS_LATE.value,
        FaultKind.PRESS_DURESS.value,
        FaultKind.PRESS_WITHDRAWN.value,
        FaultKind.PRESS_WORSE.value,
        FaultKind.VERSION_NEWER.value,
        FaultKind.CODE_GUESSING.value,
        FaultKind.SMS_UNVERIFIED.value,
    }
)
