"""Runs a receiver: ESP-NOW on one side, the USB serial port, which is stdin and stdout, there."""

import gc
import select
import sys

import espnow
import machine
import network
from carrier import Carrier
from jam import PROBE
from ticks import Clock
from wire import serial

# Until the box has told its own.
_CHANNEL = 6
# Sixteen bips pressed at once, while a flash or a collection holds the program up.
_RX_BUFFER = 8192
_WATCHDOG_MS = 10000
# A batch of each, so that neither side starves the other.
_FRAMES_AT_ONCE = 8
_BYTES_AT_ONCE = 256
# A line that does not take more is looked at again so soon.
_LINE_RETRY_MS = 20
# A probe that is under way is looked at so often.
_PROBE_LOOK_MS = 5
_RSSI_UNKNOWN = -128
# Below it the radio's module may fall silent rather than fail: start anew in time. The module
# keeps each address that it hears in a table which nobody can empty.
_MEMORY_LEAST = 12288


def _why_it_started() -> int:
    kept = machine.RTC().memory()
    machine.RTC().memory(b"")
    return kept[0] if kept else serial.WHY_UNKNOWN


class Receiver:
    """The radio, the line and what carries between them."""

    def __init__(self) -> None:
        self._watchdog = machine.WDT(timeout=_WATCHDOG_MS)
        self._wlan = network.WLAN(network.STA_IF)
        self._wlan.active(True)
        # Power saving loses frames.
        self._wlan.config(channel=_CHANNEL, pm=network.WLAN.PM_NONE)
        self._now = espnow.ESPNow()
        self._now.config(rxbuf=_RX_BUFFER)
        self._now.active(True)
        self._now.add_peer(serial.BROADCAST)
        self._added: list[bytes] = []
        self._both = select.poll()
        self._both.register(self._now, select.POLLIN)
        self._both.register(sys.stdin, select.POLLIN)
        self._line = select.poll()
        self._line.register(sys.stdin, select.POLLIN)
        self._free = select.poll()
        self._free.register(sys.stdout, select.POLLOUT)
        self._now_ms = Clock(0).now_ms
        self._carrier = Carrier(_CHANNEL, machine.reset_cause(), 0, _why_it_started())
        self._tuned = _CHANNEL
        self._line_out: bytes | None = None
        self._written = 0

    def run(self) -> None:
        """Carry for ever."""
        carrier = self._carrier
        while True:
            self._watchdog.feed()
            self._hear()
            data = self._read()
            if data and carrier.from_line(data):
                self._tune()
            self._transmit()
            self._write()
            self._probe()
            if self._now_ms() >= carrier.deadline_ms():
                self._look_after_itself()
                carrier.tick(self._now_ms())
            if not self._now.any() and not carrier.down:
                due_ms = min(carrier.deadline_ms(), carrier.jam.next_ms)
                pause_ms = max(0, due_ms - self._now_ms())
                if carrier.jam.under_way:
                    pause_ms = _PROBE_LOOK_MS
                if self._line_out is not None:
                    pause_ms = min(pause_ms, _LINE_RETRY_MS)
                for _ in self._both.ipoll(min(pause_ms, _WATCHDOG_MS // 4)):
                    pass

    def _tune(self) -> None:
        try:
            self._wlan.config(channel=self._carrier.channel)
            self._tuned = self._carrier.channel
            self._carrier.jam.retuned(self._now_ms())
        except OSError:
            # The chip's country does not let it; the next HELLO tells which one it stays on.
            self._carrier.stay_on(self._tuned)

    def _hear(self) -> None:
        for _ in range(_FRAMES_AT_ONCE):
            try:
                address, frame = self._now.recv(0)
            except ValueError:
                return  # a frame out of step; the module has emptied its buffer
            if address is None or frame is None:
                return
            known = self._now.peers_table.get(address)
            rssi_dbm = known[0] if known else _RSSI_UNKNOWN
            self._carrier.from_air(self._now_ms(), address, frame, rssi_dbm)

    def _read(self) -> bytes:
        # Byte by byte: a read of more would wait for all of them.
        data = bytearray()
        while len(data) < _BYTES_AT_ONCE and self._line.poll(0):
            byte = sys.stdin.buffer.read(1)
            if not byte:
                break
            data += byte
        return bytes(data)

    def _transmit(self) -> None:
        # A jammed channel can hold up each transmission for two seconds: one at a time, so that
        # it hears and is fed between them.
        if not self._carrier.down:
            return
        address, frame = self._carrier.down.pop(0)
        try:
            forgotten = None
            if address != serial.BROADCAST:
                forgotten = self._carrier.peer_to_forget(address)
            if forgotten is not None and forgotten in self._added:
                self._added.remove(forgotten)
                self._now.del_peer(forgotten)
            if address != serial.BROADCAST and address not in self._added:
                self._now.add_peer(address)
                self._added.append(address)
            self._now.send(address, frame, False)
            self._carrier.count_send(True)
        except OSError:
            self._carrier.count_send(False)

    def _probe(self) -> None:
        jam = self._carrier.jam
        was = jam.jammed
        _, answered, failed, _, _ = self._now.stats()
        now_ms = self._now_ms()
        if jam.look(now_ms, answered, failed):
            try:
                self._now.send(serial.BROADCAST, PROBE, False)
                jam.sent(now_ms, self._now.stats()[0], failed)
            except OSError:
                jam.refused(now_ms, self._now_ms())
        if jam.jammed != was:
            self._carrier.jam_changed(now_ms)

    def _write(self) -> None:
        while True:
            if self._line_out is None:
                self._line_out = self._carrier.next_up()
                self._written = 0
                if self._line_out is None:
                    return
            if not self._free.poll(0):
                return
            count = sys.stdout.buffer.write(self._line_out[self._written :])
            if not count:
                return  # full: nobody reads
            self._written += count
            if self._written >= len(self._line_out):
                self._line_out = None

    def _look_after_itself(self) -> None:
        gc.collect()
        self._carrier.memory_free = gc.mem_free()
        self._carrier.radio_dropped = self._now.stats()[4]
        if self._carrier.memory_free < _MEMORY_LEAST:
            self._start_anew(serial.WHY_MEMORY)
        if self._carrier.jam.stuck:
            self._start_anew(serial.WHY_RADIO)

    def _start_anew(self, why: int) -> None:
        machine.RTC().memory(bytes((why,)))
        machine.reset()


def run() -> None:
    """Run the receiver."""
    Receiver().run()
