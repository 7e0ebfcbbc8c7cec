"""The two wires that reset a modem which listens to nothing: its PWRKEY and its power."""

from __future__ import annotations

import contextlib
import sys
from typing import Protocol

from gpiozero import GPIOZeroError, OutputDevice

from vigibip.base.errors import PeerError


class LineError(PeerError):
    """A reset line could not be driven."""


class ResetLines(Protocol):
    """Levels, not pulses: the ladder keeps the time."""

    @property
    def has_pwrkey(self) -> bool: ...

    @property
    def has_power(self) -> bool: ...

    def pwrkey(self, pressed: bool) -> None:
        """Press or let go of the PWRKEY. Raises LineError."""
        ...

    def power(self, on: bool) -> None:
        """Give the modem power, or take it. Raises LineError."""
        ...

    def close(self) -> None:
        """Let go of the PWRKEY and give the lines back; the power stays on."""
        ...


class NoLines:
    """For a modem of which nothing but the serial port is wired."""

    has_pwrkey = False
    has_power = False

    def pwrkey(self, pressed: bool) -> None:
        raise LineError(f"no PWRKEY line to {'press' if pressed else 'let go of'}")

    def power(self, on: bool) -> None:
        raise LineError(f"no power line to switch {'on' if on else 'off'}")

    def close(self) -> None:
        """Nothing is held."""


class GpioLines:
    """Lines through gpiozero, by BCM number; None means not wired.

    Both are active high at the Raspberry Pi: the PWRKEY through a transistor that pulls it low,
    the power through a high-side switch whose pull-up keeps the modem on while nobody drives it.
    """

    def __init__(self, pwrkey_gpio: int | None, power_gpio: int | None) -> None:
        self._pwrkey_gpio = pwrkey_gpio
        self._power_gpio = power_gpio
        self._devices: dict[int, OutputDevice] = {}

    @property
    def has_pwrkey(self) -> bool:
        return self._pwrkey_gpio is not None

    @property
    def has_power(self) -> bool:
        return self._power_gpio is not None

    def pwrkey(self, pressed: bool) -> None:
        self._drive(self._pwrkey_gpio, pressed)

    def power(self, on: bool) -> None:
        self._drive(self._power_gpio, on)

    def close(self) -> None:
        devices, self._devices = self._devices, {}
        for gpio, device in devices.items():
            with contextlib.suppress(*_failures()):
                if gpio == self._pwrkey_gpio:
                    device.off()
            with contextlib.suppress(*_failures()):
                device.close()

    def _drive(self, gpio: int | None, high: bool) -> None:
        if gpio is None:
            raise LineError("this line is not wired")
        try:
            if gpio not in self._devices:
                # Taken at the first need: until then the board's own pull keeps the modem on.
                self._devices[gpio] = OutputDevice(gpio, initial_value=high)
            elif high:
                self._devices[gpio].on()
            else:
                self._devices[gpio].off()
        except _failures() as error:
            raise LineError(f"GPIO{gpio}: {type(error).__name__}: {error}") from error


def _failures() -> tuple[type[Exception], ...]:
    """What a pin factory may raise; lgpio's own error derives from nothing but Exception."""
    lgpio_error = getattr(sys.modules.get("lgpio"), "error", GPIOZeroError)
    return (GPIOZeroError, OSError, RuntimeError, lgpio_error)
