"""Phones on a simulated operator: anybody's, and those of a post that answers as a post does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.box.peers import DOWN_KEY, UP_KEY
from tests.box.sms_town import POST_NUMBERS
from vigibip.alert.sms_form import SmsKind, SmsMessage, read_sms, write_sms
from vigibip.sms.pdu import Deliver, decode, encode_submit
from vigibip.sms.segments import segment
from vigibip.town.operator import Operator

BOX_NUMBER = "+33199000077"


class Phone:
    """A number that answers texts as a test says; a Subscriber."""

    def __init__(self, operator: Operator, number: str) -> None:
        self.number = number
        self.texts: list[str] = []
        self.on_text: Callable[[str], None] = lambda _text: None
        self._operator = operator
        operator.attach(self)

    def deliver(self, pdu: bytes) -> bool:
        message = decode(pdu)
        if isinstance(message, Deliver):
            assert message.data.text is not None
            self.texts.append(message.data.text)
            self.on_text(message.data.text)
        return True

    def send(self, text: str, to: str = BOX_NUMBER) -> None:
        (part,) = segment(text, None)
        self._operator.submit(self, encode_submit(to, part))


class PostPhones:
    """The post behind its numbers: takes each alert once, gives receipts and answers."""

    def __init__(self, operator: Operator) -> None:
        self.alive = True
        self.answers = False
        self.taken: dict[str, SmsMessage] = {}
        self.came = 0
        self.sent = 0
        self.probes = 0
        self._sequence = 0
        self.phones = [Phone(operator, number) for number in POST_NUMBERS]
        for phone in self.phones:
            phone.on_text = lambda text, phone=phone: self._take(phone, text)  # type: ignore[misc]

    def say(self, phone: Phone, kind: SmsKind, **fields: Any) -> None:
        self._sequence += 1
        self.sent += 1
        message = SmsMessage(kind=kind, sequence=self._sequence, **fields)
        phone.send(write_sms(DOWN_KEY, "VigiBip", message))

    def _take(self, phone: Phone, text: str) -> None:
        message = read_sms(UP_KEY, text)
        if not self.alive:
            return
        if message.kind is SmsKind.PROBE:
            self.probes += 1
            self.say(phone, SmsKind.PROBE_REPLY, answers=message.sequence)
            return
        self.came += 1
        self.taken.setdefault(str(message.alerts[0]), message)
        self.say(phone, SmsKind.RECEIPT, alerts=message.alerts)
        if self.answers:
            self.say(phone, SmsKind.COMING, alerts=message.alerts, answers=self.came)
