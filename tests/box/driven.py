"""A whole box in driven time, with a receiver and a carrier of memory and a real disk."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing

from tests.box.peers import Bip, MemoryLink
from vigibip.alert.messages import Alert, Answer, BoxStatus, Contacts, OfficerAnswer, Receipt
from vigibip.base.clock import DrivenClock
from vigibip.box.carrier import CarrierEvents
from vigibip.box.config import BoxSettings, PlanSettings, QueueSettings
from vigibip.box.daemon import BoxDaemon
from vigibip.box.faults import FaultCode
from vigibip.box.schedule import Schedule, data_schedule


class SmallCarrier:
    """A Carrier that notes what it is given and says what a test has it say."""

    def __init__(self, name: str = "data", schedule: Schedule | None = None) -> None:
        self.name = name
        self.schedule = schedule or data_schedule(QueueSettings(), PlanSettings())
        self.up = False
        self.full = False
        """Up, and yet without room for one more."""
        self.busy = False
        self.counts: dict[str, int] = {}
        self.sent: list[Alert] = []
        self.acknowledged: list[int] = []
        self.statuses: list[BoxStatus] = []
        self.withdrawn: list[str] = []
        self.officer_answers: list[OfficerAnswer] = []
        self.gestures: list[Alert] = []
        self._events: CarrierEvents | None = None

    @property
    def in_flight(self) -> int:
        return len(self.sent)

    def start(self, events: CarrierEvents) -> None:
        self._events = events
        if self.up:
            events.carrier_up(self)

    def send(self, alert: Alert) -> bool:
        if not self.up or self.full:
            return False
        self.sent.append(alert)
        return True

    def withdraw(self, alert: str) -> None:
        self.withdrawn.append(alert)

    def tell_gesture(self, alert: Alert) -> None:
        if self.up:
            self.gestures.append(alert)

    def tell_officer_answer(self, answer: OfficerAnswer) -> bool:
        if self.up:
            self.officer_answers.append(answer)
        return self.up

    def acknowledge(self, sequence: int) -> None:
        self.acknowledged.append(sequence)

    def tell_status(self, status: BoxStatus) -> None:
        self.statuses.append(status)

    async def close(self) -> None:
        self._events = None

    # What the test does

    def connect(self) -> None:
        self.up = True
        if self._events is not None:
            self._events.carrier_up(self)

    def lose(self) -> None:
        self.up = False
        assert self._events is not None
        self._events.carrier_down(self)

    def receipt(
        self, alert: str, verdict: str = "accepted", reason: str = "", **gesture: object
    ) -> None:
        assert self._events is not None
        receipt = {"alert": alert, "verdict": verdict, "reason": reason} | gesture
        self._events.received_receipt(self, Receipt.model_validate(receipt))

    def fail(self, alert: str) -> None:
        """Tell that what was handed over did not leave."""
        assert self._events is not None
        self._events.did_not_leave(self, alert)

    def answer(self, sequence: int, *alerts: str, state: str = "coming") -> None:
        assert self._events is not None
        answer = {"sequence": sequence, "alerts": list(alerts), "state": state}
        self._events.received_answer(self, Answer.model_validate(answer))

    def say_contacts(self, contacts: Contacts) -> None:
        assert self._events is not None
        self._events.received_contacts(self, contacts)

    def take(self) -> list[str]:
        """Return the ids of what was handed over since the last call."""
        ids = [alert.alert for alert in self.sent]
        self.sent.clear()
        return ids


class DrivenBox:
    """The daemon under test; `restart` ends it in good order and starts it again."""

    def __init__(self, settings: BoxSettings, *others: SmallCarrier) -> None:
        self.settings = settings
        self.clock = DrivenClock(settle=self.settle)
        self.link = MemoryLink()
        self.carrier = SmallCarrier()
        self.carriers = [self.carrier, *others]
        self.daemon = self._build()

    def _build(self) -> BoxDaemon:
        return BoxDaemon(
            self.settings,
            clock=self.clock,
            link=self.link,
            carriers=self.carriers,
            chance=random.Random(7),
        )

    async def start(self) -> None:
        await self.daemon.start()
        await self.settle()

    async def restart(self) -> None:
        await self.daemon.stop()
        self.daemon = self._build()
        await self.start()

    async def settle(self) -> None:
        while True:
            await DrivenClock.run_ready()
            if not self.daemon.busy:
                return
            await asyncio.sleep(0.001)

    async def hear(self, bip: Bip, *frames: bytes, rssi_dbm: int = -61) -> None:
        for sealed in frames:
            self.link.hear(rssi_dbm, bip.mac, sealed)
        await self.settle()

    async def press(self, bip: Bip, age_s: int = 0) -> str:
        """Have a new press heard and return its alert's id."""
        await self.hear(bip, bip.press(age_s=age_s))
        return bip.alert_id(bip.counter)

    async def state(self, bip: Bip, press: int) -> int:
        """Return what the bip is told when it polls for `press`."""
        await self.hear(bip, bip.poll(press))
        return self.link.states(bip)[-1]

    def codes(self) -> set[FaultCode]:
        return self.daemon.faults.codes()

    def sql(self, *statements: str) -> list[Sequence[object]]:
        """Run statements on the store beside the daemon and return the last one's rows."""
        rows: list[Sequence[object]] = []
        with closing(sqlite3.connect(self.settings.store_path, isolation_level=None)) as beside:
            for statement in statements:
                rows = beside.execute(statement).fetchall()
        return rows

    def break_disk(self) -> None:
        """From now on no alert can be written."""
        self.sql(
            "CREATE TRIGGER refuse_new BEFORE INSERT ON alerts "
            "BEGIN SELECT RAISE(ABORT, 'the test refuses'); END",
        )

    def mend_disk(self) -> None:
        self.sql("DROP TRIGGER refuse_new")
