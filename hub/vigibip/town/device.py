"""One simulated ESP32: its firmware in the real interpreter, a process for each wake.

The interpreter waits parked, its stand-ins loaded, until power, button or timer lets main.py
begin. Deep sleep, reset and power cut end its process; the next wake has what NVS and RTC memory
hold. The host is the silicon: levels on pins, frames off the air, the watchdog, the sleep timer.
"""

from __future__ import annotations

import asyncio
import logging
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from vigibip.town import device_tree
from vigibip.town.device_tree import DEFAULT_BOARD, Role
from vigibip.town.errors import TownError
from vigibip.town.feels import Feel, FeelReader
from vigibip.town.interpreter import Interpreter
from vigibip.town.serial_port import SerialPort
from vigibip.town.shims import bus_messages as messages

__all__ = ["Device", "DeviceHooks", "DeviceState", "Feel", "HeapFigures", "provision_bip"]

_log = logging.getLogger(__name__)

_BROADCAST = b"\xff" * 6

# As the ESP32 numbers them.
_PWRON_RESET, _HARD_RESET, _WDT_RESET, _DEEPSLEEP_RESET = 1, 2, 3, 4
_TIMER_WAKE, _GPIO_WAKE = 4, 7
_CONSOLE_LINES = 20
# A full lithium cell, seen through the board's two equal resistors.
_HALF_CELL_UV = 2_000_000


class DeviceState(Enum):
    OFF = "off"  # no power
    ASLEEP = "asleep"  # deep sleep; a parked interpreter waits
    AWAKE = "awake"
    HALTED = "halted"  # main.py has ended, or the interpreter died


def _nothing(*_: object) -> None:
    return None


@dataclass(kw_only=True)
class DeviceHooks:
    """Called in the event loop; they must not block."""

    on_transmit: Callable[[int, bytes, bytes], object] = _nothing
    """(channel, destination, frame): its radio transmits."""
    on_feel: Callable[[Feel, float], object] = _nothing
    """(feel, monotonic_s of its first edge): recognised from the motor's edges, at its end."""
    on_motor: Callable[[bool, float], object] = _nothing
    """(on, monotonic_s)."""
    on_state: Callable[[DeviceState], object] = _nothing
    on_halt: Callable[[str], object] = _nothing
    """Why, and the last lines of its console."""


@dataclass(frozen=True, slots=True)
class HeapFigures:
    """The heap of the 64-bit interpreter, whose objects are about twice an ESP32's.

    The peak is that of live bytes, looked at whenever the program waits. What a compilation takes
    for a moment is not in it: whether that fits, a run with fewer `heap_words` tells.
    """

    peak_bytes: int
    """The stand-ins included."""
    stand_ins_bytes: int
    """Live before main.py: a real device has these in C."""
    size_bytes: int
    bytecode_bytes: int
    """Of what is loaded, as it lies on the flash."""

    @property
    def firmware_bytes(self) -> int:
        """The firmware's own peak, and more than it takes on a 32-bit device."""
        return self.peak_bytes - self.stand_ins_bytes

    @property
    def esp32_bytes(self) -> int:
        """What an ESP32 would take, estimated: bytecode is as large there, all else is half."""
        return self.bytecode_bytes + (self.firmware_bytes - self.bytecode_bytes) // 2


@dataclass(frozen=True, slots=True)
class _Wake:
    reset_cause: int
    reason: int = 0


def provision_bip(
    directory: Path,
    *,
    device_id: int,
    key: bytes,
    channel: int,
    receiver_mac: bytes = _BROADCAST,
    options: bytes | None = None,
) -> None:
    """Write what makes a blank bip in `directory` this one. Raises ValueError.

    options: of the firmware's settings.pack; None: its motor may run at full strength, and nothing
    else differs from a new bip.
    """
    storage = device_tree.load("bip", "storage")
    if options is None:
        options = device_tree.load("bip", "settings").pack(0, 100, 0, 60, 0, 0, 0)
    folder = directory / "nvs" / storage.NAMESPACE
    folder.mkdir(parents=True, exist_ok=True)
    for name, blob in storage.provisioned(device_id, key, channel, receiver_mac, options).items():
        (folder / name).write_bytes(blob)


class Device:
    """One ESP32 with its flash, NVS and RTC memory in `directory`."""

    def __init__(
        self,
        directory: Path,
        role: Role,
        *,
        mac: bytes,
        board: str = DEFAULT_BOARD,
        hooks: DeviceHooks | None = None,
        heap_words: int = 65536,
        sample_heap: bool = False,
    ) -> None:
        self.mac = mac
        self.state = DeviceState.OFF
        self.channel: int | None = None
        self.wakes = 0
        self.parked = False
        """The next wake's interpreter has started: a wake no longer waits for that."""
        self._directory = directory
        self._role = role
        self._board = board
        self._hooks = hooks or DeviceHooks()
        self._sample_heap = sample_heap
        pins = device_tree.board_pins(board)
        self._button = pins["BUTTON"]
        self._motor = pins["MOTOR"]
        self._levels = {self._button: 1}
        self._analog_uv = {pins["BATTERY"]: _HALF_CELL_UV}
        self._air_taken = False
        self._feels = FeelReader()
        self._motor_on = False
        self._port = SerialPort(directory / "serial") if role == "receiver" else None
        self._interpreter = Interpreter(directory, heap_words, self)
        self._pending: _Wake | None = None
        self._wake_gpios: tuple[int, ...] = ()
        self._wake_level = 0
        self._timer: asyncio.TimerHandle | None = None
        self._watchdog: asyncio.TimerHandle | None = None
        self._heap_waiters: list[asyncio.Future[HeapFigures]] = []
        self._changed = asyncio.Event()

    # Power.

    async def start(self) -> None:
        """Power it on, with the files of the checkout on its flash. Raises TownError."""
        if self.state is not DeviceState.OFF:
            raise TownError(f"the device in {self._directory} has power already")
        self._directory.mkdir(parents=True, exist_ok=True)
        device_tree.stage(self._role, self._directory / "flash", self._board)
        if self._port is not None:
            self._port.plug()
        self._set_state(DeviceState.AWAKE)
        self._spawn()
        self._wake(_Wake(_PWRON_RESET))

    def power_cut(self) -> None:
        """Cut the power now: RTC memory is lost, NVS is as last committed."""
        self._stop_process()
        (self._directory / "rtc.bin").unlink(missing_ok=True)
        self._set_state(DeviceState.OFF)

    def unplug(self) -> None:
        """Pull a receiver's USB plug: no power, and its serial port hangs up."""
        self.power_cut()
        if self._port is not None:
            self._port.unplug()

    async def replug(self) -> None:
        """Put the plug back."""
        await self.start()

    async def close(self) -> None:
        """End the process and everything that belongs to it."""
        self.power_cut()
        if self._port is not None:
            self._port.unplug()
        self._interpreter.close()
        while self._interpreter.living:
            self._changed.clear()
            await self._changed.wait()

    @property
    def port_path(self) -> Path:
        """The receiver's serial port, the same path after each plugging in."""
        if self._port is None:
            raise TownError("only a receiver has a serial port")
        return self._port.path

    # Hands, air, and questions.

    def press(self) -> None:
        """Push the button down."""
        self._set_level(self._button, 0)

    def release(self) -> None:
        """Let the button go."""
        self._set_level(self._button, 1)

    def deliver(
        self, source_mac: bytes, frame: bytes, rssi_dbm: int = -60, channel: int | None = None
    ) -> bool:
        """Let its antenna have a frame. Return False when its radio is off or on another channel.

        channel: that of the frame, None for the one it listens on.
        """
        if self.channel is None or channel not in (None, self.channel):
            return False
        pieces = range(0, max(len(frame), 1), messages.PIECE_MAX)
        sent = True
        for start in pieces:
            more = start != pieces[-1]
            body = struct.pack(">BBb", more, self.channel, rssi_dbm) + source_mac
            sent &= self._interpreter.send(
                messages.AIR, body + frame[start : start + messages.PIECE_MAX]
            )
        return sent

    def air_taken(self, taken: bool) -> None:
        """Somebody keeps its channel: what it sends waits until nobody does."""
        self._air_taken = taken
        self._interpreter.send(messages.TAKEN, bytes((taken,)))

    async def wait_state(self, *states: DeviceState, timeout_s: float = 10.0) -> None:
        """Return once it is in one of `states`. Raises TownError after `timeout_s`.

        Asleep counts once the next wake's interpreter is parked: starting it is no part of a wake.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while not (self.state in states and (not self._sleeps() or self.parked)):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            wanted = " or ".join(state.value for state in states)
            raise TownError(f"the device stays {self.state.value}, not {wanted}") from error

    async def heap(self) -> HeapFigures:
        """Return the heap's figures; the device must be awake and made with sample_heap."""
        waiter: asyncio.Future[HeapFigures] = asyncio.get_running_loop().create_future()
        self._heap_waiters.append(waiter)
        if not self._interpreter.send(messages.HEAP_QUERY):
            raise TownError("the device is not awake")
        return await asyncio.wait_for(waiter, 5.0)

    def console(self) -> str:
        """Return the last lines that the interpreter printed on its error output."""
        try:
            text = (self._directory / "console.log").read_text(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-_CONSOLE_LINES:])

    # The process.

    def _spawn(self) -> None:
        self._interpreter.spawn(None if self._port is None else self._port.fileno())

    def _stop_process(self) -> None:
        for timer in (self._timer, self._watchdog):
            if timer is not None:
                timer.cancel()
        self._timer = self._watchdog = None
        self._pending = None
        self.parked = False
        self._interpreter.stop()
        self.channel = None
        if self._motor_on:
            self._motor_edge(False, None)
        for waiter in self._heap_waiters:
            waiter.cancel()
        self._heap_waiters.clear()

    def interpreter_connected(self) -> None:
        if self._pending is not None:
            pending, self._pending = self._pending, None
            self._wake(pending)

    def interpreter_ended(self, *, by_itself: bool) -> None:
        self._changed.set()
        if by_itself:
            self._halt("the interpreter died")

    def interpreter_said(self, kind: int, body: bytes) -> None:
        if kind == messages.TRANSMIT:
            self._hooks.on_transmit(body[0], body[1:7], body[7:])
        elif kind == messages.RADIO:
            self.channel = body[0] or None
        elif kind == messages.OUTPUT:
            gpio, level, at_ms = struct.unpack(">BBI", body)
            if gpio == self._motor:
                self._motor_edge(bool(level), at_ms)
        elif kind == messages.READY:
            self.parked = self._sleeps()
            self._changed.set()
        elif kind == messages.SLEEP:
            self._fall_asleep(*struct.unpack_from(">IB", body), gpios=tuple(body[5:]))
        elif kind == messages.RESET:
            self._reset(_HARD_RESET)
        elif kind == messages.WATCHDOG:
            self._feed_watchdog(struct.unpack(">I", body)[0])
        elif kind == messages.HEAP:
            peak, _, before, size = struct.unpack_from(">IIII", body)
            loaded = frozenset(body[16:].decode().split())
            code = sum(device_tree.bytecode(self._directory / "flash", loaded).values())
            for waiter in self._heap_waiters:
                waiter.set_result(HeapFigures(peak, before, size, code))
            self._heap_waiters.clear()
        elif kind == messages.ENDED:
            self._halt(body.decode(errors="replace"))

    # The silicon.

    def _wake(self, wake: _Wake) -> None:
        self._set_state(DeviceState.AWAKE)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._interpreter.connected:
            self._pending = wake
            return
        self.wakes += 1
        self.parked = False
        for gpio, level in self._levels.items():
            self._interpreter.send(messages.PIN, bytes((gpio, level)))
        for gpio, microvolts in self._analog_uv.items():
            self._interpreter.send(messages.ANALOG, struct.pack(">BI", gpio, microvolts))
        if self._air_taken:
            self._interpreter.send(messages.TAKEN, bytes((True,)))
        self._interpreter.send(
            messages.WAKE, bytes((wake.reset_cause, wake.reason, self._sample_heap))
        )

    def _fall_asleep(self, rest_ms: int, level: int, *, gpios: tuple[int, ...]) -> None:
        self._stop_process()
        self._wake_gpios, self._wake_level = gpios, level
        self._set_state(DeviceState.ASLEEP)
        self._spawn()
        if rest_ms:
            loop = asyncio.get_running_loop()
            wake = _Wake(_DEEPSLEEP_RESET, _TIMER_WAKE)
            self._timer = loop.call_later(rest_ms / 1000, self._wake, wake)
        self._wake_by_level()

    def _wake_by_level(self) -> None:
        # The chip wakes by level, not by edge.
        if self.state is DeviceState.ASLEEP and any(
            self._levels.get(gpio) == self._wake_level for gpio in self._wake_gpios
        ):
            self._wake(_Wake(_DEEPSLEEP_RESET, _GPIO_WAKE))

    def _set_level(self, gpio: int, level: int) -> None:
        if self._levels.get(gpio) == level:
            return
        self._levels[gpio] = level
        if self.state is DeviceState.AWAKE:
            self._interpreter.send(messages.PIN, bytes((gpio, level)))
        self._wake_by_level()

    def _reset(self, cause: int) -> None:
        self._stop_process()
        self._spawn()
        self._wake(_Wake(cause))

    def _feed_watchdog(self, span_ms: int) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
        loop = asyncio.get_running_loop()
        self._watchdog = loop.call_later(span_ms / 1000, self._reset, _WDT_RESET)

    def _motor_edge(self, on: bool, at_ms: int | None) -> None:
        self._motor_on = on
        now_s = time.monotonic()
        self._hooks.on_motor(on, now_s)
        if at_ms is None:
            return  # cut off with the power: no pulse of any pattern
        felt = self._feels.edge(on, at_ms, now_s)
        if felt is not None:
            self._hooks.on_feel(*felt)

    def _halt(self, why: str) -> None:
        self._stop_process()
        self._set_state(DeviceState.HALTED)
        _log.warning("device in %s halted: %s", self._directory.name, why)
        self._hooks.on_halt(f"{why}\n{self.console()}")

    def _sleeps(self) -> bool:
        return self.state is DeviceState.ASLEEP

    def _set_state(self, state: DeviceState) -> None:
        if state is not self.state:
            self.state = state
            self._changed.set()
            self._hooks.on_state(state)
