"""A simulated modem on a pseudo-terminal, an operator, and somebody to write to, in real time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

from vigibip.base.clock import SystemClock
from vigibip.modem.simulated import Behaviour, Model, Noise, PtyModem, SimCard, SimulatedModem
from vigibip.sms.pdu import Deliver, decode, encode_submit
from vigibip.sms.segments import segment
from vigibip.town.operator import Operator, OperatorWeather

MODEM_NUMBER = "+33639980101"
PHONE_NUMBER = "+33639980102"
_POLL_S = 0.05


class Phone:
    """Somebody's phone: keeps what it gets."""

    def __init__(self, operator: Operator, number: str = PHONE_NUMBER) -> None:
        self.number = number
        self.texts: list[tuple[str, str | None]] = []
        self._operator = operator
        operator.attach(self)

    def deliver(self, pdu: bytes) -> bool:
        message = decode(pdu)
        if isinstance(message, Deliver):
            self.texts.append((message.sender.e164(), message.data.text))
        return True

    def write(self, to: str, text: str) -> None:
        for part in segment(text, 7):
            self._operator.submit(self, encode_submit(to, part))


class ModemBench:
    """One modem in quick time, its port at `path`; programs that run end with it."""

    def __init__(self, directory: Path, model: Model) -> None:
        self.directory = directory
        self.path = directory / "modem"
        self.operator = Operator(
            SystemClock(), random.Random(1), OperatorWeather(delay_s=0.1, report_delay_s=0.1)
        )
        behaviour = Behaviour(submit_s=(0.1, 0.2), scan_s=0.2, noise=Noise(boot_garbage=False))
        self.modem = SimulatedModem(
            SystemClock(),
            self.operator,
            model,
            chance=random.Random(2),
            sim=SimCard(number=MODEM_NUMBER),
            behaviour=behaviour,
        )
        self.phone = Phone(self.operator)
        self._pty = PtyModem(self.modem, self.path)
        self._running: list[asyncio.subprocess.Process] = []

    def start(self) -> None:
        self._pty.open()
        self.modem.start(booted=True)

    async def close(self) -> None:
        for process in self._running:
            await _end(process)
        self._pty.close()
        await self.operator.close()

    async def run(self, *command: str, limit_s: float = 60.0) -> tuple[int, str]:
        """Run a program to its end; return its exit code and what it said."""
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self.directory,
        )
        self._running.append(process)
        said, _ = await asyncio.wait_for(process.communicate(), limit_s)
        assert process.returncode is not None
        return process.returncode, said.decode("utf-8", "replace")

    async def serve(self, name: str, *command: str) -> asyncio.subprocess.Process:
        """Start a program that stays; what it says goes to `name`.log."""
        with (self.directory / f"{name}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                cwd=self.directory,
            )
        self._running.append(process)
        return process

    async def until(self, condition: Callable[[], bool], what: str, limit_s: float = 90.0) -> None:
        """Wait for `condition`; after `limit_s` say that `what` did not happen, and the logs."""
        deadline_s = asyncio.get_running_loop().time() + limit_s
        while not condition():
            if asyncio.get_running_loop().time() > deadline_s:
                logs = [f"{p}:\n{p.read_text(errors='replace')[-3000:]}" for p in self.logs()]
                raise AssertionError("\n".join([f"{what}: not within {limit_s} s", *logs]))
            await asyncio.sleep(_POLL_S)

    def logs(self) -> list[Path]:
        return sorted(self.directory.glob("*.log"))


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), 15)
    except TimeoutError:
        process.kill()
        await process.wait()
