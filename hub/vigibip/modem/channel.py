"""The channel: one owner of the port, one command at a time, the most urgent one first.

It never blocks the event loop, and every call ends within the time that it was given.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections import Counter
from collections.abc import Callable
from enum import IntEnum

from vigibip.base.clock import Clock
from vigibip.base.waiting import within
from vigibip.modem.causes import DEAF, failure, refusal
from vigibip.modem.contract import ModemCause, ModemError
from vigibip.modem.grammar import Answer, AtGrammar, Command, Final, Noise, Prompt, Stray, Urc
from vigibip.modem.port import BytePort, OpenPort

_log = logging.getLogger(__name__)

_ESC = b"\x1b"
_CTRL_Z = b"\x1a"
COMMAND_S = 3.0
"""The longest that a command takes which asks the modem alone."""
_PROMPT_S = 4.0
_QUIET_S = 0.3
_RESYNC_TRIES = 4
_RESYNC_S = 1.0
_OK_MISSING_S = 2.0
# Every SMS of a full queue of the sms room and every step of this room together are fewer.
_WAITING_MAX = 64
# Lines of one answer. The longest that is asked for, a list of messages, has 16.
_ANSWERS_MAX = 512


class Priority(IntEnum):
    """Who goes first. LADDER is for the reset ladder alone, while it holds the channel."""

    LADDER = 0
    URGENT = 1
    CARE = 2
    SUBMIT = 3
    READ = 4


class Channel:
    """The line to one modem. `on_urc` is called for each URC, `on_lost` when the port is gone,
    `on_trouble` when a command was not answered as it should: the line may be out of step."""

    def __init__(
        self,
        clock: Clock,
        *,
        on_urc: Callable[[Urc], None],
        on_lost: Callable[[str], None],
        on_trouble: Callable[[ModemError], None],
    ) -> None:
        self._clock = clock
        self._on_urc = on_urc
        self._on_lost = on_lost
        self._on_trouble = on_trouble
        self._port: BytePort | None = None
        self._grammar = AtGrammar()
        self._order = itertools.count()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._held = False
        self._reserved: ModemError | None = None
        self._answers: list[Answer] = []
        self._answered: asyncio.Future[None] | None = None
        self._prompted: asyncio.Future[None] | None = None
        self._ended: asyncio.Future[Final | ModemError] | None = None
        self.echoes = 0
        """Commands that were echoed and then answered: after ATE0, the mark of a restart."""
        self.counts: Counter[str] = Counter()

    @property
    def is_open(self) -> bool:
        return self._port is not None

    def open(self, open_port: OpenPort) -> None:
        """Open the port. Raises PortError."""
        if self._port is not None:
            return
        self._grammar = AtGrammar()
        self._port = open_port(self._data, self._lost)
        self.counts["opened"] += 1

    def close(self, cause: ModemCause = ModemCause.CLOSED) -> None:
        """Give the port back; whoever waits fails with `cause`."""
        port, self._port = self._port, None
        if port is not None:
            port.close()
        self._fail(failure(cause))

    def reserve(self, reason: ModemCause) -> None:
        """Keep the channel for the ladder: whoever else waits or comes fails with `reason`."""
        self._reserved = failure(reason)
        self._fail(self._reserved)

    def release(self) -> None:
        """Let everybody use the channel again."""
        self._reserved = None

    async def run(
        self,
        command: Command,
        *,
        limit_s: float = COMMAND_S,
        priority: Priority = Priority.CARE,
        ok_may_be_missing: bool = False,
        wait_max_s: float = 30.0,
        first: Command | None = None,
    ) -> list[Answer]:
        """Run `command` and return its information lines; `first`, in the same turn, before it.

        It waits at most `wait_max_s` for its turn and then `limit_s`, with a prompt 4 s more.
        `ok_may_be_missing`: an information line and 2 s of silence are success too. Raises
        ModemError.
        """
        await self._turn(priority, wait_max_s)
        try:
            if first is not None:
                await self._exchange(first, COMMAND_S, False)
            return await self._exchange(command, limit_s, ok_may_be_missing)
        except ModemError as error:
            if error.cause in (ModemCause.SILENT, ModemCause.NO_PROMPT, ModemCause.NONSENSE):
                self.counts[error.cause.value] += 1
                if priority is not Priority.LADDER:
                    self._on_trouble(error)
            raise
        finally:
            self._pass_on()

    async def ask(self, command: Command, *, limit_s: float = COMMAND_S) -> list[str]:
        """Run what a firmware may not know; its refusal is no answer.

        Raises ModemError when the modem is deaf.
        """
        try:
            return [answer.text for answer in await self.run(command, limit_s=limit_s)]
        except ModemError as error:
            if error.cause in DEAF:
                raise
            return []

    async def resync(self) -> bool:
        """Bring the line into step whatever the modem is in the midst of; False: it is not.

        ESC leaves a prompt. Several AT in a row let a modem find the baud rate again.
        """
        await self._turn(Priority.LADDER, 30.0)
        try:
            self._write(_ESC)
            for attempt in range(_RESYNC_TRIES + 1):
                # The last one undoes ATQ1 and ATV0, which would make every answer unreadable.
                text = "AT" if attempt < _RESYNC_TRIES else "ATQ0V1E0"
                try:
                    await self._exchange(Command(text), _RESYNC_S, False)
                except ModemError as error:
                    if error.cause is ModemCause.ABSENT:
                        return False
                    if error.cause is not ModemCause.SILENT:
                        # One that says ERROR to everything is not asked as fast as it says so.
                        await self._clock.sleep(_RESYNC_S)
                    continue
                # What an earlier command still owed comes now, and belongs to nobody.
                await self._clock.sleep(_QUIET_S)
                self.counts["resync"] += 1
                return self.is_open
            return False
        finally:
            self._pass_on()

    # ---- turns

    async def _turn(self, priority: Priority, wait_max_s: float) -> None:
        if self._reserved is not None and priority is not Priority.LADDER:
            raise self._reserved
        if not self._held:
            self._held = True
            return
        if len(self._waiting) >= _WAITING_MAX:
            self.counts["overloaded"] += 1
            raise failure(ModemCause.OVERLOADED)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._order), turn))
        try:
            if await within(self._clock, wait_max_s, turn):
                turn.result()
                return
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._pass_on()
            raise
        finally:
            turn.cancel()
        raise failure(ModemCause.SILENT)

    def _pass_on(self) -> None:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._held = False

    def _fail(self, error: ModemError) -> None:
        waiting, self._waiting = self._waiting, []
        for entry in waiting:
            priority, _, turn = entry
            if self.is_open and priority == Priority.LADDER:
                heapq.heappush(self._waiting, entry)
            elif not turn.done():
                turn.set_exception(error)
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(error)

    # ---- one command

    async def _exchange(
        self, command: Command, limit_s: float, ok_may_be_missing: bool
    ) -> list[Answer]:
        loop = asyncio.get_running_loop()
        self._answers = []
        self._answered = loop.create_future()
        self._prompted = loop.create_future()
        self._ended = loop.create_future()
        try:
            self._grammar.begin(command)
            self._write(command.text.encode("ascii") + b"\r")
            if command.data is not None:
                await self._send_data(command.data)
            if ok_may_be_missing and await self._answered_without_ok(limit_s):
                return self._answers
            if not await within(self._clock, limit_s, self._ended):
                raise failure(ModemCause.SILENT)
            ended = self._ended.result()
            if isinstance(ended, ModemError):
                raise ended
            if ended.family is not None:
                raise refusal(ended.family, ended.code)
            self.echoes += self._grammar.echoed
            return self._answers
        finally:
            self._grammar.abandon()
            self._answered = self._prompted = self._ended = None

    async def _send_data(self, data: bytes) -> None:
        if self._ended is None or self._prompted is None:
            return
        if not await within(self._clock, _PROMPT_S, self._prompted, self._ended):
            self._write(_ESC)
            raise failure(ModemCause.NO_PROMPT)
        if not self._ended.done():
            self._grammar.data_sent()
            self._write(data + _CTRL_Z)

    async def _answered_without_ok(self, limit_s: float) -> bool:
        if self._ended is None or self._answered is None:
            return False
        if not await within(self._clock, limit_s, self._answered, self._ended):
            return False
        if await within(self._clock, _OK_MISSING_S, self._ended):
            return False
        self.counts["ok-missing"] += 1
        return True

    def _write(self, data: bytes) -> None:
        if self._port is None:
            raise failure(ModemCause.ABSENT)
        self._port.write(data)

    # ---- what comes in

    def _data(self, data: bytes) -> None:
        for event in self._grammar.feed(data):
            if isinstance(event, Urc):
                self.counts["urc"] += 1
                self._on_urc(event)
            elif isinstance(event, Answer):
                if len(self._answers) < _ANSWERS_MAX:
                    self._answers.append(event)
                else:
                    self.counts["answers-lost"] += 1
                _done(self._answered)
            elif isinstance(event, Prompt):
                _done(self._prompted)
            elif isinstance(event, Stray | Noise):
                self.counts[type(event).__name__.lower()] += 1
            elif self._ended is not None and not self._ended.done():
                self._ended.set_result(event)

    def _lost(self, reason: str) -> None:
        self._port = None
        self.counts["lost"] += 1
        self._fail(failure(ModemCause.ABSENT))
        self._on_lost(reason)


def _done(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)
