"""What the tests of modems share: PDUs, a network that keeps what it is given, and a listener."""

from __future__ import annotations

from collections.abc import Callable

from vigibip.base.errors import StorageError
from vigibip.modem.contract import Modem, ModemState
from vigibip.modem.simulated.network import NetworkRefusedError, Subscriber
from vigibip.sms.pdu import Deliver, StatusReport, decode

# A SMS-SUBMIT of one word to a fictional number, without a service centre.
TPDU = bytes.fromhex("31000B913336990801F20000A704D4F29C0E")
# A SMS-DELIVER of one word from a fictional number, with its service centre.
DELIVER = bytes.fromhex("07913336990800F0040B913336990801F200006211228121004004D4F29C0E")
REPORT = bytes.fromhex("07913336990800F006400B913336990801F2621122812100406211228121304000")


class PaperNetwork:
    """A RadioNetwork that keeps what it is given and refuses what it is told to."""

    def __init__(self) -> None:
        self.attached: list[Subscriber] = []
        self.submitted: list[bytes] = []
        self.refusals: list[int] = []
        """The CMS codes that the next SMS are refused with."""
        self.on_room: Callable[[Subscriber], None] = lambda _modem: None

    def attach(self, modem: Subscriber) -> None:
        if modem not in self.attached:
            self.attached.append(modem)

    def detach(self, modem: Subscriber) -> None:
        if modem in self.attached:
            self.attached.remove(modem)

    def memory_available(self, modem: Subscriber) -> None:
        self.on_room(modem)

    def submit(self, modem: Subscriber, tpdu: bytes) -> int:
        if self.refusals:
            raise NetworkRefusedError(self.refusals.pop(0))
        self.submitted.append(tpdu)
        return len(self.submitted) % 256


class Told:
    """ModemEvents that keeps all it is told; `full` makes the disk refuse."""

    def __init__(self) -> None:
        self.changes = 0
        self.states: list[ModemState] = []
        """Each state once for as long as it lasted."""
        self.pdus: list[bytes] = []
        self.refused = 0
        self.full = False

    def modem_changed(self, modem: Modem) -> None:
        self.changes += 1
        if not self.states or self.states[-1] is not modem.health.state:
            self.states.append(modem.health.state)

    async def received(self, modem: Modem, pdu: bytes) -> None:
        if self.full:
            self.refused += 1
            raise StorageError("the disk is full")
        self.pdus.append(pdu)

    @property
    def texts(self) -> list[str | None]:
        read = [decode(pdu) for pdu in self.pdus]
        return [one.data.text for one in read if isinstance(one, Deliver)]

    @property
    def reports(self) -> list[StatusReport]:
        read = [decode(pdu) for pdu in self.pdus]
        return [one for one in read if isinstance(one, StatusReport)]
