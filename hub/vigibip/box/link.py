"""What the box asks of its receiver: frames up with address and signal strength, frames down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

OnFrame = Callable[[int, bytes, bytes], None]
"""(rssi_dbm, sender's address, sealed frame), called in the event loop's thread."""


class ReceiverLink(Protocol):
    """A receiver. One that is absent is a fault, never an exception."""

    def start(self, on_frame: OnFrame) -> None:
        """Begin; returns at once, even if there is no receiver yet."""
        ...

    def allow(self, ids: Sequence[int]) -> None:
        """These are the box's own bips; all others are guests. Before `start` and whenever."""
        ...

    def send(self, mac: bytes, frame: bytes) -> None:
        """Have `frame` sent to `mac`. Never blocks; what finds no room is dropped and counted."""
        ...

    def describe(self) -> list[dict[str, Any]]:
        """Return how each receiver is, for `vigibip box status`."""
        ...

    async def close(self) -> None: ...
