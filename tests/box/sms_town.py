"""A box with a second path in driven time: a provider of memory, the post's SMS by hand."""

from __future__ import annotations

import functools
import random
from collections.abc import Mapping

from tests.box.driven import DrivenBox, SmallCarrier
from tests.box.peers import BOX_ID, DOWN_KEY, UP_KEY
from vigibip.alert.ids import AlertId
from vigibip.alert.messages import Contacts, OfficerContact
from vigibip.alert.officer_codes import code_digest
from vigibip.alert.sms_form import SmsKind, SmsMessage, has_form, read_sms, write_sms
from vigibip.base.trace import Trace
from vigibip.box.config import BoxSettings
from vigibip.box.daemon import BoxDaemon
from vigibip.box.enrolment import EnrolledPost, Enrolment, save_enrolment
from vigibip.sms.contract import (
    Capabilities,
    IncomingSms,
    OutgoingSms,
    SmsEvents,
    SmsTicket,
)
from vigibip.sms.errors import SmsError
from vigibip.sms.lanes import Lane

POST_NUMBERS = ["+33199000001", "+33199000002"]
OFFICER = "+33639980001"
STRANGER = "+33639980099"
SALT = bytes(16)
CODES = ["12345678", "23456789", "34567890"]


class PocketProvider:
    """An SmsProvider whose SMS leave when the test says so, at once by default."""

    def __init__(self) -> None:
        self.name = "pocket"
        self.capabilities = Capabilities(
            rate_per_min=20, two_way=True, delivery_reports=True, sender="number"
        )
        self.up = False
        self.busy = False
        self.held = False
        """True: what is submitted waits in the modem's queue."""
        self.state = "ready"
        self.plmn = "208-15"
        self.left: list[OutgoingSms] = []
        self.queue: list[tuple[SmsTicket, OutgoingSms]] = []
        self._events: SmsEvents | None = None
        self._next = 1

    @property
    def tries_alerts(self) -> bool:
        return self.up or self.state in ("searching", "denied")

    @property
    def counts(self) -> Mapping[str, int]:
        return {}

    @property
    def waiting(self) -> int:
        return len(self.queue)

    @property
    def minutes_to_empty(self) -> float:
        return self.waiting / 20

    @property
    def health(self) -> Mapping[str, object]:
        return {
            "state": self.state,
            "detail": "",
            "advice": "vérifier",
            "operator": "Exemple Mobile",
            "plmn": self.plmn,
            "model": "SIM7600E-H",
            "firmware": "LE20B03",
            "technology": "LTE",
            "signal_dbm": -95,
        }

    def start(self, events: SmsEvents) -> None:
        self._events = events
        if self.up:
            events.provider_up(self)

    def submit(self, sms: OutgoingSms) -> SmsTicket:
        ticket = SmsTicket(self._next)
        self._next += 1
        waits = [(one.key, one.to) for _, one in self.queue]
        if (sms.key, sms.to) in waits:
            self.queue[waits.index((sms.key, sms.to))] = (ticket, sms)
        else:
            self.queue.append((ticket, sms))
        return ticket

    def withdraw(self, key: str) -> bool:
        kept = [one for one in self.queue if one[1].key != key]
        found = len(kept) < len(self.queue)
        self.queue = kept
        return found

    async def close(self) -> None:
        self._events = None

    # What the test does

    def flush(self) -> None:
        """Let the network take what waits, an alert first."""
        assert self._events is not None
        waiting = sorted(self.queue, key=lambda one: one[1].lane)
        self.queue.clear()
        for ticket, sms in waiting:
            self.left.append(sms)
            self._events.left(self, ticket, sms)

    def fail(self, cause: str, *, retry: bool) -> None:
        """Give up everything that waits."""
        assert self._events is not None
        given_up, self.queue = self.queue, []
        for ticket, sms in given_up:
            error = SmsError(cause, cause=cause, advice="vérifier la carte", retry=retry)
            self._events.failed(self, ticket, sms, error)

    def fail_one(self, ticket: SmsTicket, sms: OutgoingSms) -> None:
        """Give up what the modem had in hand."""
        assert self._events is not None
        self._events.failed(self, ticket, sms, SmsError("hung", cause="hung", retry=True))

    def report(self, sms: OutgoingSms, delivered: bool | None) -> None:
        assert self._events is not None
        self._events.reported(self, SmsTicket(0), sms, delivered, "")

    def go_up(self) -> None:
        assert self._events is not None
        self.up, self.state = True, "ready"
        self._events.provider_up(self)

    def go_down(self, state: str = "hung") -> None:
        assert self._events is not None
        self.up, self.state = False, state
        self._events.provider_down(self)

    async def bring(self, sender: str, text: str) -> None:
        assert self._events is not None
        sms = IncomingSms(sender=sender, text=text, sent_utc=None, provider=self.name)
        await self._events.received(self, sms)

    def take(self) -> list[OutgoingSms]:
        """Return what left since the last call."""
        left, self.left = self.left, []
        return left


class SmsBox(DrivenBox):
    """A driven box with `[sms]`; its provider is `sms`, its data carrier `carrier`."""

    def __init__(self, settings: BoxSettings, chance_seed: int = 7) -> None:
        self.sms = PocketProvider()
        self.sms.up = True
        self._seed = chance_seed
        self._down_sequence = 0
        self.stages: list[str] = []
        super().__init__(settings)

    def _build(self) -> BoxDaemon:
        self.carrier = SmallCarrier()
        return BoxDaemon(
            self.settings,
            clock=self.clock,
            link=self.link,
            carriers=[self.carrier],
            sms_provider=self.sms,
            trace=Trace(lambda stamp: self.stages.append(stamp.decode().split()[0])),
            chance=random.Random(self._seed),
        )

    async def settle(self) -> None:
        while True:
            await super().settle()
            if self.sms.held or not self.sms.up or not self.sms.queue:
                return
            self.sms.flush()

    # What the post and others say

    def contacts(self, edition: int = 1, **changed: object) -> Contacts:
        fields: dict[str, object] = {
            "edition": edition,
            "post_numbers": POST_NUMBERS,
            "spoken": "Tabac du Centre",
            "address": "12 rue des Lilas",
        }
        return Contacts.model_validate(fields | changed)

    async def give_contacts(self, *, officer: bool = False, edition: int = 1) -> None:
        known = officer_contact() if officer else None
        self.carrier.say_contacts(self.contacts(edition, officer=known))
        await self.settle()

    def down_text(self, kind: SmsKind, *alerts: str, **fields: int) -> str:
        """Write an SMS of the post, with its next sequence unless one is given."""
        self._down_sequence += 1
        given = {"sequence": self._down_sequence} | fields
        ids = tuple(AlertId.parse(alert) for alert in alerts)
        message = SmsMessage(kind=kind, alerts=ids, **given)
        return write_sms(DOWN_KEY, "VigiBip", message)

    async def post_says(self, kind: SmsKind, *alerts: str, **fields: int) -> str:
        text = self.down_text(kind, *alerts, **fields)
        await self.bring(POST_NUMBERS[0], text)
        return text

    async def bring(self, sender: str, text: str) -> None:
        await self.sms.bring(sender, text)
        await self.settle()

    def read(self) -> list[tuple[OutgoingSms, SmsMessage]]:
        """Return what left for the post since the last call, opened as the post opens it."""
        left = self.sms.take()
        return [(sms, read_sms(UP_KEY, sms.text)) for sms in left if sms.to in POST_NUMBERS]

    def alerts(self) -> list[SmsMessage]:
        return [message for _, message in self.read() if message.kind is SmsKind.ALERT]

    def to_officer(self) -> list[str]:
        left = self.sms.take()
        assert not any(has_form(sms.text) for sms in left if sms.to == OFFICER)
        return [sms.text for sms in left if sms.to == OFFICER and sms.lane is Lane.ALERT]

    @property
    def told(self) -> dict[str, object]:
        """What `vigibip box status` tells of the path."""
        told = self.daemon.description()["sms"]
        assert isinstance(told, dict)
        return told


@functools.cache
def digest_of(code: str) -> str:
    """Return what contacts hold of `code`; slow by design, so once for all tests."""
    return code_digest(code, SALT).hex()


def officer_contact(*codes: str, number: str = OFFICER) -> OfficerContact:
    digests = [digest_of(code) for code in codes or CODES]
    return OfficerContact(number=number, salt=SALT.hex(), digests=digests)


def enrol_by_hand(settings: BoxSettings, up_key: bytes = UP_KEY) -> None:
    """Leave an enrolment whose certificates nobody looks at."""
    pem = "-----BEGIN NOTHING-----"
    post = EnrolledPost(
        name="poste",
        broker_host="127.0.0.1",
        broker_port=8883,
        up_key=up_key,
        down_key=DOWN_KEY,
        authority_pem=pem,
        certificate_pem=pem,
        private_key_pem=pem,
    )
    save_enrolment(settings.enrolment_path, Enrolment(BOX_ID, (post,)))
