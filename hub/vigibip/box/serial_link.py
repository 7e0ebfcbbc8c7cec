"""The receiver on its serial line: found, lost, found again, and listened to meanwhile.

The line is served by the event loop, never waited for. A receiver that is absent, silent or deaf
is a fault; noise on the line is counted and skipped.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import serial

from vigibip.base.clock import Clock
from vigibip.box.faults import FaultCode, Faults
from vigibip.box.link import OnFrame
from vigibip.box.timers import Timer, Timers
from vigibip.wire import serial as line

_log = logging.getLogger(__name__)

# A second of the line at 115,200 baud. What waits longer than that answers nobody any more.
_OUT_MAX_BYTES = 11_520
_READ_BYTES = 4096
_REOPEN_FIRST_S = 0.25
_REOPEN_MAX_S = 10.0
# The receiver tells its counts every 10 s: two may be lost to noise.
_DEAF_AFTER_S = 30.0


@dataclass(frozen=True, slots=True)
class AirCounts:
    """What the receiver counted since its start."""

    uptime_s: int
    received: int
    sent: int
    send_failed: int
    dropped: int
    serial_dropped: int
    guests: int
    guests_dropped: int
    repeats: int
    radio_dropped: int
    memory_free: int
    probes: int
    probes_failed: int
    held_ms: int
    """How long of the last minute its probes were held up."""
    jammed: int


class SerialLink:
    """A ReceiverLink over the serial device at `port`.

    name: what its faults are about, where a box has more than one; empty for the first.
    """

    def __init__(
        self,
        *,
        port: str,
        baud: int,
        channel: int,
        clock: Clock,
        timers: Timers,
        faults: Faults,
        chance: random.Random,
        name: str = "",
    ) -> None:
        self._name = name
        self._port = port
        self._baud = baud
        self._channel = channel
        self._clock = clock
        self._timers = timers
        self._faults = faults
        self._chance = chance
        self._on_frame: OnFrame = lambda _rssi, _mac, _frame: None
        self._serial: serial.Serial | None = None
        self._decoder = line.Decoder()
        self._out = bytearray()
        self._failures = 0
        self._closed = False
        self._heard_s = 0.0
        self._firmware = ""
        self._ids: list[int] = []
        self._deaf: Timer | None = None
        self._reopening: Timer | None = None
        self.air: AirCounts | None = None
        self.counts: Counter[str] = Counter()
        """Messages by what became of them, and how often the line was opened."""

    @property
    def noise(self) -> int:
        """Pieces of the line that were no message, since it was last opened."""
        return int(self._decoder.dropped)

    @property
    def up(self) -> bool:
        """True while a receiver is there and talks."""
        silent_s = self._clock.monotonic_s() - self._heard_s
        return self._serial is not None and silent_s < _DEAF_AFTER_S

    def describe(self) -> list[dict[str, Any]]:
        air = None if self.air is None else asdict(self.air)
        return [{"port": self._port, "up": self.up, "firmware": self._firmware, "air": air}]

    def start(self, on_frame: OnFrame) -> None:
        self._on_frame = on_frame
        self._open()

    def allow(self, ids: Sequence[int]) -> None:
        if len(ids) > line.IDS_MAX:
            _log.warning("receiver: %d bips, of which it takes %d", len(ids), line.IDS_MAX)
        self._ids = list(ids)[: line.IDS_MAX]
        if self._serial is not None:
            self._settle()

    def send(self, mac: bytes, frame: bytes) -> None:
        self._send(line.DOWN_FRAME, line.pack_down_frame(mac, frame))

    async def close(self) -> None:
        self._closed = True
        for timer in (self._deaf, self._reopening):
            if timer is not None:
                timer.cancel()
        self._release()

    def _open(self) -> None:
        self._reopening = None
        if self._closed:
            return
        try:
            # exclusive: two processes on one line would each read half of it.
            opened = serial.Serial(self._port, self._baud, timeout=0, exclusive=True)
        except (OSError, ValueError) as error:
            number = getattr(error, "errno", None)
            self._lost(f"{self._port}: {os.strerror(number) if number else error}")
            return
        os.set_blocking(opened.fileno(), False)
        self._serial = opened
        self._decoder = line.Decoder()
        self._out.clear()
        self.counts["opened"] += 1
        _log.info("receiver: %s is open", self._port)
        self._heard_s = self._clock.monotonic_s()
        self._deaf = self._timers.call_in(_DEAF_AFTER_S, self._is_deaf)
        asyncio.get_running_loop().add_reader(opened.fileno(), self._readable)
        # One that was running before us says no HELLO.
        self._settle()

    def _lost(self, reason: str) -> None:
        self._release()
        if self._closed:
            return
        self._faults.begin(FaultCode.RECEIVER, f"no receiver: {reason}", self._name)
        pause_s = min(_REOPEN_MAX_S, _REOPEN_FIRST_S * 2.0 ** min(self._failures, 16))
        self._failures += 1
        self._reopening = self._timers.call_in(pause_s * self._chance.uniform(0.5, 1.0), self._open)

    def _release(self) -> None:
        if self._deaf is not None:
            self._deaf.cancel()
        if self._serial is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._serial.fileno())
        loop.remove_writer(self._serial.fileno())
        opened, self._serial = self._serial, None
        try:
            opened.close()
        except OSError as error:
            _log.info("receiver: closing: %s", error)

    def _is_deaf(self) -> None:
        silent_s = self._clock.monotonic_s() - self._heard_s
        if silent_s < _DEAF_AFTER_S:
            self._deaf = self._timers.call_in(_DEAF_AFTER_S - silent_s, self._is_deaf)
            return
        self._faults.begin(FaultCode.RECEIVER, "connected, but says nothing", self._name)
        self._deaf = self._timers.call_in(_DEAF_AFTER_S, self._is_deaf)

    def _readable(self) -> None:
        if self._serial is None:
            return
        try:
            data = os.read(self._serial.fileno(), _READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(error.strerror or str(error))
            return
        if not data:
            self._lost("the line was hung up")
            return
        for kind, body in self._decoder.feed(data):
            self._message(kind, body)

    def _message(self, kind: int, body: bytes) -> None:
        try:
            if kind == line.UP_FRAME:
                rssi_dbm, mac, frame = line.unpack_up_frame(body)
                self.counts["frames"] += 1
                self._alive()
                self._on_frame(rssi_dbm, mac, frame)
            elif kind == line.HELLO:
                version, channel, reset_cause, why = line.unpack_hello(body)
                _log.info(
                    "receiver: starts, version %d.%d, channel %d, reset cause %d, why %d",
                    version >> 8,
                    version & 0xFF,
                    channel,
                    reset_cause,
                    why,
                )
                self._firmware = f"{version >> 8}.{version & 0xFF}"
                self.counts["hello"] += 1
                self._alive()
                self._settle()
            elif kind == line.AIR:
                self.air = AirCounts(*line.unpack_air(body))
                self._alive()
                self._judge_air(self.air)
            else:
                self.counts["unknown"] += 1
        except ValueError:
            self.counts["short"] += 1

    def _judge_air(self, air: AirCounts) -> None:
        # A jam that a lost receiver told stands until one says that it is over.
        if air.jammed:
            seconds = air.held_ms // 1000
            detail = f"the channel was kept {seconds} s of the last 60"
            self._faults.begin(FaultCode.JAM, detail, self._name)
        else:
            self._faults.clear(FaultCode.JAM, self._name)

    def _settle(self) -> None:
        self._send(line.SETTINGS, line.pack_settings(self._channel, self._ids))

    def _alive(self) -> None:
        # Only a message that makes sense says that this is a receiver, and that it is well.
        self._failures = 0
        self._heard_s = self._clock.monotonic_s()
        self._faults.clear(FaultCode.RECEIVER, self._name)

    def _send(self, kind: int, body: bytes) -> None:
        data = line.encode_message(kind, body)
        if self._serial is None:
            self.counts["unsent"] += 1
            return
        if len(self._out) + len(data) > _OUT_MAX_BYTES:
            self.counts["overflow"] += 1
            return
        waiting = bool(self._out)
        self._out += data
        if not waiting:
            self._writable()

    def _writable(self) -> None:
        if self._serial is None:
            return
        fd = self._serial.fileno()
        try:
            del self._out[: os.write(fd, self._out)]
        except BlockingIOError:
            pass
        except OSError as error:
            self._lost(error.strerror or str(error))
            return
        loop = asyncio.get_running_loop()
        if self._out:
            loop.add_writer(fd, self._writable)
        else:
            loop.remove_writer(fd)
