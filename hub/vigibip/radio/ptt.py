"""The PTT line: what keys the transmitter."""

from __future__ import annotations

import contextlib
import sys
from typing import Protocol

from gpiozero import DigitalOutputDevice, GPIOZeroError

from vigibip.radio.contract import Health, RadioState
from vigibip.radio.errors import PttError


class Ptt(Protocol):
    """A line that is asserted while the radio transmits."""

    @property
    def health(self) -> Health: ...

    def take(self) -> None:
        """Drive the line to its rest. Raises PttError."""
        ...

    def assert_line(self) -> None:
        """Key the transmitter, at once. Raises PttError."""
        ...

    def release(self) -> None:
        """Let go, at once. Raises PttError: the transmitter may be stuck."""
        ...

    def close(self) -> None:
        """Let go and give the line back."""
        ...


class NoPtt:
    """For a radio that keys itself, or a link that carries the PTT."""

    health = Health(RadioState.READY)

    def take(self) -> None:
        """Nothing to drive."""

    def assert_line(self) -> None:
        """Nothing to drive."""

    def release(self) -> None:
        """Nothing to drive."""

    def close(self) -> None:
        """Nothing to drive."""


class GpioPtt:
    """A GPIO through gpiozero, by BCM number; the pin factory is the environment's.

    The pin is taken at the first need, and anew after a failure.
    """

    def __init__(self, gpio: int, *, active_high: bool) -> None:
        self._gpio = gpio
        self._active_high = active_high
        self._device: DigitalOutputDevice | None = None
        self.health = Health(RadioState.UNKNOWN)

    def take(self) -> None:
        """Drive the line to its rest. Raises PttError."""
        if self._device is not None:
            return
        try:
            self._device = DigitalOutputDevice(
                self._gpio, active_high=self._active_high, initial_value=False
            )
        except _failures() as error:
            raise self._failed(error) from error
        self.health = Health(RadioState.READY)

    def assert_line(self) -> None:
        self.take()
        self._drive(True)

    def release(self) -> None:
        self._drive(False)

    def _drive(self, on: bool) -> None:
        if self._device is None:
            return
        try:
            self._device.value = on
        except _failures() as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> PttError:
        reason = f"GPIO{self._gpio}: {type(error).__name__}: {error}"
        self.health = Health(RadioState.FAULTY, reason)
        self.close()
        return PttError(reason)

    def close(self) -> None:
        device, self._device = self._device, None
        if device is not None:
            # Each for itself: a line that cannot be driven must still be given back.
            for give_up in (device.off, device.close):
                with contextlib.suppress(*_failures()):
                    give_up()


def _failures() -> tuple[type[Exception], ...]:
    """What a pin factory may raise; lgpio's own error derives from nothing but Exception."""
    lgpio_error = getattr(sys.modules.get("lgpio"), "error", GPIOZeroError)
    return (GPIOZeroError, OSError, RuntimeError, lgpio_error)
