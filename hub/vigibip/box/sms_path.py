"""The box's SMS: who may speak to it, what is believed, and how the modem is.

A number can be forged by whoever pays for it: it opens the door, and only the HMAC (or an
officer's code) is believed. What a network says of an SMS of ours proves nothing and is counted.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol

from vigibip.alert.messages import BadMacError, BadMessageError
from vigibip.alert.sms_form import (
    PART_SEPTETS,
    SmsKind,
    SmsMessage,
    has_form,
    read_sms,
    write_sms,
)
from vigibip.base.clock import Clock
from vigibip.box.faults import FaultCode, Faults
from vigibip.box.path_memory import PathMemory
from vigibip.box.timers import Timer, Timers
from vigibip.modem.contract import words_for_people
from vigibip.sms.contract import IncomingSms, OutgoingSms, SmsProvider, SmsTicket
from vigibip.sms.errors import SmsError
from vigibip.sms.lanes import Lane
from vigibip.wire import window

_log = logging.getLogger(__name__)

_LOOK_EACH_S = 30.0
_FROM_POST = frozenset(
    {
        SmsKind.RECEIPT,
        SmsKind.REFUSAL,
        SmsKind.COMING,
        SmsKind.UNANSWERED,
        SmsKind.PROBE_REPLY,
    }
)


class PathUser(Protocol):
    """Who sends by the path, told of what became of it by the key's first part."""

    def path_changed(self) -> None:
        """The path went up or down, or its numbers changed."""
        ...

    def sms_left(self, key: str) -> None:
        """The network took it, which proves nothing."""
        ...

    def sms_failed(self, key: str, error: SmsError) -> None:
        """It did not leave, and the provider has given it up."""
        ...


class _Newest(NamedTuple):
    ticket: int
    to: str


class SmsPath:
    """One provider and the keys of one post; the provider's SmsEvents."""

    def __init__(
        self,
        *,
        provider: SmsProvider,
        up_key: bytes,
        down_key: bytes,
        memory: PathMemory,
        clock: Clock,
        timers: Timers,
        faults: Faults,
    ) -> None:
        self.provider = provider
        self.memory = memory
        self._up_key = up_key
        self._down_key = down_key
        self._clock = clock
        self._timers = timers
        self._faults = faults
        self._users: dict[str, PathUser] = {}
        self._newest: dict[str, _Newest] = {}
        """By key: what was submitted last, until it left, failed or was withdrawn."""
        self._down_since_s: float | None = None
        self._next_look: Timer | None = None
        self._receiving = 0
        self.counts: Counter[str] = Counter()
        """SMS by what became of them."""
        self.on_message: Callable[[SmsMessage], None] = lambda _message: None
        """Called with what the post said, authenticated and new."""
        self.on_officer: Callable[[str], Awaitable[None]] | None = None
        """Awaited with the text of an SMS from the officer's number; nothing of it is proven."""
        memory.changed = self._changed

    def join(self, prefix: str, user: PathUser) -> None:
        """Tell `user` of every SMS whose key begins with `prefix` and a colon."""
        self._users[prefix] = user

    def start(self) -> None:
        self._down_since_s = self._clock.monotonic_s()
        self._look_later()
        self.provider.start(self)

    async def close(self) -> None:
        self._users.clear()
        await self.provider.close()

    @property
    def up(self) -> bool:
        return self.provider.up and self.memory.ready

    @property
    def tries_alerts(self) -> bool:
        """True when an alert would be tried, maybe in vain: only the network seems gone."""
        return self.provider.tries_alerts and self.memory.ready

    @property
    def busy(self) -> bool:
        """True while something is under way that ends without time passing."""
        return self._receiving > 0 or self.provider.busy or self.memory.writing

    @property
    def post_numbers(self) -> list[str]:
        return [] if self.memory.contacts is None else self.memory.contacts.post_numbers

    # Out

    def room(self, message: SmsMessage) -> int:
        """Return how many characters of words fit before `message`."""
        return PART_SEPTETS - len(write_sms(self._up_key, "", message)) - len(" ")

    def say(
        self, to: str, words: str, message: SmsMessage, *, lane: Lane, key: str, report: bool
    ) -> None:
        """Send `message` with `words` before it; takes the place of what waits under `key`."""
        text = write_sms(self._up_key, words, message)
        self.submit(OutgoingSms(to=to, text=text, lane=lane, key=key, report=report))

    def submit(self, sms: OutgoingSms) -> None:
        older = self._newest.get(sms.key)
        if older is not None and older.to != sms.to:
            # One to the same number is replaced where it waits; this one would leave as well.
            self.provider.withdraw(sms.key)
        self.counts["submitted"] += 1
        self._newest[sms.key] = _Newest(self.provider.submit(sms).id, sms.to)

    def withdraw(self, key: str) -> None:
        """Take back what waits under `key`; what has left has left."""
        self._newest.pop(key, None)
        if self.provider.withdraw(key):
            self.counts["withdrawn"] += 1

    # SmsEvents

    def provider_up(self, _provider: SmsProvider) -> None:
        self._down_since_s = None
        self._faults.clear(FaultCode.MODEM)
        self._changed()

    def provider_down(self, _provider: SmsProvider) -> None:
        if self._down_since_s is None:
            self._down_since_s = self._clock.monotonic_s()
            self._look_at_modem()
        self._changed()

    def left(self, _provider: SmsProvider, ticket: SmsTicket, sms: OutgoingSms) -> None:
        self.counts["left"] += 1
        if (user := self._user(ticket, sms)) is not None:
            user.sms_left(sms.key)

    def failed(
        self, _provider: SmsProvider, ticket: SmsTicket, sms: OutgoingSms, error: SmsError
    ) -> None:
        self.counts["failed"] += 1
        self.counts[f"failed_{error.cause}"] += 1
        _log.warning("an SMS did not leave: %s", error)
        if (user := self._user(ticket, sms)) is not None:
            user.sms_failed(sms.key, error)

    def reported(
        self,
        _provider: SmsProvider,
        _ticket: SmsTicket,
        _sms: OutgoingSms,
        delivered: bool | None,
        _detail: str,
    ) -> None:
        word = {True: "delivered", False: "undelivered", None: "unknown"}[delivered]
        self.counts[f"reported_{word}"] += 1

    async def received(self, _provider: SmsProvider, sms: IncomingSms) -> None:
        self._receiving += 1
        try:
            await self._take(sms)
        finally:
            self._receiving -= 1

    async def _take(self, sms: IncomingSms) -> None:
        contacts = self.memory.contacts
        if contacts is not None and sms.sender in contacts.post_numbers:
            await self._take_from_post(sms.text)
            return
        officer = None if contacts is None else contacts.officer
        if officer is not None and sms.sender == officer.number and self.on_officer is not None:
            self.counts["from_officer"] += 1
            await self.on_officer(sms.text)
            return
        self.counts["unknown_number"] += 1

    async def _take_from_post(self, text: str) -> None:
        if not has_form(text):
            self.counts["talk"] += 1
            return
        try:
            message = read_sms(self._down_key, text)
        except BadMacError:
            self.counts["forged"] += 1
            self._faults.tell(FaultCode.FORGED_SMS, "an SMS from a number of the post")
            return
        except BadMessageError as error:
            self.counts["wrong_form"] += 1
            self._faults.tell(FaultCode.POST_MESSAGE, f"SMS: {error}")
            return
        verdict = self.memory.judge(message.sequence)
        if verdict == window.SEEN:
            self.counts["copies"] += 1
        elif verdict == window.OUTSIDE:
            self.counts["too_old"] += 1
        elif message.kind not in _FROM_POST:
            self.counts["wrong_kind"] += 1
        else:
            self.counts[message.kind.name.lower()] += 1
            self.memory.accept(message.sequence)
            self.on_message(message)
        # Queued behind what `on_message` writes: once this is on the disk, that has had its turn.
        # A disk that refuses keeps nothing on the SIM either: a full SIM would take no receipt,
        # and what a power cut loses then the post says again to the alert that comes again.
        await self.memory.written()

    # The modem

    def describe(self) -> dict[str, Any]:
        """Return the modem and the path for people; no numbers."""
        contacts = self.memory.contacts
        proven = self.memory.proven_utc
        return {
            "up": self.up,
            "modem": dict(self.provider.health),
            "waiting": self.provider.waiting,
            "post_numbers": len(self.post_numbers),
            "officer": contacts is not None and contacts.officer is not None,
            "contacts_edition": 0 if contacts is None else contacts.edition,
            "proven": proven and proven.isoformat(timespec="seconds"),
            "counts": dict(self.counts) | dict(self.memory.counts),
        }

    def _look_at_modem(self) -> None:
        if self._down_since_s is None or self.provider.up:
            return
        down_s = self._clock.monotonic_s() - self._down_since_s
        told = words_for_people(self.provider.health, down_s)
        if told is not None:
            self._faults.begin(FaultCode.MODEM, told)
        # Whether alerts are tried meanwhile may have changed too, and no event tells that.
        self._changed()
        self._look_later()

    def _look_later(self) -> None:
        if self._next_look is not None:
            self._next_look.cancel()
        self._next_look = self._timers.call_in(_LOOK_EACH_S, self._look_at_modem)

    def _changed(self) -> None:
        for user in self._users.values():
            user.path_changed()

    def _user(self, ticket: SmsTicket, sms: OutgoingSms) -> PathUser | None:
        """Return whom it concerns; None when a newer SMS stands for it, or nobody wants it."""
        newest = self._newest.get(sms.key)
        if newest is None or newest.ticket != ticket.id:
            return None
        del self._newest[sms.key]
        return self._users.get(sms.key.partition(":")[0])
