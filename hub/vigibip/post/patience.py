"""Waiting no longer than is good: a disk that hangs answers when it likes, or never."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError
from vigibip.base.waiting import within

T = TypeVar("T")

_PATIENCE_S = 2.0


async def in_time(work: Awaitable[T], clock: Clock) -> T:
    """Return what `work` on the store returns. Raises StorageError, also when it takes too long.

    What takes too long goes on by itself.
    """
    task = asyncio.ensure_future(work)
    # Whoever has left does not ask how it ended.
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    if not await within(clock, _PATIENCE_S, task):
        raise StorageError("the disk does not answer")
    return task.result()


class OneAtATime:
    """Work of one kind on the store: what a disk that hangs holds up gets no company."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._under_way: asyncio.Future[Any] | None = None

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what `work` returns. Raises StorageError, also when it takes too long.

        What takes too long goes on by itself, and until it ends nothing else is begun.
        """
        if self._under_way is not None and not self._under_way.done():
            work.close()
            raise StorageError("the disk does not answer")
        task = asyncio.ensure_future(work)
        self._under_way = task
        return await in_time(task, self._clock)


def in_a_thread(run: Callable[[], None]) -> Future[None]:
    """Run this in a thread of its own, which no end of the process waits for."""
    done: Future[None] = Future()

    def work() -> None:
        try:
            run()
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            done.set_exception(error)
        else:
            done.set_result(None)

    threading.Thread(target=work, name="post-disk", daemon=True).start()
    return done
