"""A simulated modem on a pseudo-terminal, in real time: any program may talk to it."""

from __future__ import annotations

import asyncio
import os
import tty
from pathlib import Path

from vigibip.modem.simulated.line_end import LineEnd

_READ_BYTES = 4_096


class PtyModem:
    """`path` is a symbolic link to the computer's side; it vanishes with the modem's port."""

    def __init__(self, modem: LineEnd, path: Path) -> None:
        self.modem = modem
        self.path = path
        self.lost_bytes = 0
        """What the modem said while nobody read and the kernel's buffer was full."""
        self._modem_side: int | None = None
        self._computer_side: int | None = None

    def open(self) -> None:
        """Make the port appear where `path` says, as long as the modem has one."""
        self.modem.on_output = self._said
        self.modem.on_port = self._changed
        self._changed(self.modem.port_present)

    def close(self) -> None:
        """Make the port vanish and take the modem's power."""
        self.modem.close()
        self._unplug()

    def _changed(self, present: bool) -> None:
        self._unplug()
        if present:
            self._plug()

    def _plug(self) -> None:
        self._modem_side, self._computer_side = os.openpty()
        tty.setraw(self._computer_side)
        # A modem never waits for a computer that does not read.
        os.set_blocking(self._modem_side, False)
        # Kept open here too, so that it does not hang up whenever nobody has it open.
        fresh = self.path.with_name(self.path.name + ".new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.ttyname(self._computer_side))
        fresh.rename(self.path)
        asyncio.get_running_loop().add_reader(self._modem_side, self._readable)

    def _unplug(self) -> None:
        if self._modem_side is None or self._computer_side is None:
            return
        asyncio.get_running_loop().remove_reader(self._modem_side)
        self.path.unlink(missing_ok=True)
        os.close(self._modem_side)
        os.close(self._computer_side)
        self._modem_side = self._computer_side = None

    def _readable(self) -> None:
        if self._modem_side is None:
            return
        try:
            data = os.read(self._modem_side, _READ_BYTES)
        except BlockingIOError:
            return
        self.modem.feed(data)

    def _said(self, piece: bytes) -> None:
        if self._modem_side is None:
            return
        try:
            written = os.write(self._modem_side, piece)
        except BlockingIOError:
            written = 0
        self.lost_bytes += len(piece) - written
