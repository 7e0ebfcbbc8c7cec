"""A board on the bench: the real MicroPython interpreter behind a serial port that can be pulled.

The port is a raw pseudo-terminal. A soft reset ends the interpreter, and a new one takes its
place; the flash (LittleFS) and NVS are files and stay. Power comes through the cable, and deep
sleep takes the port away, as on a chip with USB of its own.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path

from vigibip.town import device_tree
from vigibip.town.shims import bus_messages as messages

_START = Path(__file__).with_name("bench_board_start.py")
_SHIMS = Path(messages.__file__).parent
_LAUNCH = (
    "import sys; sys.path.append(sys.argv[1]); import micropython_run; "
    "micropython_run.run_main(['micropython', *sys.argv[2:]])"
)
_FLASH_BYTES = 512 * 1024
_BANNER = b'Type "help()" for more information.\r\n>>> '
_RUNS = b"bench: runs\n"
_CTRL_A = b"\x01"
_CTRL_C = b"\x03"
_PROMPT = b">>> "
_DEADLINE_S = 60
_TAP_S = 0.1


def _nothing(_: bytes) -> None:
    return None


class BenchBoard:
    """`port` is there while the cable is plugged in. `close` ends the interpreter."""

    def __init__(self, directory: Path, *, flash_bytes: int = _FLASH_BYTES) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.port = directory / "port"
        self.directory = directory
        self.on_bytes: Callable[[bytes], None] = _nothing
        """Told what the computer has just said; it may pull the cable."""
        self.motor_edges = 0
        self.resets = 0
        self.sleeps = False
        """False: whenever it falls asleep, somebody presses its reset button."""
        self.sent: list[bytes] = []
        """Frames that its radio has sent since it has power."""
        pins = device_tree.board_pins()
        self._button, self._motor, self._battery = pins["BUTTON"], pins["MOTOR"], pins["BATTERY"]
        self.battery_mv = 4000
        self._button_level = 1
        self._tapping = False
        self._tapped_s = 0.0
        self._flash = directory / "flash.img"
        if not self._flash.exists():
            self._flash.write_bytes(b"\xff" * flash_bytes)
        self._child: subprocess.Popen[bytes] | None = None
        self._bus: socket.socket | None = None
        self._child_line = -1
        self._device = self._computer = -1
        self._thread: threading.Thread | None = None
        self._pulled = threading.Event()
        self.runs = False
        """main.py runs, so Ctrl-C is what it takes to get to the REPL."""
        self.asleep = False
        """Its port is gone by itself."""
        self._said = b""

    # The cable, and hands.

    def plug(self) -> None:
        """Plug it in: power, and a port."""
        self.pull()
        self._device, self._computer = os.openpty()
        tty.setraw(self._computer)
        self._pulled.clear()
        self.asleep = False
        self._start("boot")
        fresh = self.port.with_name("port.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.ttyname(self._computer))
        fresh.rename(self.port)
        self._thread = threading.Thread(target=self._carry, name="bench board", daemon=True)
        self._thread.start()

    def pull(self) -> None:
        """Pull the cable: the port hangs up, and the interpreter has no power any more."""
        self._pulled.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_DEADLINE_S)
            self._thread = None

    def close(self) -> None:
        self.pull()

    def tap(self, on: bool) -> None:
        """Press and let go again and again, or stop and let go: the device looks when it can."""
        self._tapping = on
        if not on:
            self.release()

    def wait_reset(self, count: int = 1) -> None:
        """Return once it was reset `count` times."""
        self._wait(lambda: self.resets >= count, f"{count} resets")

    def wait_asleep(self) -> None:
        self._wait(lambda: self.asleep, "sleep")

    def wait_sent(self) -> bytes:
        """Return the first frame that it sends."""
        self._wait(lambda: bool(self.sent), "a frame")
        return self.sent[0]

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        end_s = time.monotonic() + _DEADLINE_S
        while not condition():
            if time.monotonic() > end_s:
                raise TimeoutError(f"no {what} from the board")
            time.sleep(0.01)

    def press(self) -> None:
        self._level(0)

    def release(self) -> None:
        self._level(1)

    def nvs(self) -> dict[str, bytes]:
        """Return what lies in its NVS."""
        folder = self.directory / "nvs" / "vigibip"
        if not folder.is_dir():
            return {}
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    # The interpreter.

    def _start(self, how: str) -> None:
        spec = importlib.util.find_spec("micropython_run")
        assert spec is not None
        assert spec.origin is not None
        name = f"vigibip-bench-{os.getpid()}-{secrets.token_hex(6)}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(b"\0" + name.encode())
            listener.listen(1)
            listener.settimeout(_DEADLINE_S)
            self._child_line, child_side = os.openpty()
            tty.setraw(child_side)
            self._child = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", "-c", _LAUNCH, str(Path(spec.origin).parent)),
                    *("-X", "heapsize=65536w", "-i", str(_START)),
                    *(name, str(self.directory.resolve()), how),
                ],
                stdin=child_side,
                stdout=child_side,
                stderr=child_side,
                env={"MICROPYPATH": f"{_SHIMS}:.frozen", "PATH": os.environ["PATH"]},
                start_new_session=True,
            )
            os.close(child_side)
            self._bus, _ = listener.accept()
        self._say(messages.PIN, bytes((self._button, self._button_level)))
        self._say(messages.ANALOG, struct.pack(">BI", self._battery, self.battery_mv * 500))
        self._say(messages.WAKE, bytes((1, 0, 0)))
        said = b""
        while not (said.endswith(_BANNER) or _RUNS in said):
            said += self._read_child()
        self.runs = _RUNS in said
        self._said = b""

    def _read_child(self) -> bytes:
        readable, _, _ = select.select([self._child_line], [], [], _DEADLINE_S)
        if not readable:
            raise TimeoutError("the interpreter does not start")
        try:
            return os.read(self._child_line, 4096)
        except OSError as error:
            raise TimeoutError("the interpreter died at its start") from error

    def _end_child(self) -> None:
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child.pid, signal.SIGKILL)
            self._child.wait()
            self._child = None
        if self._bus is not None:
            self._bus.close()
            self._bus = None
        if self._child_line >= 0:
            os.close(self._child_line)
            self._child_line = -1

    def _carry(self) -> None:
        try:
            while not self._pulled.is_set():
                self._carry_once()
        finally:
            # The port's name goes before the port, as udev does it.
            self.port.unlink(missing_ok=True)
            self._end_child()
            os.close(self._device)
            os.close(self._computer)

    def _carry_once(self) -> None:
        if self._tapping and time.monotonic() - self._tapped_s > _TAP_S:
            self._tapped_s = time.monotonic()
            self._level(1 - self._button_level)
        sources: list[int | socket.socket] = [self._device, self._child_line]
        if self._bus is not None:
            sources.append(self._bus)
        readable, _, _ = select.select(sources, [], [], 0.02)
        # What it has said comes before what it has done.
        if self._child_line in readable:
            try:
                said = os.read(self._child_line, 4096)
            except OSError:
                self._soft_reset()
                return
            self._said = self._said[-len(_PROMPT) :] + said
            self.runs = self.runs and _PROMPT not in self._said
            os.write(self._device, said)
        elif self._bus in readable:
            self._from_bus()
            return
        if self._device in readable:
            said = os.read(self._device, 4096)
            self.on_bytes(said)
            if self.runs and _CTRL_C in said and self._child is not None:
                # The terminal's own way: a byte that a running program never sees.
                self._child.send_signal(signal.SIGINT)
                said = said.replace(_CTRL_C, b"")
            if not self._pulled.is_set():
                os.write(self._child_line, said)

    def _soft_reset(self) -> None:
        self._end_child()
        os.write(self._device, b"MPY: soft reboot\r\n")
        self._start("repl")
        os.write(self._child_line, _CTRL_A)

    def _from_bus(self) -> None:
        assert self._bus is not None
        try:
            packet = self._bus.recv(messages.PACKET_MAX)
        except ConnectionError:
            packet = b""  # it died with something unread
        if not packet:
            self._bus.close()
            self._bus = None
        elif packet[0] == messages.OUTPUT and packet[1] == self._motor:
            self.motor_edges += 1
        elif packet[0] == messages.TRANSMIT:
            self.sent.append(packet[8:])
        elif packet[0] == messages.RESET:
            self.sent.clear()
            self._end_child()
            self._start("boot")
            self.resets += 1
        elif packet[0] == messages.SLEEP:
            if self.sleeps:
                self.asleep = True
                self._pulled.set()
            else:
                self._end_child()
                self._start("boot")

    def _level(self, level: int) -> None:
        self._button_level = level
        if self._bus is not None:
            self._say(messages.PIN, bytes((self._button, level)))

    def _say(self, kind: int, body: bytes) -> None:
        assert self._bus is not None
        with contextlib.suppress(BrokenPipeError, ConnectionError):
            self._bus.send(bytes((kind,)) + body)
