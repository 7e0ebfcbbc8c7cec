"""Stand-in for an ESP32's machine module: what the firmware uses of it, over the bus."""

import os
import struct
import time

import bus
import bus_messages

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5
PIN_WAKE = 2
TIMER_WAKE = 4

_RTC_MEMORY_MAX = 2048
_start_ticks = time.ticks_ms()
# esp32.wake_on_gpio sets it: (gpios, level).
wake_on: tuple[tuple[int, ...], int] = ((), 0)


def reset_cause() -> int:
    return bus.reset_cause


def wake_reason() -> int:
    return bus.wake_reason


def reset() -> None:
    bus.send(bus_messages.RESET)
    bus.halt()


def deepsleep(time_ms: int = 0) -> None:
    gpios, level = wake_on
    bus.send(bus_messages.SLEEP, struct.pack(">IB", time_ms, level) + bytes(gpios))
    bus.halt()


class Pin:
    """A pin; an input without a level from the host reads as its pull says."""

    IN = 1
    OUT = 3
    PULL_DOWN = 1
    PULL_UP = 2
    IRQ_RISING = 1
    IRQ_FALLING = 2

    _handlers: dict = {}

    def __init__(self, id: int, mode: int = -1, pull: int = -1, *, value: int | None = None):
        self.gpio = id
        if pull == self.PULL_UP:
            bus.levels.setdefault(id, 1)
        if mode == self.OUT and value is not None:
            bus.levels[id] = value

    def value(self, x=None):
        if x is None:
            bus.drain()
            return bus.levels.get(self.gpio, 0)
        level = 1 if x else 0
        _put_out(self.gpio, level)
        return None

    def irq(self, handler, trigger=3):
        # Edges before this are lost, as on the chip.
        bus.drain()
        self._handlers[self.gpio] = (handler, trigger, self)


class PWM:
    """An output's level is then what of its time it is on, in percent."""

    def __init__(self, pin: Pin, *, freq: int = 0, duty_u16: int = 0):
        self._gpio = pin.gpio
        self.duty_u16(duty_u16)

    def duty_u16(self, duty: int) -> None:
        _put_out(self._gpio, (duty * 100 + 65534) // 65535)


def _put_out(gpio: int, level: int) -> None:
    if bus.levels.get(gpio, 0) != level:
        bus.levels[gpio] = level
        at_ms = time.ticks_diff(time.ticks_ms(), _start_ticks)
        bus.send(bus_messages.OUTPUT, struct.pack(">BBI", gpio, level, at_ms))


def _pin_changed(gpio: int) -> None:
    handler, trigger, pin = Pin._handlers.get(gpio, (None, 0, None))
    edge = Pin.IRQ_RISING if bus.levels[gpio] else Pin.IRQ_FALLING
    if handler is not None and trigger & edge:
        handler(pin)


bus.pin_listeners.append(_pin_changed)


class ADC:
    def __init__(self, id):
        self._gpio = id.gpio if isinstance(id, Pin) else id

    def read_uv(self) -> int:
        return bus.analog_uv.get(self._gpio, 0)


class WDT:
    """The host bites. It is fed through the bus only a few times in its span."""

    def __init__(self, *, id: int = 0, timeout: int = 5000):
        self._timeout_ms = timeout
        self._tell()

    def feed(self) -> None:
        if time.ticks_diff(time.ticks_ms(), self._told_ms) > self._timeout_ms // 4:
            self._tell()

    def _tell(self) -> None:
        self._told_ms = time.ticks_ms()
        bus.send(bus_messages.WATCHDOG, struct.pack(">I", self._timeout_ms))


class RTC:
    """RTC memory: a file that the host deletes when the power is cut."""

    def memory(self, data=None):
        path = bus.directory + "/rtc.bin"
        if data is None:
            try:
                with open(path, "rb") as file:
                    return file.read()
            except OSError:
                return b""
        if len(data) > _RTC_MEMORY_MAX:
            raise ValueError("buffer too long")
        with open(path + ".new", "wb") as file:
            file.write(data)
        os.rename(path + ".new", path)
        return None
