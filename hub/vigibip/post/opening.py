"""Opens the store, at the start or as soon as it can be; until then a copy says whom to believe."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError
from vigibip.base.waiting import within
from vigibip.post.errors import NewerStoreError
from vigibip.post.faults import FaultKind, Faults
from vigibip.post.patience import in_a_thread
from vigibip.post.store import Store

_log = logging.getLogger(__name__)

# A migration on a slow card takes some seconds; a disk that hangs takes for ever.
_PATIENCE_S = 10.0
_RETRY_S = 5.0


class Opening:
    """Of one store. `take_up` is called each time that it was opened."""

    def __init__(
        self, store: Store, clock: Clock, faults: Faults, take_up: Callable[[], Awaitable[None]]
    ) -> None:
        self._store = store
        self._clock = clock
        self._faults = faults
        self._take_up = take_up
        self._under_way: asyncio.Future[None] | None = None
        self._at_it = False
        self._taken_up = False

    @property
    def busy(self) -> bool:
        return self._at_it

    async def open(self) -> bool:
        """Open the store and take it up; False, and a fault, when that is impossible now.

        Raises NewerStoreError: this release must not go on with it.
        """
        self._at_it = True
        try:
            await self._open()
            self._taken_up = True
        except NewerStoreError:
            raise
        except StorageError as error:
            self._faults.raise_fault(FaultKind.STORE_FAILED, "", str(error))
        finally:
            self._at_it = False
        return self._taken_up

    async def run(self) -> None:
        """Take up a store that could not be; see whether one that failed since has healed."""
        while True:
            await self._clock.sleep(_RETRY_S)
            if not self._taken_up:
                try:
                    if await self.open():
                        _log.info("the store is open")
                except NewerStoreError as error:
                    # The disk's own fault had hidden it.
                    self._faults.raise_fault(FaultKind.STORE_FAILED, "", str(error))
            if self._taken_up and self._faults.stands(FaultKind.STORE_FAILED):
                await self._faults.try_store()

    async def _open(self) -> None:
        """What takes too long goes on by itself, and until it ends nothing else is begun."""
        if self._under_way is None:
            self._under_way = asyncio.ensure_future(self._open_at_leisure())
            # Whoever has left does not ask how it ended.
            self._under_way.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        under_way = self._under_way
        if not await within(self._clock, _PATIENCE_S, under_way):
            raise StorageError("the disk does not answer")
        self._under_way = None
        under_way.result()

    async def _open_at_leisure(self) -> None:
        await asyncio.wrap_future(in_a_thread(self._store.start))
        await self._take_up()
