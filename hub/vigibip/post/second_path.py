"""The second path at the post: modems, what comes and goes by SMS, and who is told of what.

Its parts know each other through here alone. Without a modem, boxes' data is watched all the same.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from vigibip.alert.messages import BoxStatus, OfficerAnswer
from vigibip.base.clock import Clock
from vigibip.base.trace import Trace
from vigibip.modem.contract import Modem
from vigibip.modem.serial_modem import SerialModem
from vigibip.post.box_watch import BoxWatch
from vigibip.post.config import PostSettings
from vigibip.post.contacts import ContactsTeller
from vigibip.post.deadlines import Deadlines
from vigibip.post.faults import Faults
from vigibip.post.intake import Intake
from vigibip.post.known_boxes import KnownBoxes
from vigibip.post.modem_watch import ModemWatch
from vigibip.post.officer_answers import OfficerAnswers
from vigibip.post.relay import Relay
from vigibip.post.sms_answers import SmsAnswers
from vigibip.post.sms_intake import SmsIntake
from vigibip.post.sms_replies import SmsReplies
from vigibip.post.sms_sender import Sender
from vigibip.post.sms_sequences import Sequences
from vigibip.post.sms_settings import PostModemSettings
from vigibip.post.store import Store
from vigibip.post.store.second_path import SecondPathStore
from vigibip.post.telling import Telling
from vigibip.post.ways import Ways
from vigibip.sms.contract import IncomingSms, OutgoingSms, SmsProvider, SmsTicket
from vigibip.sms.errors import SmsError
from vigibip.sms.modem_provider import ModemProvider


class SecondPath:
    """The providers' SmsEvents, the intake's DataWatcher.

    `modems`: one for each of the settings, in their order; None: those on the serial lines.
    """

    def __init__(
        self,
        settings: PostSettings,
        store: Store,
        boxes: KnownBoxes,
        intake: Intake,
        telling: Telling,
        relay: Relay,
        deadlines: Deadlines,
        faults: Faults,
        publish: Callable[[str, bytes], bool],
        connected: Callable[[], bool],
        clock: Clock,
        trace: Trace,
        chance: random.Random,
        modems: Sequence[Modem] | None,
    ) -> None:
        self._numbers = [one.number for one in settings.sms.modems]
        self._path_store = SecondPathStore(store, clock)
        self.providers = _providers(settings.sms.modems, modems, boxes, clock, chance)
        self._ways = Ways(clock)
        self._ways.on_data = self._data_is_alive
        self._sender = Sender(self.providers)
        sequences = Sequences(self._path_store, clock)
        self._replies = SmsReplies(boxes, self._sender, sequences, trace)
        self._sms_answers = SmsAnswers(
            boxes,
            self._ways,
            self._sender,
            sequences,
            clock,
            trace,
            unanswered=settings.sms.tell_unanswered,
        )
        self._sms_intake = SmsIntake(
            intake,
            boxes,
            self._path_store,
            self._replies,
            self._sms_answers,
            self._ways,
            faults,
            clock,
            trace,
        )
        self._contacts = ContactsTeller(self._path_store, boxes, self._ways, publish, clock)
        self._officer_answers = OfficerAnswers(self._path_store, relay, telling, deadlines, faults)
        self._box_watch = BoxWatch(
            boxes,
            self._ways,
            self._path_store,
            faults,
            settings.boxes,
            clock,
            unproven_after_s=settings.sms.unproven_after_s,
            connected=connected,
            modem_up=lambda: self._sender.up if self.providers else None,
        )
        self._modem_watch = ModemWatch(self.providers, self._path_store, faults, clock)
        intake.watcher = self
        if self.providers:
            telling.watcher = self._sms_answers

    @property
    def busy(self) -> bool:
        """True while something is under way that ends without time passing."""
        return (
            any(provider.busy for provider in self.providers)
            or self._sms_intake.busy
            or self._sms_answers.busy
            or self._contacts.busy
            or self._officer_answers.busy
        )

    @property
    def counts(self) -> dict[str, int]:
        """SMS that came, by what was made of them, and that went, by what became of them."""
        return {**self._sms_intake.counts, **self._sender.counts}

    async def take_up(self) -> None:
        """Begin with what the store holds. Raises StorageError."""
        await self._path_store.use_numbers(self._numbers)
        await self._contacts.refresh()
        self._ways.restore(await self._path_store.paths())

    async def refresh(self) -> None:
        """Take over what another process has committed. Raises StorageError."""
        await self._contacts.refresh()

    def start(self) -> None:
        for provider in self.providers:
            provider.start(self)

    def parts(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        """Return what runs for as long as the post does, by name."""
        return [
            ("answers by SMS", self._sms_answers.run()),
            ("box watch", self._box_watch.run()),
            ("modem watch", self._modem_watch.run()),
        ]

    async def stop(self) -> None:
        """Hear and say nothing any more; what was heard is handed on before."""
        for provider in self.providers:
            await provider.close()
        await self._sms_intake.stop()
        await self._officer_answers.stop()
        await self._box_watch.write_heard()

    # What comes over data

    def heard(self, box_id: str) -> None:
        self._ways.heard(box_id)

    def status(self, box_id: str, status: BoxStatus) -> None:
        self._contacts.status(box_id, status)

    def officer_answered(self, box_id: str, answer: OfficerAnswer) -> None:
        self._officer_answers.take(box_id, answer)

    def _data_is_alive(self, box_id: str) -> None:
        self._replies.data_is_alive(box_id)
        self._sms_answers.data_is_alive(box_id)

    # SmsEvents

    def provider_up(self, provider: SmsProvider) -> None:
        """What waited there begins to leave by itself; what waits at a dead one goes by it."""
        self._sender.provider_up(provider)

    def provider_down(self, provider: SmsProvider) -> None:
        self._sender.provider_down(provider)

    async def received(self, provider: SmsProvider, sms: IncomingSms) -> None:
        await self._sms_intake.received(provider, sms)

    def left(self, provider: SmsProvider, ticket: SmsTicket, _sms: OutgoingSms) -> None:
        self._sender.left(provider, ticket)

    def failed(
        self, provider: SmsProvider, ticket: SmsTicket, _sms: OutgoingSms, error: SmsError
    ) -> None:
        self._sender.failed(provider, ticket, error)

    def reported(
        self,
        provider: SmsProvider,
        ticket: SmsTicket,
        _sms: OutgoingSms,
        delivered: bool | None,
        _detail: str,
    ) -> None:
        self._sender.reported(provider, ticket, delivered)


def _providers(
    settings: Sequence[PostModemSettings],
    modems: Sequence[Modem] | None,
    boxes: KnownBoxes,
    clock: Clock,
    chance: random.Random,
) -> tuple[SmsProvider, ...]:
    if modems is None:
        modems = [SerialModem(one, clock=clock, chance=chance, name=one.name) for one in settings]
    return tuple(
        ModemProvider(
            modem,
            rate_per_min=one.rate_per_min,
            clock=clock,
            chance=chance,
            known=boxes.knows_phone,
            country=one.country,
        )
        for one, modem in zip(settings, modems, strict=True)
    )
