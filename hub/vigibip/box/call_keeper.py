"""The open calls to the officer on the disk, behind the memory; no call waits for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine

from vigibip.alert.ids import AlertId
from vigibip.base.errors import StorageError
from vigibip.box.faults import FaultCode, Faults
from vigibip.box.store import OfficerCallRecord, Store
from vigibip.box.timers import Timers

_log = logging.getLogger(__name__)

_AGAIN_S = 30.0
_SUBJECT = "officer"


class CallKeeper:
    """Without it a restart forgets the words. A disk that refuses is tried again, and a fault."""

    def __init__(
        self,
        *,
        store: Store,
        timers: Timers,
        faults: Faults,
        open_calls: Callable[[], list[OfficerCallRecord]],
    ) -> None:
        self._store = store
        self._timers = timers
        self._faults = faults
        self._open_calls = open_calls
        self._again_set = False
        self._working: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> bool:
        return bool(self._working)

    async def written(self) -> None:
        """Return once what is under way has been written, or cannot be."""
        while self._working:
            await asyncio.wait(set(self._working))

    def keep(self) -> None:
        """Write the calls that are open now."""
        records = self._open_calls()
        if records:
            self._work(self._keep(records))
        else:
            # What could not be kept is over; the disk has faults of its own.
            self._faults.clear(FaultCode.STORAGE, _SUBJECT)

    def forget(self, alert_ids: list[AlertId]) -> None:
        """Nothing of these is open any more; what is not forgotten is so by the next start."""
        if alert_ids:
            self._work(self._forget(alert_ids))

    async def _keep(self, records: list[OfficerCallRecord]) -> None:
        try:
            await self._store.write_calls(records)
        except StorageError as error:
            self._faults.begin(FaultCode.STORAGE, str(error), _SUBJECT)
            if not self._again_set:
                self._again_set = True
                self._timers.call_in(_AGAIN_S, self._again)
        else:
            self._faults.clear(FaultCode.STORAGE, _SUBJECT)

    def _again(self) -> None:
        self._again_set = False
        self.keep()

    async def _forget(self, alert_ids: list[AlertId]) -> None:
        try:
            await self._store.forget_calls(alert_ids)
        except StorageError as error:
            _log.warning("what is over was not forgotten: %s", error)

    def _work(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)
