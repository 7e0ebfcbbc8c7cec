"""The line between the computer and the commands: echo, lines, the prompt, final results."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from vigibip.base.clock import Clock
from vigibip.modem.simulated.answers import Answer, Prompt, Volatile
from vigibip.modem.simulated.at_line import Command, commands
from vigibip.modem.simulated.errors import CME_TEXT, CMS_TEXT, AtError, CmeError, CmsError
from vigibip.modem.simulated.output import Output

# A modem's own input buffer is of this order; what is beyond is lost.
_INPUT_MAX_BYTES = 8_192
_LINE_MAX_BYTES = 1_024
_CR, _LF, _BACKSPACE, _ESC, _CTRL_Z = 0x0D, 0x0A, 0x08, 0x1B, 0x1A


class Interpreter:
    """Runs one command line after the other; what comes meanwhile waits."""

    def __init__(
        self, clock: Clock, output: Output, execute: Callable[[Command], Answer], answer_s: float
    ) -> None:
        self._clock = clock
        self._output = output
        self._execute = execute
        self._answer_s = answer_s
        self._waiting = bytearray()
        self._line = bytearray()
        self._last_line = ""
        self._task: asyncio.Task[None] | None = None
        self._typed: asyncio.Future[str | None] | None = None

    @property
    def at_prompt(self) -> bool:
        """A `>` was said and waits for a PDU."""
        return self._typed is not None

    def stop(self) -> None:
        """Forget everything that is under way."""
        if self._task is not None:
            self._task.cancel()
        self._task = self._typed = None
        self._waiting.clear()
        self._line.clear()

    def feed(self, data: bytes, volatile: Volatile) -> None:
        """Take what the computer sent."""
        self._waiting += data[: _INPUT_MAX_BYTES - len(self._waiting)]
        self._consume(volatile)

    def _consume(self, volatile: Volatile) -> None:
        echo = bytearray()
        while self._waiting and (self._task is None or self._typed is not None):
            byte = self._waiting.pop(0)
            if volatile.echo:
                echo.append(byte)
            if self._typed is not None:
                self._type(byte)
            elif byte == _CR:
                if echo:
                    self._output.say(bytes(echo))
                    echo.clear()
                self._start_line(volatile)
            elif byte == _BACKSPACE:
                del self._line[-1:]
            elif byte != _LF and len(self._line) < _LINE_MAX_BYTES:
                self._line.append(byte)
        if echo:
            self._output.say(bytes(echo))

    def _type(self, byte: int) -> None:
        if self._typed is None:
            return
        if byte == _CTRL_Z:
            self._end_prompt(self._line.decode("ascii", "replace"))
        elif byte == _ESC:
            self._end_prompt(None)
        elif len(self._line) < _LINE_MAX_BYTES and byte not in (_CR, _LF):
            self._line.append(byte)

    def _end_prompt(self, text: str | None) -> None:
        if self._typed is not None and not self._typed.done():
            self._typed.set_result(text)
        self._typed = None
        self._line.clear()

    def _start_line(self, volatile: Volatile) -> None:
        text = self._line.decode("ascii", "replace")
        self._line.clear()
        start = text.upper().find("AT")
        if text.strip().upper() == "A/":
            line = self._last_line
        elif start >= 0:
            # What stands before AT is ignored, V.250, 5.2.1.
            line = self._last_line = text[start + 2 :]
        else:
            return
        self._task = asyncio.get_running_loop().create_task(self._run(line, volatile))
        self._task.add_done_callback(tell_mistake)

    async def _run(self, line: str, volatile: Volatile) -> None:
        found = commands(line)
        then: list[Callable[[], None]] = []
        try:
            if found is None:
                raise AtError("no command line")
            if self._answer_s > 0:
                await self._clock.sleep(self._answer_s)
            told_ok = True
            for command in found:
                answer = self._execute(command)
                await self._answer(answer)
                told_ok = not answer.no_ok
                if answer.then is not None:
                    then.append(answer.then)
            if told_ok:
                self._say("OK")
        except AtError as error:
            self._say(_told(error, volatile.error_level))
        self._task = None
        for act in then:
            act()
        self._consume(volatile)

    async def _answer(self, answer: Answer) -> None:
        if answer.delay_s > 0:
            await self._clock.sleep(answer.delay_s)
        if answer.lines:
            self._say("\r\n".join(answer.lines))
        if answer.prompt is not None:
            await self._prompt(answer.prompt)

    async def _prompt(self, prompt: Prompt) -> None:
        typed: Awaitable[str | None]
        typed = self._typed = asyncio.get_running_loop().create_future()
        self._output.say(b"\r\n> ")
        text = await typed
        if text is None:
            return
        await self._clock.sleep(prompt.delay_s)
        self._say("\r\n".join(prompt.take(text)))

    def _say(self, text: str) -> None:
        self._output.say(f"\r\n{text}\r\n".encode("ascii", "replace"))


def _told(error: AtError, level: int) -> str:
    if isinstance(error, CmeError) and level > 0:
        told = CME_TEXT.get(error.code, "unknown") if level > 1 else str(error.code)
        return f"+CME ERROR: {told}"
    # AT+CMEE is said to rule +CME only; every modem tells +CMS whatever it is set to.
    if isinstance(error, CmsError):
        told = CMS_TEXT.get(error.code, "Unknown error") if level > 1 else str(error.code)
        return f"+CMS ERROR: {told}"
    return "ERROR"


def tell_mistake(task: asyncio.Task[None]) -> None:
    """As a task's last callback: a mistake of ours in it reaches the loop's handler at once."""
    if not task.cancelled():
        task.result()
