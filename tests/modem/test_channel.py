"""The channel against a scripted line: turns, time limits, prompts, being brought into step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from vigibip.base.clock import DrivenClock
from vigibip.modem.channel import COMMAND_S, Channel, Priority
from vigibip.modem.contract import ModemCause, ModemError
from vigibip.modem.grammar import Answer, Command, Urc
from vigibip.modem.port import BytePort, OnData, OnLost

CSQ = Command("AT+CSQ", ("+CSQ:",))
CMGS = Command("AT+CMGS=2", ("+CMGS:",), data=b"001100")
Script = Callable[[bytes], bytes]


class Line:
    """A port whose other end is a function: what is written goes in, what it says comes out."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.written = bytearray()
        self.on_data: OnData | None = None
        self.on_lost: OnLost | None = None

    def open(self, on_data: OnData, on_lost: OnLost) -> BytePort:
        self.on_data, self.on_lost = on_data, on_lost
        return self

    def write(self, data: bytes) -> None:
        self.written += data
        said = self.script(data)
        if said:
            asyncio.get_running_loop().call_soon(self.say, said)

    def say(self, data: bytes) -> None:
        if self.on_data is not None:
            self.on_data(data)

    def lose(self) -> None:
        assert self.on_lost is not None
        self.on_data, on_lost = None, self.on_lost
        on_lost("gone")

    def close(self) -> None:
        self.on_data = None


class Bench:
    def __init__(self, script: Script) -> None:
        self.clock = DrivenClock()
        self.line = Line(script)
        self.urcs: list[Urc] = []
        self.lost: list[str] = []
        self.troubles: list[ModemCause] = []
        self.channel = Channel(
            self.clock,
            on_urc=self.urcs.append,
            on_lost=self.lost.append,
            on_trouble=lambda error: self.troubles.append(error.cause),
        )
        self.channel.open(self.line.open)
        self.tasks: list[asyncio.Task[list[Answer]]] = []

    def run(self, command: Command, **how: object) -> asyncio.Task[list[Answer]]:
        task = asyncio.create_task(self.channel.run(command, **how))  # type: ignore[arg-type]
        self.tasks.append(task)
        return task


@asynccontextmanager
async def bench(script: Script) -> AsyncIterator[Bench]:
    made = Bench(script)
    try:
        yield made
    finally:
        made.channel.close()
        await asyncio.gather(*made.tasks, return_exceptions=True)


def silent(_data: bytes) -> bytes:
    return b""


def obedient(data: bytes) -> bytes:
    if data == b"AT+CSQ\r":
        return b"\r\n+CSQ: 20,99\r\n\r\nOK\r\n"
    if data.startswith(b"AT+CMGS"):
        return b"\r\n> "
    if data.endswith(b"\x1a"):
        return b"\r\n+CMGS: 7\r\n\r\nOK\r\n"
    return b"\r\nOK\r\n" if data.startswith(b"AT") else b""


def cause(task: asyncio.Task[list[Answer]]) -> ModemCause:
    error = task.exception()
    assert isinstance(error, ModemError)
    return error.cause


async def test_a_command_is_answered_and_urcs_go_elsewhere() -> None:
    async with bench(lambda _: b'\r\n+CMTI: "SM",1\r\n\r\n+CSQ: 20,99\r\n\r\nOK\r\n') as on:
        assert await on.channel.run(CSQ) == [Answer("+CSQ: 20,99")]
        assert on.urcs == [Urc('+CMTI: "SM",1')]


async def test_a_pdu_goes_after_the_prompt_and_ends_with_ctrl_z() -> None:
    async with bench(obedient) as on:
        assert await on.channel.run(CMGS) == [Answer("+CMGS: 7")]
        assert bytes(on.line.written) == b"AT+CMGS=2\r001100\x1a"


async def test_what_comes_first_comes_in_the_same_turn() -> None:
    async with bench(obedient) as on:
        tasks = [on.run(CMGS, first=Command("AT+CMGF=0")), on.run(CSQ, priority=Priority.URGENT)]
        await on.clock.advance(0.1)
        assert all(task.done() for task in tasks)
        assert bytes(on.line.written) == b"AT+CMGF=0\rAT+CMGS=2\r001100\x1aAT+CSQ\r"


async def test_silence_ends_in_time_and_is_told() -> None:
    async with bench(silent) as on:
        task = on.run(CSQ)
        await on.clock.advance(COMMAND_S - 0.1)
        assert not task.done()
        await on.clock.advance(0.2)
        assert cause(task) is ModemCause.SILENT
        assert on.troubles == [ModemCause.SILENT]


async def test_without_a_prompt_no_pdu_is_sent() -> None:
    async with bench(silent) as on:
        task = on.run(CMGS, limit_s=20.0)
        await on.clock.advance(5.0)
        assert cause(task) is ModemCause.NO_PROMPT
        assert bytes(on.line.written) == b"AT+CMGS=2\r\x1b"


async def test_a_refusal_instead_of_the_prompt_is_the_answer() -> None:
    async with bench(lambda _: b"\r\n+CMS ERROR: 302\r\n") as on:
        task = on.run(CMGS)
        await on.clock.advance(0.1)
        assert cause(task) is ModemCause.NOT_ALLOWED
        assert on.troubles == []


async def test_an_answer_without_its_ok_is_an_answer_where_that_is_known() -> None:
    pin = Command("AT+CPIN?", ("+CPIN:",))
    async with bench(lambda _: b"\r\n+CPIN: SIM PIN\r\n") as on:
        task = on.run(pin, ok_may_be_missing=True, limit_s=5.0)
        await on.clock.advance(2.1)
        assert task.result() == [Answer("+CPIN: SIM PIN")]
        strict = on.run(pin)
        await on.clock.advance(COMMAND_S + 0.1)
        assert cause(strict) is ModemCause.SILENT


async def test_the_most_urgent_goes_first_then_in_order() -> None:
    async with bench(silent) as on:
        order: list[str] = []
        for name, priority in [
            ("first", Priority.READ),
            ("read", Priority.READ),
            ("submit", Priority.SUBMIT),
            ("care", Priority.CARE),
            ("alert", Priority.URGENT),
            ("submit again", Priority.SUBMIT),
        ]:
            task = on.run(Command(name), priority=priority)
            task.add_done_callback(lambda _, name=name: order.append(name))
            await on.clock.advance(0.0)
        for _ in range(6):
            on.line.say(b"\r\nOK\r\n")
            await on.clock.advance(0.0)
        assert order == ["first", "alert", "care", "submit", "submit again", "read"]


async def test_nobody_waits_for_a_turn_without_end() -> None:
    async with bench(silent) as on:
        on.run(Command("AT+COPS=?"), limit_s=100.0)
        waiting = on.run(CSQ, wait_max_s=10.0)
        await on.clock.advance(10.1)
        assert cause(waiting) is ModemCause.SILENT


async def test_a_queue_without_end_is_refused() -> None:
    async with bench(silent) as on:
        tasks = [on.run(CSQ) for _ in range(80)]
        await on.clock.advance(0.1)
        refused = [task for task in tasks if task.done()]
        assert len(refused) == 80 - 65
        assert {cause(task) for task in refused} == {ModemCause.OVERLOADED}


async def test_who_gives_up_waiting_does_not_keep_the_turn() -> None:
    async with bench(silent) as on:
        first, second, third = on.run(CSQ), on.run(CSQ), on.run(CSQ)
        await on.clock.advance(0.1)
        first.cancel()
        second.cancel()
        await on.clock.advance(0.1)
        on.line.say(b"\r\n+CSQ: 20,99\r\n\r\nOK\r\n")
        await on.clock.advance(0.1)
        assert third.result() == [Answer("+CSQ: 20,99")]
        on.line.script = obedient
        assert await on.channel.run(CSQ) == [Answer("+CSQ: 20,99")]


async def test_a_lost_port_fails_everybody_at_once() -> None:
    async with bench(silent) as on:
        tasks = [on.run(CMGS), on.run(CSQ)]
        await on.clock.advance(0.1)
        on.line.lose()
        await on.clock.advance(0.0)
        assert [cause(task) for task in tasks] == [ModemCause.ABSENT] * 2
        assert on.lost == ["gone"]
        later = on.run(CSQ)
        await on.clock.advance(0.0)
        assert cause(later) is ModemCause.ABSENT


async def test_a_reserved_channel_fails_everybody_but_the_ladder() -> None:
    async with bench(silent) as on:
        outstanding, waiting = on.run(CMGS), on.run(CSQ)
        await on.clock.advance(0.1)
        on.channel.reserve(ModemCause.HUNG)
        await on.clock.advance(0.0)
        assert [cause(task) for task in (outstanding, waiting)] == [ModemCause.HUNG] * 2
        on.line.script = obedient
        ladder = on.run(Command("AT"), priority=Priority.LADDER)
        refused = on.run(CSQ, priority=Priority.URGENT)
        await on.clock.advance(0.1)
        assert ladder.result() == []
        assert cause(refused) is ModemCause.HUNG
        on.channel.release()
        assert await on.channel.run(CSQ) == [Answer("+CSQ: 20,99")]


async def resynced(on: Bench) -> bool:
    task = asyncio.create_task(on.channel.resync())
    for _ in range(100):
        await on.clock.advance(0.1)
        if task.done():
            return task.result()
    raise AssertionError("resync does not end")


async def test_resync_leaves_a_prompt() -> None:
    stuck = True

    def script(data: bytes) -> bytes:
        nonlocal stuck
        if b"\x1b" in data:
            stuck = False
        return b"\r\n> " if stuck else obedient(data)

    async with bench(script) as on:
        assert await resynced(on)


async def test_resync_swallows_what_an_earlier_command_still_owed() -> None:
    async with bench(obedient) as on:
        on.line.script = silent
        lost = on.run(CSQ)
        await on.clock.advance(COMMAND_S + 0.1)
        assert cause(lost) is ModemCause.SILENT
        on.line.script = lambda data: (
            b"\r\n+CSQ: 1,99\r\n\r\nOK\r\n\r\nOK\r\n" if data == b"AT\r" else b""
        )
        assert await resynced(on)
        on.line.script = obedient
        assert await on.channel.run(CSQ) == [Answer("+CSQ: 20,99")]


@pytest.mark.parametrize("script", [silent, lambda _: b"\r\nERROR\r\n", lambda data: data])
async def test_resync_of_what_does_not_come_back_ends_in_time(script: Script) -> None:
    async with bench(script) as on:
        begun_s = on.clock.monotonic_s()
        assert not await resynced(on)
        assert 1.0 <= on.clock.monotonic_s() - begun_s <= 8.0
