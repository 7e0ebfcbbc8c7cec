"""The end of a line on which a modem is: what a port of any kind carries bytes to and from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class LineEnd(Protocol):
    """A simulated or a replayed modem, as its port sees it."""

    on_output: Callable[[bytes], None]
    """Called with each piece that the modem says."""
    on_port: Callable[[bool], None]
    """Called when the port appears (True) or vanishes (False)."""

    @property
    def port_present(self) -> bool: ...

    def feed(self, data: bytes) -> None:
        """Take what the computer sent."""
        ...

    def close(self) -> None:
        """Take the modem's power; every task of its ends."""
        ...
