"""What sends and receives SMS, whatever it is: a modem, or an operator's SMPP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from vigibip.sms.errors import SmsError
from vigibip.sms.lanes import Lane


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingSms:
    """One text for one number.

    `to` is E.164 with its plus, or digits alone for a short number. `key` is what it is about: a
    newer SMS with the same key to the same number replaces one that still waits. `report` asks
    the network for a delivery report. `valid_s`: it is pointless after that, in our queue or in
    the network's; None means that it waits as long as it must, and the network's own limit.
    """

    to: str = field(repr=False)
    text: str = field(repr=False)
    lane: Lane
    key: str
    report: bool = False
    valid_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingSms:
    """One text that came, its parts joined.

    `sender` is E.164 with its plus where the network told a number that can be one, else the
    digits of a short number, or `alpha:` and the name of an alphanumeric sender: a name that
    looks like a number never equals that number. Either can be forged by whoever pays for it.
    `sent_utc` is the network's stamp (of the last part), None when it told none that can be.
    """

    sender: str = field(repr=False)
    text: str = field(repr=False)
    sent_utc: datetime | None
    provider: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a provider can do. `sender`: what its SMS come from; names take no reply."""

    rate_per_min: float
    two_way: bool
    delivery_reports: bool
    sender: Literal["number", "alphanumeric"]


@dataclass(frozen=True, slots=True)
class SmsTicket:
    """The receipt for one submitted SMS; `id` is unique within its provider."""

    id: int


class SmsProvider(Protocol):
    """A way for SMS. It holds what waits in memory alone: its user keeps what must not be lost.

    An ALERT leaves before the next SMS, whatever else waits. `counts` only grow. `busy`:
    something is under way that ends without time passing. `health` is for people and metrics,
    without numbers. `waiting` counts SMS that have not left; `minutes_to_empty` how long they
    take at the provider's rate.
    """

    @property
    def name(self) -> str: ...
    @property
    def capabilities(self) -> Capabilities: ...
    @property
    def up(self) -> bool: ...
    @property
    def tries_alerts(self) -> bool:
        """Whether an ALERT would be tried now: also while only the network seems gone."""
        ...

    @property
    def counts(self) -> Mapping[str, int]: ...
    @property
    def busy(self) -> bool: ...
    @property
    def waiting(self) -> int: ...
    @property
    def minutes_to_empty(self) -> float: ...
    @property
    def health(self) -> Mapping[str, object]: ...

    def start(self, events: SmsEvents) -> None:
        """Begin, at once, and try for ever. Called once, inside a running event loop."""
        ...

    def submit(self, sms: OutgoingSms) -> SmsTicket:
        """Take one SMS; never blocks and never raises: what is wrong comes as `failed`.

        Also before `start`, and while the provider is down: it waits then. A replaced SMS has no
        event any more, unless it is in the network's hands already.
        """
        ...

    def withdraw(self, key: str) -> bool:
        """Take back what has this key and has not left yet; tell whether there was any."""
        ...

    async def close(self) -> None:
        """Stop. What still waits is told as failed, with cause `closed` and retry True."""
        ...


class SmsEvents(Protocol):
    """What a provider tells its user, from the event loop, one at a time for each SMS."""

    def provider_up(self, provider: SmsProvider) -> None: ...

    def provider_down(self, provider: SmsProvider) -> None: ...

    async def received(self, provider: SmsProvider, sms: IncomingSms) -> None:
        """Keep `sms`; when this returns the network's copy is deleted.

        Raises StorageError to have it brought again later.
        """
        ...

    def left(self, provider: SmsProvider, ticket: SmsTicket, sms: OutgoingSms) -> None:
        """The network took it, all its parts; that proves nothing more."""
        ...

    def failed(
        self, provider: SmsProvider, ticket: SmsTicket, sms: OutgoingSms, error: SmsError
    ) -> None:
        """It was given up, after the provider's own short retries.

        `error.retry` False is what the modem says, no proof: one that has gone mad says it of
        everything, until it has been reset. An alert is submitted again later all the same.
        """
        ...

    def reported(
        self,
        provider: SmsProvider,
        ticket: SmsTicket,
        sms: OutgoingSms,
        delivered: bool | None,
        detail: str,
    ) -> None:
        """A final delivery report: True reached the phone, False never will, None nobody knows.

        At most once for each ticket, and never before its `left`. `detail` is the network's
        reason in words. No proof of anything: 256 references serve all SMS of a modem, a late
        report may speak of an older one, and who can send as the network can forge them.
        """
        ...
