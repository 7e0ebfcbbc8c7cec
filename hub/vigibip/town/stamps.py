"""Where the stamps of all the town's processes come together, each press as one timeline."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from vigibip.base.trace import parse_stamp

_log = logging.getLogger(__name__)

# 500 presses of 20 stages within one turn of the loop still fit.
_RECEIVE_BUFFER_BYTES = 4 << 20
_DATAGRAM_MAX = 256

Listener = Callable[[str, str, int], None]


class Stamps:
    """The first time that each stage was reached, by subject; a repeated stage is counted.

    Times are nanoseconds of CLOCK_MONOTONIC.
    """

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        self.refused = 0
        self._first: defaultdict[str, dict[str, int]] = defaultdict(dict)
        self._counts: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._changed = asyncio.Event()
        self._socket: socket.socket | None = None
        self._path: Path | None = None

    def start(self, path: Path) -> None:
        """Listen on a new datagram socket at `path`, which processes find in VIGIBIP_TRACE."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        self._socket.bind(os.fspath(path))
        self._path = path
        asyncio.get_running_loop().add_reader(self._socket, self._read, self._socket)

    def close(self) -> None:
        if self._socket is not None and self._path is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._path.unlink(missing_ok=True)
            self._socket = None

    def record(self, stage: str, subject: str, stamp_ns: int | None = None) -> None:
        """Put down that `subject` reached `stage`, now or at `stamp_ns`."""
        stamp_ns = time.monotonic_ns() if stamp_ns is None else stamp_ns
        self._first[subject].setdefault(stage, stamp_ns)
        self._counts[subject, stage] += 1
        self._changed.set()
        for listener in self.listeners:
            listener(stage, subject, stamp_ns)

    def of(self, subject: str) -> dict[str, int]:
        """Return stage -> nanoseconds of `subject`, empty when it was never heard of."""
        return dict(self._first.get(subject, {}))

    def count(self, subject: str, stage: str) -> int:
        return self._counts.get((subject, stage), 0)

    async def wait(self, subject: str, stage: str, deadline_s: float) -> int:
        """Return when `subject` reached `stage`; TimeoutError when it does not in time."""
        await self.wait_any(subject, {stage}, deadline_s)
        return self._first[subject][stage]

    async def wait_any(self, subject: str, stages: set[str], deadline_s: float) -> None:
        """Return once `subject` reached one of `stages`; TimeoutError when it does not in time."""
        async with asyncio.timeout(deadline_s):
            while stages.isdisjoint(self._first.get(subject, {})):
                self._changed.clear()
                await self._changed.wait()

    def _read(self, trace: socket.socket) -> None:
        while True:
            try:
                datagram = trace.recv(_DATAGRAM_MAX)
            except BlockingIOError:
                return
            try:
                stage, subject, stamp_ns = parse_stamp(datagram)
            except ValueError:
                self.refused += 1
                _log.warning("a stamp that is none: %d bytes", len(datagram))
                continue
            self.record(stage, subject, stamp_ns)
