"""What a simulated modem and the mobile network that carries its SMS ask of each other."""

from __future__ import annotations

from typing import Protocol

from vigibip.base.errors import PeerError


class NetworkRefusedError(PeerError):
    """The network did not take a SMS; `cms` is what the modem then tells as +CMS ERROR."""

    def __init__(self, cms: int) -> None:
        super().__init__(f"the network refuses the SMS: CMS {cms}")
        self.cms = cms


class Subscriber(Protocol):
    """A modem, as the network sees it."""

    @property
    def number(self) -> str:
        """The E.164 number of the SIM in it."""
        ...

    def deliver(self, pdu: bytes) -> bool:
        """Give it SMSC address and TPDU of a SMS-DELIVER or SMS-STATUS-REPORT.

        Return False when its store is full: the network keeps the message until the modem calls
        `memory_available`.
        """
        ...


class RadioNetwork(Protocol):
    """Carries SMS between the modems that are registered in it."""

    def attach(self, modem: Subscriber) -> None:
        """The modem has registered; what waits for its number may be delivered. Twice is fine."""
        ...

    def detach(self, modem: Subscriber) -> None:
        """The modem is gone from the air; what is sent to its number waits. Twice is fine."""
        ...

    def memory_available(self, modem: Subscriber) -> None:
        """There is room in the modem's store again after a `deliver` that returned False."""
        ...

    def submit(self, modem: Subscriber, tpdu: bytes) -> int:
        """Take a SMS-SUBMIT; return its message reference, 0 to 255. Raises NetworkRefusedError."""
        ...
