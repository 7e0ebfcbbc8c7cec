"""Stamps of an alert's way through the processes of one machine, for the demo and the benches.

A stamp is one datagram `stage subject monotonic_ns` on a UNIX socket; CLOCK_MONOTONIC is the same
for every process of a machine. The sink is handed in; without one a stamp costs an attribute test.
"""

from __future__ import annotations

import time
from collections.abc import Callable

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


def parse_stamp(datagram: bytes) -> tuple[str, str, int]:
    """Return stage, subject and nanoseconds of one stamp. Raises ValueError."""
    stage, subject, stamp_ns = datagram.decode("ascii").split(" ")
    return stage, subject, int(stamp_ns)
