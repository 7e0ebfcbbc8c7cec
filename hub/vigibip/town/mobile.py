"""The town's mobile network: modems of boxes and post, phones of people, one operator for all.

Modems and operator are simulated, in driven time and in real time alike; what talks to the modems
is not. Every message of ours is stamped on its way, as somebody who taps the network sees it:
which alert it is about stands in the clear, and is sealed, not hidden.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vigibip.alert.sms_form import SmsKind, alerts_named
from vigibip.base.clock import Clock
from vigibip.modem.serial_modem import SerialModem
from vigibip.modem.settings import ModemSettings
from vigibip.modem.simulated.models import SIM7600, Model
from vigibip.modem.simulated.modem import SimulatedModem
from vigibip.modem.simulated.network import RadioNetwork, Subscriber
from vigibip.modem.simulated.port import InProcessPort, SimulatedLines
from vigibip.modem.simulated.pty import PtyModem
from vigibip.modem.simulated.settings import Behaviour
from vigibip.modem.simulated.sim_card import SimCard
from vigibip.sms.address import Address
from vigibip.sms.errors import PduError
from vigibip.sms.pdu import Deliver, decode, decode_submit, encode_deliver, encode_submit
from vigibip.sms.segments import References, segment
from vigibip.sms.user_data import of_segment
from vigibip.town.operator import FAIR, Operator, OperatorWeather

OFFICER_NUMBER = "+33639983001"
STRANGER_NUMBER = "+33639989999"

# At such a port there is nothing: what stands behind it is handed in.
_NO_PORT = "/dev/simulated"
# What each kind is called in stamps; the others are in none.
_NAMES = {
    SmsKind.ALERT: "alert",
    SmsKind.RECEIPT: "receipt",
    SmsKind.REFUSAL: "receipt",
    SmsKind.COMING: "coming",
}

Told = Callable[[str, str, float], None]
"""(stage, alert id, seconds of the clock)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MobilePlan:
    """What the second path of a town is like."""

    post_modems: int = 1
    weather: OperatorWeather = FAIR
    submit_s: tuple[float, float] = (2.0, 5.0)
    """What a modem takes from Ctrl-Z to +CMGS."""
    rate_per_min: float = 20.0
    """What each SIM may send; alerts do not wait for it."""
    probe_soon_s: float = 7_200.0
    """Within this time after its start or data's fall, a box probes the path."""
    model: Model = SIM7600


def box_number(shop: int) -> str:
    """Return the number of the SIM in the box of `shop`, counted from 1."""
    return f"+3363998{1000 + shop:04d}"


def post_number(modem: int) -> str:
    """Return the number of the post's modem, counted from 1."""
    return f"+3363998{2000 + modem:04d}"


def about(text: str) -> tuple[str, list[str]]:
    """Return what a text of ours is ("alert", "receipt", "coming") and the alerts it names.

    Without a key, so nothing of it is proven. ("", []) for any other text.
    """
    found = alerts_named(text)
    if found is None:
        return "", []
    kind, alerts = found
    name = _NAMES.get(kind, "")
    return name, [str(alert) for alert in alerts] if name else []


class TownModem(SimulatedModem):
    """A simulated modem that tells when messages of ours pass it.

    `sms.X.modem`: the PDU was handed over (Ctrl-Z), `sms.X.operator`: the network took it, which
    is the modem's +CMGS, `sms.X.delivered`: the modem at the other end has it.
    """

    def __init__(
        self,
        clock: Clock,
        network: RadioNetwork,
        plan: MobilePlan,
        number: str,
        told: Told,
        chance: random.Random,
    ) -> None:
        super().__init__(
            clock,
            network,
            plan.model,
            chance=chance,
            sim=SimCard(number=number),
            behaviour=Behaviour(submit_s=plan.submit_s),
        )
        self.handed_s = 0.0
        """When the last Ctrl-Z came in."""
        self._told = told

    def feed(self, data: bytes) -> None:
        if b"\x1a" in data:
            self.handed_s = self.clock.monotonic_s()
        super().feed(data)

    def deliver(self, pdu: bytes) -> bool:
        taken = super().deliver(pdu)
        if taken:
            _tell(self._told, _text_of(pdu), "delivered", self.clock.monotonic_s())
        return taken

    def taken(self, tpdu: bytes) -> None:
        """The network took this SUBMIT of the modem's."""
        text = decode_submit(tpdu).data.text or ""
        _tell(self._told, text, "modem", self.handed_s)
        _tell(self._told, text, "operator", self.clock.monotonic_s())


class _Tapped:
    """The RadioNetwork of one modem: the operator's, which tells the modem what it took."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self.modem: TownModem | None = None

    def attach(self, modem: Subscriber) -> None:
        self._operator.attach(modem)

    def detach(self, modem: Subscriber) -> None:
        self._operator.detach(modem)

    def memory_available(self, modem: Subscriber) -> None:
        self._operator.memory_available(modem)

    def submit(self, modem: Subscriber, tpdu: bytes) -> int:
        reference = self._operator.submit(modem, tpdu)
        if self.modem is not None:
            self.modem.taken(tpdu)
        return reference


@dataclass(frozen=True, slots=True)
class Text:
    """A text on somebody's phone."""

    at_s: float
    sender: str
    text: str


class Phone:
    """A phone in somebody's hand: it shows what comes, and writes what its owner types."""

    def __init__(self, clock: Clock, operator: Operator, number: str) -> None:
        self.texts: list[Text] = []
        self._clock = clock
        self._operator = operator
        self._number = number
        self._references = References(0)
        operator.attach(self)

    @property
    def number(self) -> str:
        return self._number

    def deliver(self, pdu: bytes) -> bool:
        message = decode(pdu)
        if isinstance(message, Deliver):
            text = Text(self._clock.monotonic_s(), message.sender.e164(), message.data.text or "")
            self.texts.append(text)
        return True

    def send(self, to: str, text: str) -> None:
        """Send a text, in parts when it is long. Raises NetworkRefusedError."""
        for part in segment(text, self._references.next()):
            self._operator.submit(self, encode_submit(to, part))


class Mobile:
    """The town's operator, and everything that is registered with it."""

    def __init__(self, clock: Clock, plan: MobilePlan, told: Told, seed: int = 0) -> None:
        self.plan = plan
        self.operator = Operator(clock, random.Random(f"operator {seed}"), plan.weather)
        self.post_numbers = [post_number(number) for number in range(1, plan.post_modems + 1)]
        self._clock = clock
        self._told = told
        self._seed = seed
        self._modems: dict[str, TownModem] = {}
        self._ptys: list[PtyModem] = []
        self._phones: dict[str, Phone] = {}

    def modem(self, number: str) -> TownModem:
        """Return the modem with this number, which is up and registered from the first on."""
        if number not in self._modems:
            chance = random.Random(f"{number} {self._seed}")
            network = _Tapped(self.operator)
            modem = TownModem(self._clock, network, self.plan, number, self._told, chance)
            network.modem = modem
            modem.start(booted=True)
            self._modems[number] = modem
        return self._modems[number]

    def phone(self, number: str) -> Phone:
        if number not in self._phones:
            self._phones[number] = Phone(self._clock, self.operator, number)
        return self._phones[number]

    def driver(self, number: str, name: str) -> SerialModem:
        """Return a new driver of the modem with this number, in this process."""
        simulated = self.modem(number)
        return SerialModem(
            ModemSettings(port=_NO_PORT),
            clock=self._clock,
            chance=random.Random(f"{name} {self._seed}"),
            name=name,
            open_port=InProcessPort(simulated).open,
            lines=SimulatedLines(simulated),
        )

    def at_terminal(self, number: str, path: Path) -> TownModem:
        """Put the modem with this number on a pseudo-terminal at `path`."""
        modem = self.modem(number)
        pty = PtyModem(modem, path)
        pty.open()
        self._ptys.append(pty)
        return modem

    def forge(self, sender: str, to: str, text: str) -> None:
        """Have `to` get a text whose sender's number is forged, as whoever pays for it can.

        Raises PduError when it has more than one part.
        """
        parts = segment(text, 0)
        if len(parts) > 1:
            raise PduError("a forged text has one part")
        self.operator.bring(
            to,
            encode_deliver(Address.parse(sender), of_segment(parts[0]), sent_utc=self._clock.utc()),
        )

    @property
    def signs(self) -> int:
        """A number that changes whenever a message or a byte passes."""
        modems = sum(modem.counts["bytes_in"] for modem in self._modems.values())
        return modems + sum(self.operator.counts.values())

    async def close(self) -> None:
        for pty in self._ptys:
            pty.close()
        for modem in self._modems.values():
            modem.close()
        await self.operator.close()


def _tell(told: Told, text: str, what: str, at_s: float) -> None:
    name, alerts = about(text)
    for alert in alerts:
        told(f"sms.{name}.{what}", alert, at_s)


def _text_of(pdu: bytes) -> str:
    try:
        message = decode(pdu)
    except PduError:
        return ""
    return (message.data.text or "") if isinstance(message, Deliver) else ""
