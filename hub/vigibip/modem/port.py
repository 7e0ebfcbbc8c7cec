"""The byte port that a channel speaks through, and the real one: a serial line.

The event loop serves the line; nothing here ever waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Protocol

import serial

from vigibip.base.errors import PeerError

_log = logging.getLogger(__name__)

# The longest that is ever written at once is a PDU of 352 characters; what waits beyond a dozen
# of those means that the line takes nothing any more.
_OUT_MAX_BYTES = 4096
_READ_BYTES = 4096

OnData = Callable[[bytes], None]
OnLost = Callable[[str], None]


class PortError(PeerError):
    """The port cannot be had: absent, held by another process, or not ours."""


class BytePort(Protocol):
    """A line that is open. `on_data` and `on_lost` are called from the event loop, never from
    within `write` or `close`; after `on_lost` or `close` neither is called again."""

    def write(self, data: bytes) -> None:
        """Send `data`, in order, without waiting. A line that takes nothing is a line lost."""
        ...

    def close(self) -> None:
        """Give the line back; harmless when repeated."""
        ...


OpenPort = Callable[[OnData, OnLost], BytePort]
"""Open the line and serve it from now on. Raises PortError."""


def serial_opener(port: str, baud: int) -> OpenPort:
    """Return what opens the serial device at `port`, for this process alone."""

    def open_port(on_data: OnData, on_lost: OnLost) -> BytePort:
        return SerialPort(port, baud, on_data, on_lost)

    return open_port


class SerialPort:
    """A BytePort over pyserial. Raises PortError."""

    def __init__(self, port: str, baud: int, on_data: OnData, on_lost: OnLost) -> None:
        self._on_data = on_data
        self._on_lost = on_lost
        self._out = bytearray()
        self._loop = asyncio.get_running_loop()
        self._hang_up: asyncio.Handle | None = None
        try:
            # exclusive: flock and TIOCEXCL; two processes on one line would each read half of it.
            opened = serial.Serial(port, baud, timeout=0, exclusive=True)
        except (OSError, ValueError) as error:
            number = getattr(error, "errno", None)
            reason = os.strerror(number) if number else str(error)
            raise PortError(f"{port}: {reason}") from error
        self._serial: serial.Serial | None = opened
        os.set_blocking(opened.fileno(), False)
        self._loop.add_reader(opened.fileno(), self._readable)

    def write(self, data: bytes) -> None:
        if self._serial is None or self._hang_up is not None:
            return
        if len(self._out) + len(data) > _OUT_MAX_BYTES:
            self._lose("the line takes nothing")
            return
        waiting = bool(self._out)
        self._out += data
        if not waiting:
            self._writable()

    def close(self) -> None:
        if self._hang_up is not None:
            self._hang_up.cancel()
        self._release()

    def _readable(self) -> None:
        if self._serial is None:
            return
        try:
            data = os.read(self._serial.fileno(), _READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(error.strerror or str(error))
            return
        if not data:
            self._lose("the line was hung up")
            return
        self._on_data(data)

    def _writable(self) -> None:
        if self._serial is None:
            return
        fd = self._serial.fileno()
        try:
            del self._out[: os.write(fd, self._out)]
        except BlockingIOError:
            pass
        except OSError as error:
            self._lose(error.strerror or str(error))
            return
        if self._out:
            self._loop.add_writer(fd, self._writable)
        else:
            self._loop.remove_writer(fd)

    def _lose(self, reason: str) -> None:
        self._release()
        if self._hang_up is None:
            self._hang_up = self._loop.call_soon(self._on_lost, reason)

    def _release(self) -> None:
        opened, self._serial = self._serial, None
        if opened is None:
            return
        self._out.clear()
        self._loop.remove_reader(opened.fileno())
        self._loop.remove_writer(opened.fileno())
        try:
            opened.close()
        except OSError as error:
            _log.info("closing the port: %s", error)
