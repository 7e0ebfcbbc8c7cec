"""The contract of a carrier: one way out of the box. `data` is the first; `sms` and `dc09` follow.

A carrier keeps nothing: what it could not hand over, or lost on the way, is sent again by the
outbox, because only the post's receipt ends an alert's wait. When it is handed an alert, first and
again, is said by its schedule alone; the outbox asks that, and keeps every carrier's share apart:
one that comes up, goes down or gets a receipt changes nothing of what another one was handed.

Carriers are listed in order. One whose schedule starts it later does so behind those before it
that are up, and at once as soon as none of them is: so a carrier must tell `carrier_down` the
moment that it knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from vigibip.alert.messages import Alert, Answer, BoxStatus, Contacts, OfficerAnswer, Receipt
from vigibip.box.schedule import Schedule


class CarrierEvents(Protocol):
    """What a carrier tells. Each is called in the event loop's thread; none of them raises."""

    def carrier_up(self, carrier: Carrier) -> None:
        """It can send from now on; nothing that was sent before may be counted on."""
        ...

    def carrier_down(self, carrier: Carrier) -> None:
        """It was up and is known to be down: those listed after it wait no more."""
        ...

    def did_not_leave(self, carrier: Carrier, alert: str) -> None:
        """`send` said True, and the alert of this id never left the box and never will by itself.

        For a carrier whose hand-over may fail later. It is handed over again at its next time, or
        as soon as the carrier comes up.
        """
        ...

    def received_receipt(self, carrier: Carrier, receipt: Receipt) -> None:
        """An authenticated receipt; it may come late, twice, or for what is not known."""
        ...

    def received_answer(self, carrier: Carrier, answer: Answer) -> None:
        """An authenticated answer; it comes again until `acknowledge` has reached the post."""
        ...

    def received_contacts(self, carrier: Carrier, contacts: Contacts) -> None:
        """Authenticated contacts, for the paths that need them; over data alone."""
        ...


class Carrier(Protocol):
    """One way to the post."""

    @property
    def name(self) -> str: ...

    @property
    def schedule(self) -> Schedule:
        """When it has an alert, first and again; never changes."""
        ...

    @property
    def up(self) -> bool:
        """False while it is known to be down. True promises nothing."""
        ...

    @property
    def counts(self) -> Mapping[str, int]:
        """What happened on it, for a technician."""
        ...

    @property
    def in_flight(self) -> int:
        """Alerts handed over on this connection whose receipt has not come."""
        ...

    @property
    def busy(self) -> bool:
        """True while something is under way that ends without time passing."""
        ...

    def start(self, events: CarrierEvents) -> None:
        """Begin; returns at once and goes on trying for ever."""
        ...

    def send(self, alert: Alert) -> bool:
        """Hand over now; False when it is down. Never blocks, never raises."""
        ...

    def withdraw(self, alert: str) -> None:
        """The wait of the alert with this id is over: what has not left yet need not leave."""
        ...

    def acknowledge(self, sequence: int) -> None:
        """Tell the post that its answer is on the disk; lost when down: the post asks again."""
        ...

    def tell_officer_answer(self, answer: OfficerAnswer) -> bool:
        """Tell the post what an officer answered to the box itself; False when it cannot."""
        ...

    def tell_gesture(self, alert: Alert) -> None:
        """Tell the post again of an alert that it may have, for what the hand said since.

        Lost when down, and where each message costs.
        """
        ...

    def tell_status(self, status: BoxStatus) -> None:
        """Lost when down, and where each message costs."""
        ...

    async def close(self) -> None: ...
