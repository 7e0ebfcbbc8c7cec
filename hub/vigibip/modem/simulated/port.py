"""A simulated modem without any wire: its port in the same process, and its reset lines."""

from __future__ import annotations

import asyncio

from vigibip.modem.lines import LineError
from vigibip.modem.port import BytePort, OnData, OnLost, PortError
from vigibip.modem.simulated.line_end import LineEnd
from vigibip.modem.simulated.modem import SimulatedModem


class InProcessPort:
    """Plugs one modem into one computer; `open` is an OpenPort.

    It takes no time: what is said arrives with the loop's next turn, one read for each piece.
    """

    def __init__(self, modem: LineEnd) -> None:
        self._modem = modem
        self._opened: _Opened | None = None
        modem.on_output = self._said
        modem.on_port = self._changed

    def open(self, on_data: OnData, on_lost: OnLost) -> BytePort:
        """Raises PortError while the port is not there, or is open."""
        if not self._modem.port_present:
            raise PortError("simulated: No such file or directory")
        if self._opened is not None:
            raise PortError("simulated: Device or resource busy")
        self._opened = _Opened(self, on_data, on_lost)
        return self._opened

    def write(self, data: bytes) -> None:
        self._modem.feed(data)

    def closed(self) -> None:
        self._opened = None

    def _said(self, piece: bytes) -> None:
        if self._opened is not None:
            self._opened.bring(piece)

    def _changed(self, present: bool) -> None:
        if not present and self._opened is not None:
            self._opened.lose("the simulated port vanished")


class _Opened:
    def __init__(self, port: InProcessPort, on_data: OnData, on_lost: OnLost) -> None:
        self._port = port
        self._on_data = on_data
        self._on_lost = on_lost
        self._open = True
        self._loop = asyncio.get_running_loop()

    def write(self, data: bytes) -> None:
        if self._open:
            self._loop.call_soon(self._write, data)

    def close(self) -> None:
        if self._open:
            self._open = False
            self._port.closed()

    def bring(self, piece: bytes) -> None:
        self._loop.call_soon(self._bring, piece)

    def lose(self, reason: str) -> None:
        self.close()
        self._loop.call_soon(self._on_lost, reason)

    def _write(self, data: bytes) -> None:
        if self._open:
            self._port.write(data)

    def _bring(self, piece: bytes) -> None:
        if self._open:
            self._on_data(piece)


class SimulatedLines:
    """The ResetLines of a SimulatedModem; either may be left unwired."""

    def __init__(
        self, modem: SimulatedModem, *, has_pwrkey: bool = True, has_power: bool = True
    ) -> None:
        self._modem = modem
        self.has_pwrkey = has_pwrkey
        self.has_power = has_power

    def pwrkey(self, pressed: bool) -> None:
        if not self.has_pwrkey:
            raise LineError("this line is not wired")
        self._modem.set_pwrkey(pressed)

    def power(self, on: bool) -> None:
        if not self.has_power:
            raise LineError("this line is not wired")
        self._modem.set_power(on)

    def close(self) -> None:
        """Let go of the PWRKEY; the power stays on."""
        if self.has_pwrkey:
            self._modem.set_pwrkey(False)
