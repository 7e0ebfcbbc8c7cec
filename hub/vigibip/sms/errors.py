"""What goes wrong with an SMS.

PeerError
+-- PduError (ValueError)     bytes from the network or a modem that are no PDU of ours
+-- SmsError                  a provider has given an SMS up
VigibipError
+-- TextError (ValueError)    a text or a number that cannot be put into an SMS
"""

from __future__ import annotations

from vigibip.base.errors import PeerError, VigibipError


class TextError(VigibipError, ValueError):
    """A text or a number that cannot be put into an SMS; its message repeats neither."""


class PduError(PeerError, ValueError):
    """Bytes that are no PDU, or none that is expected here; `pdu` keeps them, for debug logs."""

    def __init__(self, message: str, pdu: bytes = b"") -> None:
        super().__init__(message)
        self.pdu = pdu


class SmsError(PeerError):
    """A provider gave this SMS up.

    `cause` is a short stable word: a `ModemCause`, or one of the provider's own (`bad-text`,
    `dropped`, `expired`, `closed`, `mistake`). `advice` is for the technician, in French, and may
    be empty. `retry` False: this very SMS will never go, says the modem, which may have gone mad:
    do not give an alert up for it.
    """

    def __init__(self, message: str, *, cause: str, advice: str = "", retry: bool = False) -> None:
        super().__init__(message)
        self.cause = cause
        self.advice = advice
        self.retry = retry
