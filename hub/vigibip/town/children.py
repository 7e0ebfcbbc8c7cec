"""The town's processes: each with its log, each ended with the town whatever ends the town.

The kernel kills a child when the process that started it is gone (PR_SET_PDEATHSIG), so that not
even a SIGKILL of the town leaves one behind. Each child leads its own session: a Ctrl-C at the
terminal reaches the town alone, which then ends its children in order.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from vigibip.town.errors import TownError

_log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_TERM_DEADLINE_S = 5.0
# What is shown of a log when something failed; a traceback with its causes fits.
_TAIL_LINES = 25
_TAIL_BYTES = 16_384


def dies_with_parent() -> Callable[[], None]:
    """Return what a child calls before its program starts, so that it cannot outlive this process.

    The signal comes when the *thread* that started the child ends: start children from a thread
    that lasts as long as the town.
    """
    parent = os.getpid()

    def arm() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it was gone before the kernel knew
            os._exit(1)

    return arm


def vigibip_command(*words: str) -> list[str]:
    """Return the argument list that runs `vigibip WORDS` in this very interpreter."""
    return [sys.executable, "-m", "vigibip", *words]


class Child:
    """One running program of the town."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log_path: Path) -> None:
        self.name = name
        self.process = process
        self.log_path = log_path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.returncode is None

    def log_tail(self) -> str:
        """Return the last lines that the program wrote."""
        return tail(self.log_path)

    async def stop(self) -> None:
        """End it: SIGTERM, and SIGKILL when that is not obeyed in time."""
        if not self.running:
            return
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.process.wait(), _TERM_DEADLINE_S)
        except TimeoutError:
            _log.warning("%s did not obey SIGTERM; killed", self.name)
            await self.kill()

    async def kill(self) -> None:
        """End it as a power cut would: SIGKILL."""
        if self.running:
            self._signal(signal.SIGKILL)
            await self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        # It leads its own session, so its group is itself and what it started.
        send = os.killpg if number == signal.SIGKILL else os.kill
        try:
            send(self.pid, number)
        except ProcessLookupError:
            _log.debug("%s was gone already", self.name)


class Children:
    """Starts programs, keeps their logs under one directory, and ends them all."""

    def __init__(self, log_directory: Path, environment: Mapping[str, str]) -> None:
        self._directory = log_directory
        self._environment = dict(environment)
        self._all: list[Child] = []

    @property
    def running(self) -> list[Child]:
        return [child for child in self._all if child.running]

    async def start(self, name: str, command: Sequence[str]) -> Child:
        """Start `command` with its output in `<name>.log`. Raises TownError."""
        log_path = self._directory / f"{name}.log"
        with log_path.open("ab") as log:
            process = await self._spawn(command, log, asyncio.subprocess.DEVNULL, log)
        child = Child(name, process, log_path)
        self._all = [*self.running, child]
        return child

    async def run(
        self, name: str, command: Sequence[str], *, stdin: str = "", deadline_s: float = 60.0
    ) -> str:
        """Run `command` to its end and return what it wrote on stdout.

        Raises TownError with its last words when it fails or takes longer than `deadline_s`.
        """
        log_path = self._directory / f"{name}.log"
        with log_path.open("ab") as log:
            process = await self._spawn(
                command, asyncio.subprocess.PIPE, asyncio.subprocess.PIPE, log
            )
        child = Child(name, process, log_path)
        self._all = [*self.running, child]
        try:
            out, _ = await asyncio.wait_for(process.communicate(stdin.encode()), deadline_s)
        except TimeoutError as error:
            await child.kill()
            raise TownError(f"{name}: no end within {deadline_s:.0f} s") from error
        if process.returncode:
            told = child.log_tail()
            raise TownError(f"{name}: exit code {process.returncode}\n{told}")
        return out.decode(errors="replace")

    async def close(self) -> None:
        """End whatever still runs, all at once."""
        await asyncio.gather(*(child.stop() for child in self._all))
        self._all = []

    async def _spawn(
        self, command: Sequence[str], stdout: IO[bytes] | int, stdin: int, stderr: IO[bytes]
    ) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
                *command,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=self._environment,
                start_new_session=True,
                preexec_fn=dies_with_parent(),
            )
        except OSError as error:
            raise TownError(f"{command[0]} does not start: {error}") from error


def tail(path: Path) -> str:
    """Return the last lines of the text file at `path`, empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-_TAIL_LINES:])
