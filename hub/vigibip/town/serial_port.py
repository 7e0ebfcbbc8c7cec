"""A serial port behind one path that is plugged in and out: each time a new pseudo-terminal."""

from __future__ import annotations

import os
import tty
from pathlib import Path

from vigibip.town.errors import TownError


class SerialPort:
    """`path` is a symbolic link to the computer's side; the device has the other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._device: int | None = None
        self._computer: int | None = None

    def plug(self) -> None:
        """Make the port appear."""
        self.unplug()
        self._device, self._computer = os.openpty()
        tty.setraw(self._computer)
        # A device never waits for a computer that does not read.
        os.set_blocking(self._device, False)
        # Kept open here too, so that it does not hang up whenever nobody has it open.
        fresh = self.path.with_name(self.path.name + ".new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.ttyname(self._computer))
        fresh.rename(self.path)

    def unplug(self) -> None:
        """Make the port vanish; whoever has it open sees it hang up."""
        if self._device is None or self._computer is None:
            return
        self.path.unlink(missing_ok=True)
        os.close(self._device)
        os.close(self._computer)
        self._device = self._computer = None

    def fileno(self) -> int:
        """Return the device's side. Raises TownError while unplugged."""
        if self._device is None:
            raise TownError("the serial port is unplugged")
        return self._device
