"""What comes in: read from the modem's store, handed over, and only then deleted.

An announcement (+CMTI, +CDSI) leads to one reading; a sweep of the store at the start, now and
then, and after an announcement without an index finds what was announced to nobody. No command of
a sweep is long, so that an urgent SMS goes between any two; no one message, whatever is wrong with
it or with its place, keeps another one from being read.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable

from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError
from vigibip.base.waiting import woken
from vigibip.modem.answers import StorePlace, StoreUse, announced, place, store_use
from vigibip.modem.causes import DEAF
from vigibip.modem.channel import COMMAND_S, Channel, Priority
from vigibip.modem.contract import ModemCause, ModemError
from vigibip.modem.grammar import Command, Urc

_log = logging.getLogger(__name__)

# What is pushed without being stored (+CDS, +CMT) while the disk refuses: reports of an hour.
_PUSHED_MAX = 256
# Announcements that were not read yet; a store holds 255 at most, and a sweep finds them all.
_ANNOUNCED_MAX = 64
_HANDED_MAX = 512
_SWEEP_S = 60.0
# A list of so many is 6 KB: 6 s at 9,600 baud, which is as long as anybody should have to wait for
# the line. What holds more is read place by place.
_LISTED_MAX = 16
_LIST_S = 15.0
_PLACES_MAX = 1024
# A mistake of ours in one message may pass; a message that leads to it each time must not be read
# for ever, nor fill the store.
_MISTAKES_MAX = 3
_MISTAKEN_MAX = 64
_RECEIVED = (0, 1)
_STORES = ("ME", "SM")
_REPORT_STORE = "SR"

HandOver = Callable[[bytes], Awaitable[None]]


class Inbox:
    """One modem's incoming messages. `hand_over` raises StorageError to keep a message."""

    def __init__(
        self, clock: Clock, channel: Channel, hand_over: HandOver, on_use: Callable[[], None]
    ) -> None:
        self._clock = clock
        self._channel = channel
        self._hand_over = hand_over
        self._on_use = on_use
        self._pushed: deque[bytes] = deque()
        self._announced: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._handed: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._mistaken: OrderedDict[bytes, int] = OrderedDict()
        self._sweep_due = False
        self._all_due = False
        self._wake = asyncio.Event()
        self._caught_up = asyncio.Event()
        self._caught_up.set()
        self._home = ""
        self._store = ""
        self.use: StoreUse | None = None
        """How full the store was when it was last asked for."""
        self.handing = False
        """Whether a message is being handed over now."""
        self.counts: Counter[str] = Counter()

    @property
    def full(self) -> bool:
        """Whether nothing more fits into the store."""
        return self.use is not None and 0 < self.use.total <= self.use.used

    def take(self, urc: Urc) -> bool:
        """Take `urc` if it is about messages."""
        text = urc.text
        if text.startswith(("+CDS:", "+CMT:")):
            if urc.pdu is not None:
                self._push(bytes.fromhex(urc.pdu))
            else:
                self._sweep_due = True
        elif text.startswith(("+CMTI:", "+CDSI:")):
            self._announce(text)
        elif "FULL" in text.upper():
            self.counts["store-full"] += 1
            self._sweep_due = True
        else:
            return False
        self._caught_up.clear()
        self._wake.set()
        return True

    async def caught_up(self, limit_s: float) -> None:
        """Return when what was announced has been read, or after `limit_s`."""
        if self._caught_up.is_set():
            return
        await woken(self._clock, limit_s, self._caught_up)

    async def choose_store(self) -> None:
        """Receive into the modem's own store, which is larger, else the SIM's.

        Raises ModemError if neither can be had.
        """
        error: ModemError | None = None
        for store in _STORES:
            try:
                await self._select(store, receive=True)
            except ModemError as refused:
                if refused.cause in DEAF or refused.cause is ModemCause.SIM_BUSY:
                    raise
                error = refused
            else:
                self._home = store
                return
        if error is not None:
            raise error

    async def sweep_all(self) -> None:
        """Hand over what both stores hold, the one in use last. Raises ModemError, StorageError."""
        self._all_due = True
        kept: StorageError | None = None
        for store in [store for store in _STORES if store != self._home]:
            try:
                await self._sweep(store)
            except ModemError as error:
                if error.cause in DEAF:
                    raise
                _log.debug("sweep of the other store: %s", error)
            except StorageError as error:
                kept = error
        if self._home:
            await self._select(self._home, receive=True)
        await self._sweep(self._home)
        if kept is not None:
            raise kept
        self._all_due = False

    async def serve(self) -> None:
        """Read and hand over until cancelled; what fails now is found by the next sweep."""
        while True:
            if not await woken(self._clock, _SWEEP_S, self._wake):
                self._sweep_due = True
            self._wake.clear()
            try:
                await self._work()
            except ModemError as error:
                self._sweep_due = True
                _log.info("reading messages: %s", error)
            except StorageError as error:
                self._sweep_due = True
                if not self.counts["kept"]:
                    _log.warning("messages are kept in the modem: %s", error)
                self.counts["kept"] += 1
            if not self._wake.is_set():
                self._caught_up.set()

    async def _work(self) -> None:
        while self._pushed:
            await self._give(self._pushed[0])
            self._pushed.popleft()
        kept: StorageError | None = None
        while self._announced:
            (store, index), _ = self._announced.popitem(last=False)
            try:
                await self._read(store, index)
            except StorageError as error:
                # Whoever cannot keep it may still act on it: those behind it have their turn.
                kept = error
        if kept is not None:
            raise kept
        if self._sweep_due:
            await (self.sweep_all() if self._all_due else self._sweep(self._home))
            self._sweep_due = False

    def _push(self, pdu: bytes) -> None:
        if len(self._pushed) == _PUSHED_MAX:
            self._pushed.popleft()
            self.counts["pushed-lost"] += 1
        self._pushed.append(pdu)

    def _announce(self, text: str) -> None:
        store, index = announced(text)
        if index is None or len(self._announced) >= _ANNOUNCED_MAX:
            self._sweep_due = True
            return
        if text.startswith("+CDSI:") and store != _REPORT_STORE:
            # EC25 keeps the report in SR and announces it as SM, so SR is looked into as well.
            self._announced[(_REPORT_STORE, index)] = None
        self._announced[(store or self._home, index)] = None

    async def _read(self, store: str, index: int) -> None:
        try:
            await self._select(store)
            for found in await self._at(index):
                await self._hand(found)
        except ModemError as error:
            if error.cause in DEAF:
                raise
            # No such place, or no such store: the sweep knows better.
            self._sweep_due = True
            self.counts["announced-missing"] += 1
        finally:
            if self._home and self._channel.is_open:
                await self._select(self._home)

    async def _sweep(self, store: str) -> None:
        self.counts["sweeps"] += 1
        await self._select(store)
        await self._ask_use()
        drafts: list[StorePlace] = []
        kept: StorageError | None = None
        async for one in self._places():
            if one.stat not in _RECEIVED:
                drafts.append(one)
                continue
            try:
                await self._hand(one)
            except StorageError as error:
                kept = error
        await self._ask_use()
        if self.full and kept is None:
            # Nothing that could be handed over is left: what fills it was written by somebody.
            for one in drafts:
                await self._delete(one)
            await self._ask_use()
        self._on_use()
        if kept is not None:
            raise kept

    async def _places(self) -> AsyncIterator[StorePlace]:
        """Yield what the store in use holds. Raises ModemError."""
        if self.use is None or self.use.used <= _LISTED_MAX:
            answers = await self._channel.run(
                Command("AT+CMGL=4", ("+CMGL:",)), limit_s=_LIST_S, priority=Priority.READ
            )
            for answer in answers:
                listed = place(answer.text, answer.pdu)
                if listed is not None:
                    yield listed
            return
        left = self.use.used
        # Some models count from 0, others from 1.
        for index in range(min(self.use.total, _PLACES_MAX) + 1):
            if not left:
                return
            try:
                found = await self._at(index)
            except ModemError as error:
                if error.cause in DEAF:
                    raise
                continue
            for one in found:
                left -= 1
                yield one

    async def _at(self, index: int) -> list[StorePlace]:
        """Return what is at `index`, if anything is. Raises ModemError."""
        command = Command(f"AT+CMGR={index}", ("+CMGR:",))
        answers = await self._channel.run(command, limit_s=5.0, priority=Priority.READ)
        found = [place(answer.text, answer.pdu, index=index) for answer in answers]
        return [one for one in found if one is not None]

    async def _hand(self, found: StorePlace) -> None:
        """Hand it over unless it was, then delete it. Raises StorageError; ModemError if deaf."""
        key = (self._store, found.index)
        if self._handed.get(key) != found.pdu:
            if not await self._give(found.pdu):
                self._sweep_due = True
                return
            self._handed[key] = found.pdu
            while len(self._handed) > _HANDED_MAX:
                self._handed.popitem(last=False)
        if await self._delete(found):
            self._handed.pop(key, None)

    async def _give(self, pdu: bytes) -> bool:
        """Hand `pdu` over; False: a mistake came of it, and it is to be tried again."""
        self.handing = True
        try:
            await self._hand_over(pdu)
        except StorageError:
            raise
        except Exception:  # noqa: BLE001 - a stranger's message must not stop what reads the others
            mistakes = self._mistaken.pop(pdu, 0) + 1
            self.counts["mistakes"] += 1
            _log.exception("a message could not be taken, attempt %d", mistakes)
            if mistakes < _MISTAKES_MAX:
                self._mistaken[pdu] = mistakes
                while len(self._mistaken) > _MISTAKEN_MAX:
                    self._mistaken.popitem(last=False)
                return False
            self.counts["let-go"] += 1
            return True
        finally:
            self.handing = False
        self._mistaken.pop(pdu, None)
        self.counts["received"] += 1
        return True

    async def _delete(self, found: StorePlace) -> bool:
        """Delete it; False: it could not be. Raises ModemError if the modem is deaf."""
        command = Command(f"AT+CMGD={found.index}")
        try:
            await self._channel.run(command, limit_s=5.0, priority=Priority.READ)
        except ModemError as error:
            if error.cause in DEAF:
                raise
            self.counts["undeleted"] += 1
            return False
        return True

    async def _ask_use(self) -> None:
        answers = await self._channel.run(
            Command("AT+CPMS?", ("+CPMS:",)), limit_s=COMMAND_S, priority=Priority.READ
        )
        if answers:
            self.use = store_use(answers[-1].text)

    async def _select(self, store: str, *, receive: bool = False) -> None:
        if not store or (store == self._store and not receive):
            return
        text = f'AT+CPMS="{store}","{store}","{store}"' if receive else f'AT+CPMS="{store}"'
        answers = await self._channel.run(
            Command(text, ("+CPMS:",)), limit_s=5.0, priority=Priority.READ
        )
        self._store = store
        if answers:
            self.use = store_use(answers[-1].text)
