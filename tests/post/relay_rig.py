"""A relay with its radio and its deadlines in driven time, or several on one store."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from typing import Any

from tests.post.harness import PaperRadio
from vigibip.alert.messages import Alert
from vigibip.base.clock import DrivenClock
from vigibip.base.trace import Trace
from vigibip.post.config import RelaySettings
from vigibip.post.deadlines import Deadlines
from vigibip.post.faults import Faults
from vigibip.post.relay import Relay
from vigibip.post.store import Store
from vigibip.post.store.incidents import IntakeRules
from vigibip.post.store.records import Accepted
from vigibip.post.telling import Telling

SETTINGS = RelaySettings()
_ids = itertools.count(1)


class Worker:
    """A relay with its radio, on a store that others may share."""

    def __init__(
        self,
        store: Store,
        clock: DrivenClock,
        settings: RelaySettings = SETTINGS,
        takes_s: float = 8.0,
        others: Sequence[PaperRadio] = (),
    ) -> None:
        self.store = store
        self.radio = PaperRadio(clock, takes_s=takes_s)
        self.faults = Faults(store, clock)
        self.settings = settings
        self.ended: list[asyncio.Task[None]] = []
        self.relay = Relay(
            store, [self.radio, *others], settings, clock, self.faults, Trace(), self.ended.append
        )
        self.telling = Telling(store, lambda topic, payload: False, {}, clock, Trace())
        self.deadlines = Deadlines(store, self.relay, self.telling, settings, clock)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        await self.relay.take_up()
        await self.relay.start()
        self._tasks = [asyncio.create_task(self.deadlines.run())]

    async def die(self) -> None:
        """End as a power cut would: nothing is written any more."""
        await self.relay.stop()
        await self.sleep_deadlines()

    async def sleep_deadlines(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def end_waiting(self, taken: Accepted, *, arrived: bool) -> None:
        """Have an officer say that he comes, or be there, and the deadlines look no more."""
        if arrived:
            await self.store.arrive(taken.incident_id, by="Alpha 1")
        else:
            await self.store.answer_incident(taken.incident_id, by="Alpha 1")
        await self.relay.refresh()
        # Also what they have not looked at yet must not be told.
        await self.sleep_deadlines()

    async def press(self, box_id: str, **fields: Any) -> Accepted:
        fields.setdefault("age_s", 0)
        alert = Alert(alert=f"{next(_ids):016x}", **fields)
        rules = IntakeRules(worker=self.settings.worker, lease_s=self.settings.lease_s)
        taken = await self.store.accept_alert(box_id, alert, rules=rules)
        if taken.round is not None:
            self.relay.push(taken.round)
        else:
            self.relay.wake()
        self.deadlines.fresh_alert()
        return taken

    def said(self) -> list[tuple[float, int]]:
        return list(zip([one.at_s for one in self.radio.said], self.radio.numbers, strict=True))


class Workers:
    def __init__(self, store: Store, clock: DrivenClock) -> None:
        self.store = store
        self.clock = clock
        self.all: list[Worker] = []
        clock.settle = self.settle

    async def start(self, **fields: Any) -> Worker:
        takes_s, others = fields.pop("takes_s", 8.0), fields.pop("others", ())
        settings = SETTINGS.model_copy(update=fields)
        worker = Worker(self.store, self.clock, settings, takes_s, others)
        self.all.append(worker)
        await worker.start()
        await self.settle()
        return worker

    async def settle(self) -> None:
        calm, end_s = 0, time.monotonic() + 10
        while calm < 3:
            await DrivenClock.run_ready()
            busy = not self.store.idle or any(one.relay.busy for one in self.all)
            calm = 0 if busy else calm + 1
            assert time.monotonic() < end_s
            await asyncio.sleep(0.001)

    async def shop(self, name: str = "Tabac") -> str:
        shop = await self.store.create_shop(name=name, spoken=name, address="12 rue des Lilas")
        return shop.box_id
