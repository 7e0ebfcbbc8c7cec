"""The interpreter of one simulated ESP32: a process for each wake, and the bus to its stand-ins.

It is started ahead and waits parked, its stand-ins loaded, until it is told to begin.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path
from typing import Protocol

from vigibip.town.errors import TownError

_SHIMS = Path(__file__).resolve().parent / "shims"
# A device may say more than it can be told: a traceback, the names of its modules.
_SAID_MAX = 65536
# micropython_unix's own script costs another 10 ms and says no more than this.
_LAUNCH = (
    "import sys; sys.path.append(sys.argv[1]); import micropython_run; "
    "micropython_run.run_main(['micropython', *sys.argv[2:]])"
)


class InterpreterEvents(Protocol):
    """Called in the event loop; none of them blocks."""

    def interpreter_connected(self) -> None:
        """The bus to the newest process is there."""
        ...

    def interpreter_said(self, kind: int, body: bytes) -> None:
        """One message off the bus (`shims.bus_messages`)."""
        ...

    def interpreter_ended(self, *, by_itself: bool) -> None:
        """A process has ended; `by_itself`: it was not stopped."""
        ...


class Interpreter:
    """One process at a time works; those that were stopped may still be ending."""

    def __init__(self, directory: Path, heap_words: int, events: InterpreterEvents) -> None:
        self._directory = directory
        self._heap_words = heap_words
        self._events = events
        self._listener: socket.socket | None = None
        self._bus: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.living = 0
        """Processes that were started and have not ended, killed ones included."""

    @property
    def connected(self) -> bool:
        return self._bus is not None

    def spawn(self, serial: int | None) -> None:
        """Start a process that parks; `serial`: what is its serial line, None without one."""
        loop = asyncio.get_running_loop()
        name = f"vigibip-{os.getpid()}-{secrets.token_hex(6)}"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.setblocking(False)
        listener.bind(b"\0" + name.encode())
        listener.listen(1)
        self._stop_listening()
        self._listener = listener
        loop.add_reader(listener, self._on_connect)
        with (self._directory / "console.log").open("ab") as console:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    *("-I", "-S", "-c", _LAUNCH, _interpreter_folder()),
                    *("-X", f"heapsize={self._heap_words}w"),
                    *(str(_SHIMS / "park.py"), name, str(self._directory.resolve())),
                ],
                stdin=subprocess.DEVNULL if serial is None else serial,
                stdout=console if serial is None else serial,
                stderr=console,
            )
        self.living += 1
        handle = os.pidfd_open(self._process.pid)
        loop.add_reader(handle, self._on_process_end, handle, self._process)

    def stop(self) -> None:
        """Kill what works now; its end is told later."""
        if self._bus is not None:
            asyncio.get_running_loop().remove_reader(self._bus)
            self._bus.close()
            self._bus = None
        if self._process is not None:
            self._process.kill()
            self._process = None

    def close(self) -> None:
        """Stop, and listen to nobody who would still connect."""
        self.stop()
        self._stop_listening()

    def send(self, kind: int, body: bytes = b"") -> bool:
        """Return False when nobody is there, or looks."""
        if self._bus is None:
            return False
        try:
            self._bus.send(bytes((kind,)) + body)
        except (BlockingIOError, ConnectionError):
            # A device that does not look is as good as deaf; that it died, the reader tells.
            return False
        return True

    def _stop_listening(self) -> None:
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def _on_connect(self) -> None:
        assert self._listener is not None  # noqa: S101 - it is what has become readable
        bus, _ = self._listener.accept()
        bus.setblocking(False)
        self._stop_listening()
        self._bus = bus
        asyncio.get_running_loop().add_reader(bus, self._on_packets, bus)
        self._events.interpreter_connected()

    def _on_process_end(self, handle: int, process: subprocess.Popen[bytes]) -> None:
        asyncio.get_running_loop().remove_reader(handle)
        os.close(handle)
        process.wait()
        self.living -= 1
        self._events.interpreter_ended(by_itself=self._process is process)

    def _on_packets(self, bus: socket.socket) -> None:
        while self._bus is bus:
            try:
                packet = bus.recv(_SAID_MAX)
            except BlockingIOError:
                return
            except ConnectionError:
                packet = b""
            if not packet:
                # Its process ends, which is told by itself.
                asyncio.get_running_loop().remove_reader(bus)
                return
            self._events.interpreter_said(packet[0], packet[1:])


def _interpreter_folder() -> str:
    spec = importlib.util.find_spec("micropython_run")
    if spec is None or spec.origin is None:
        raise TownError("the MicroPython interpreter is not installed (x86-64 Linux only)")
    return str(Path(spec.origin).parent)
