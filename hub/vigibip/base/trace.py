"""Stamps of an alert's way through the processes of one machine, for the demo and the benches.

A stamp is one datagram `stage subject monotonic_ns` on a UNIX socket; CLOCK_MONOTONIC is the same
for every process of a machine. Without a sink a stamp costs an attribute test.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable

from vigibip.base.errors import ConfigurationError

TRACE_VARIABLE = "VIGIBIP_TRACE"
"""Names the environment variable that holds the path of the socket."""

Sink = Callable[[bytes], object]


class Trace:
    """Where a process puts its stamps. `subject` is an alert's or an incident's id."""

    __slots__ = ("_sink",)

    def __init__(self, sink: Sink | None = None) -> None:
        self._sink = sink

    def stamp(self, stage: str, subject: str) -> None:
        """Tell that `stage` is reached now; never raises, never waits."""
        if self._sink is None:
            return
        try:
            self._sink(f"{stage} {subject} {time.monotonic_ns()}".encode())
        except BlockingIOError:
            # The listener is behind: one stamp is lost, the next may pass.
            return
        except OSError:
            # Whoever listened is gone: a measurement ends, an alert goes on.
            self._sink = None


def open_trace() -> Trace:
    """Return a trace into the socket that TRACE_VARIABLE names, one without a sink when unset.

    Raises ConfigurationError when nobody listens there.
    """
    path = os.environ.get(TRACE_VARIABLE)
    if not path:
        return Trace()
    stamps = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    stamps.setblocking(False)
    try:
        stamps.connect(path)
    except OSError as error:
        stamps.close()
        raise ConfigurationError(TRACE_VARIABLE, [("", f"{path}: {error.strerror}")]) from error
    return Trace(stamps.send)


def parse_stamp(datagram: bytes) -> tuple[str, str, int]:
    """Return stage, subject and nanoseconds of one stamp. Raises ValueError."""
    stage, subject, stamp_ns = datagram.decode("ascii").split(" ")
    return stage, subject, int(stamp_ns)
