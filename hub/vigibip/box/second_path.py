"""The second path put together: modem, carrier, proof, and the officer as the last resort."""

from __future__ import annotations

import random
import re
from typing import Any

from vigibip.alert.ids import AlertId
from vigibip.alert.messages import Answer, Contacts
from vigibip.base.clock import Clock
from vigibip.base.trace import Trace
from vigibip.box.alerts import AlertBook, BoxAlert
from vigibip.box.carrier import Carrier
from vigibip.box.config import DataSettings
from vigibip.box.enrolment import EnrolledPost
from vigibip.box.faults import Faults
from vigibip.box.officer_calls import OfficerCalls
from vigibip.box.path_memory import PathMemory
from vigibip.box.path_proof import PathProof
from vigibip.box.sms_carrier import SmsCarrier, sms_schedule
from vigibip.box.sms_path import SmsPath
from vigibip.box.sms_settings import SmsSettings
from vigibip.box.store import SecondPathContents, Store
from vigibip.box.timers import Timers
from vigibip.box.trust import ClockTrust
from vigibip.modem.contract import Modem
from vigibip.modem.serial_modem import SerialModem
from vigibip.sms.contract import SmsProvider
from vigibip.sms.modem_provider import ModemProvider


class SecondPath:
    """What the box has beside data, where `[sms]` is set; the outbox's AlertWatcher.

    `provider` None: one over `modem`; that None: the modem on its serial line.
    """

    def __init__(
        self,
        *,
        settings: SmsSettings,
        officer_after_s: float | None,
        data: DataSettings,
        modem: Modem | None,
        provider: SmsProvider | None,
        post: EnrolledPost,
        book: AlertBook,
        store: Store,
        clock: Clock,
        trust: ClockTrust,
        timers: Timers,
        faults: Faults,
        trace: Trace,
        chance: random.Random,
    ) -> None:
        self._data = data
        self._memory = PathMemory(
            clock=clock,
            up_key=post.up_key,
            down_key=post.down_key,
            store=store,
            timers=timers,
            faults=faults,
            trust=trust,
        )
        self._path = SmsPath(
            provider=provider or self._modem_provider(settings, modem, clock, chance),
            up_key=post.up_key,
            down_key=post.down_key,
            memory=self._memory,
            clock=clock,
            timers=timers,
            faults=faults,
        )
        self._proof = PathProof(
            path=self._path,
            settings=settings.probe,
            clock=clock,
            trust=trust,
            timers=timers,
            faults=faults,
            chance=chance,
        )
        self._proof.alert_waits = lambda: any(alert.waiting for alert in book)
        self.officer = OfficerCalls(
            path=self._path,
            after_s=officer_after_s,
            steps_s=settings.retry_pauses_s,
            zone=settings.zone,
            book=book,
            store=store,
            clock=clock,
            trust=trust,
            timers=timers,
            faults=faults,
            trace=trace,
            chance=chance,
        )
        self.carrier = SmsCarrier(
            schedule=sms_schedule(settings),
            zone=settings.zone,
            path=self._path,
            proof=self._proof,
            clock=clock,
            trust=trust,
            timers=timers,
            trace=trace,
        )

    @property
    def busy(self) -> bool:
        return self.officer.busy

    @property
    def contacts_edition(self) -> int:
        contacts = self._memory.contacts
        return 0 if contacts is None else contacts.edition

    def load(self, contents: SecondPathContents) -> None:
        """Take in what the disk holds; the book has its alerts already."""
        self._memory.load(contents)
        self.officer.load(contents)

    async def written(self) -> None:
        """Return once what is under way has been written, or cannot be."""
        await self._memory.written()
        await self.officer.written()

    # AlertWatcher

    def alert_waits(self, alert: BoxAlert) -> None:
        self.officer.watch(alert)

    def alert_settled(self, alert: BoxAlert) -> None:
        self.officer.settled(alert)

    def post_answered(self, answer: Answer) -> None:
        if answer.state == "coming":
            self.officer.post_answered([AlertId.parse(one) for one in answer.alerts])

    def carrier_up(self, carrier: Carrier) -> None:
        if carrier is not self.carrier:
            self._proof.data_is_back()
            self.officer.data_is_up()

    def carrier_down(self, carrier: Carrier) -> None:
        if carrier is not self.carrier:
            self._proof.data_fell()

    def take_contacts(self, contacts: Contacts) -> None:
        self._memory.take_contacts(contacts)

    # What people ask

    def probe_now(self) -> None:
        self._proof.probe_now()

    def describe(self) -> dict[str, Any]:
        """Return how the path is, for people."""
        told = self._path.describe()
        told["probe"] = self._proof.describe()
        told["officer_counts"] = dict(self.officer.counts)
        told["shared"] = self._shared(str(told["modem"].get("plmn", "")))
        return told

    def _modem_provider(
        self, settings: SmsSettings, modem: Modem | None, clock: Clock, chance: random.Random
    ) -> SmsProvider:
        return ModemProvider(
            modem or SerialModem(settings.modem, clock=clock, chance=chance),
            rate_per_min=settings.rate_per_min,
            clock=clock,
            chance=chance,
            known=self._memory.knows,
            country=settings.country,
        )

    def _shared(self, plmn: str) -> list[str]:
        """Return what both paths hang on, as far as configuration and modem tell.

        Networks are compared by their numbers: one operator has many names.
        """
        if self._data.via is None:
            return ["unknown"]
        if self._data.via == "box-modem":
            return ["modem", "sim", "operator"]
        of_data, of_modem = _network(self._data.operator or ""), _network(plmn)
        if of_data is None:
            return ["operator-unknown"]
        if of_modem is None:
            return ["operator-unread"]
        return ["operator"] if of_data == of_modem else []


def _network(plmn: str) -> tuple[int, int] | None:
    """Return country and operator of "208-01" or "20801", None of anything else."""
    found = re.fullmatch(r"([0-9]{3})-?([0-9]{2,3})", plmn.strip())
    return None if found is None else (int(found[1]), int(found[2]))
