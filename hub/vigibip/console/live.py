"""What the page shows, rendered once for everybody each time that the store changes."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, tzinfo

from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError
from vigibip.post.store import Store
from vigibip.post.store.paths import ModemView
from vigibip.post.store.records import FaultView, IncidentView
from vigibip.post.store.second_path import SecondPathStore

_log = logging.getLogger(__name__)

# A dispatcher sees a change within this time; asking the store costs some microseconds.
WATCH_S = 0.1
# Every open incident is shown: a shop has one at most. The limit only bounds a broken store.
_OPEN_MAX = 5000
_CLOSED_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What there is to show. `shops`: box id -> name. `post_runs` None: unknown.

    `modems`: the post's, as it last told of them.
    """

    opened: Sequence[IncidentView]
    closed: Sequence[IncidentView]
    faults: Sequence[FaultView]
    shops: dict[str, str]
    post_runs: bool | None
    modems: Sequence[ModemView]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The page's live part. `number` grows with each change; `read_s` (monotonic) is when the
    store said so.

    `waiting`: the open incidents that nobody has answered.
    """

    number: int
    html: str
    open_count: int
    waiting: int
    faults: int
    read_s: float


class Live:
    """Watches the store and keeps the newest snapshot."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        zone: tzinfo,
        render: Callable[[Picture], str],
        post_runs: Callable[[], bool | None],
    ) -> None:
        self._store = store
        self._second_path = SecondPathStore(store, clock)
        self._clock = clock
        self._zone = zone
        self._render = render
        self._post_runs = post_runs
        self._changed = asyncio.Condition()
        self._refreshing = asyncio.Lock()
        self._snapshot: Snapshot | None = None
        self._shown: tuple[int, bool | None, date] | None = None
        self.ended = False

    async def watch(self) -> None:
        """Keep the snapshot fresh, for ever; a store that fails is asked again."""
        failing = False
        while True:
            try:
                await self.refresh()
                failing = False
            except StorageError as error:
                # The snapshot grows old, and the page says how old it is.
                if not failing:
                    _log.error("the store does not answer: %s", error)
                failing = True
            except Exception as error:  # noqa: BLE001 - what is wrong in one row may be over soon
                if not failing:
                    _log.error("what stands cannot be shown: %s", type(error).__name__)
                failing = True
            await self._clock.sleep(WATCH_S)

    async def refresh(self) -> Snapshot:
        """Return the snapshot of the store as it is now. Raises StorageError."""
        async with self._refreshing:
            version = await self._store.data_version()
            # Times of day are told without their day until it is over.
            today = self._clock.utc().astimezone(self._zone).date()
            stands = (version, self._post_runs(), today)
            if self._snapshot is not None and stands == self._shown:
                self._snapshot = replace(self._snapshot, read_s=self._clock.monotonic_s())
                return self._snapshot
            snapshot = await self._read(stands[1])
            async with self._changed:
                self._snapshot = snapshot
                self._shown = stands
                self._changed.notify_all()
            return snapshot

    async def _read(self, post_runs: bool | None) -> Snapshot:
        read_s = self._clock.monotonic_s()
        opened = await self._store.incidents(open_only=True, limit=_OPEN_MAX)
        known = {one.id for one in opened}
        latest = await self._store.incidents(limit=len(opened) + _CLOSED_MAX)
        picture = Picture(
            # By when they were opened, not by the last press: a row that jumps under the hand of
            # a dispatcher makes him answer for another shop.
            opened=sorted(opened, key=lambda one: (one.opened_at, one.id), reverse=True),
            # What was closed between the two questions is still shown open: it comes next.
            closed=[one for one in latest if one.closed_at is not None and one.id not in known],
            faults=await self._store.faults(),
            shops={shop.box_id: shop.name for shop in await self._store.shops()},
            post_runs=post_runs,
            modems=await self._second_path.modems(),
        )
        html = self._render(picture)
        last = self._snapshot
        number = 1 if last is None else last.number + (html != last.html)
        return Snapshot(
            number=number,
            html=html,
            open_count=len(picture.opened),
            waiting=sum(one.state.value == "open" for one in picture.opened),
            faults=len(picture.faults) + (post_runs is False),
            read_s=read_s,
        )

    async def after(self, number: int, wait_s: float) -> Snapshot | None:
        """Return the first snapshot past `number`; None when `wait_s` pass without one, or at
        the end."""

        def is_newer() -> bool:
            return self.ended or (self._snapshot is not None and self._snapshot.number > number)

        async with self._changed:
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait_for(is_newer)
            except TimeoutError:
                return None
        return None if self.ended else self._snapshot

    async def end(self) -> None:
        """Let every reader go: the console stops."""
        async with self._changed:
            self.ended = True
            self._changed.notify_all()

    @property
    def newest(self) -> Snapshot | None:
        """The last snapshot, however old; None before the first."""
        return self._snapshot


class Reader:
    """One open stream. `gone`: a later one of the same session has taken its place."""

    __slots__ = ("gone",)

    def __init__(self) -> None:
        self.gone = False


# Nobody has so many windows; a line that breaks each few seconds leaves some behind.
_READERS_MAX = 12


class Readers:
    """Bounds the streams of each session: the oldest makes room, so that nobody is locked out."""

    def __init__(self) -> None:
        self._of: dict[str, deque[Reader]] = defaultdict(deque)

    def join(self, session: str) -> Reader:
        """Return a new reader of `session`; to be given back by `leave`."""
        readers = self._of[session]
        if len(readers) >= _READERS_MAX:
            readers.popleft().gone = True
        readers.append(Reader())
        return readers[-1]

    def leave(self, session: str, reader: Reader) -> None:
        readers = self._of[session]
        if not reader.gone:
            readers.remove(reader)
        if not readers:
            del self._of[session]
