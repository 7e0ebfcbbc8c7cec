"""A network between a box and the broker that can be slow, cut and put back.

A TCP relay on the loopback. Delay is added to each piece by itself, in order, so that a slow
network is slow but not narrow. What it does not play: the round trip of TCP's own opening, loss,
a narrow line.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import dataclass
from enum import Enum

from vigibip.town.network_pair import Pair, Side

_log = logging.getLogger(__name__)

_HOST = "127.0.0.1"
_BACKLOG = 1024


class Cut(Enum):
    """How the network is cut."""

    SILENT = "silent"
    """As a lost radio link: connections stay, nothing arrives; new ones open and hear nothing."""
    RESET = "reset"
    """As a NAT that forgot: connections are reset once, new ones work."""
    REFUSED = "refused"
    """As a router without its line: connections are reset, new ones refused."""


@dataclass(slots=True)
class Counts:
    """What happened on this network since it was made."""

    connections: int = 0
    unanswered: int = 0
    """Connections that found nobody at the far end."""
    resets: int = 0
    bytes_up: int = 0
    bytes_down: int = 0


class NetworkLink:
    """Relays `port` to the target. `delay_ms`, each way, may be changed at any time."""

    def __init__(self, target_host: str, target_port: int, *, delay_ms: float = 0.0) -> None:
        self._target = (target_host, target_port)
        self.delay_ms = delay_ms
        self.counts = Counts()
        self.host = _HOST
        self.port = 0
        self._server: asyncio.Server | None = None
        self._placeholder: socket.socket | None = None
        self._pairs: set[Pair] = set()
        self._dialling: set[asyncio.Task[None]] = set()
        self._silent = False

    @property
    def silent(self) -> bool:
        return self._silent

    @property
    def connections(self) -> int:
        """How many connections there are now."""
        return len(self._pairs)

    async def start(self) -> None:
        """Listen on a free port, or on the same as before."""
        self._give_port_back()
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Side(self._accept), _HOST, self.port, backlog=_BACKLOG
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """End every connection and stop listening."""
        self._deafen()
        self._give_port_back()
        dialling = list(self._dialling)
        self._reset_all()
        await asyncio.gather(*dialling, return_exceptions=True)

    async def cut(self, kind: Cut) -> None:
        """Cut the network as `kind` says; SILENT and REFUSED last until `restore`."""
        if kind is Cut.SILENT:
            self._silent = True
            return
        if kind is Cut.REFUSED:
            self._deafen()
        self._reset_all()

    async def restore(self) -> None:
        """Put it back. What a silence held back arrives now: TCP would send it again."""
        self._silent = False
        if self._server is None:
            await self.start()
        for pair in list(self._pairs):
            if pair.dialled:
                pair.drain()
            else:
                self._dial(pair)

    def moved(self, upwards: bool, length_bytes: int) -> None:
        """Called by a pair that delivered something."""
        if upwards:
            self.counts.bytes_up += length_bytes
        else:
            self.counts.bytes_down += length_bytes

    def forget(self, pair: Pair) -> None:
        """Called by a pair whose two sides are gone."""
        self._pairs.discard(pair)

    def _accept(self, near: Side) -> None:
        self.counts.connections += 1
        pair = Pair(self, near)
        self._pairs.add(pair)
        if not self._silent:
            self._dial(pair)

    def _dial(self, pair: Pair) -> None:
        pair.dialled = True
        dialling = asyncio.get_running_loop().create_task(self._connect(pair))
        self._dialling.add(dialling)
        dialling.add_done_callback(self._dialling.discard)

    async def _connect(self, pair: Pair) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: pair.far, *self._target)
        except OSError as error:
            _log.info("nobody answers at the far end: %s", error)
            self.counts.unanswered += 1
            pair.reset()

    def _deafen(self) -> None:
        if self._server is None:
            return
        self._server.close()
        self._server = None
        # Bound and not listening: connections are refused, and nobody else gets the port.
        self._placeholder = socket.socket()
        self._placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._placeholder.bind((_HOST, self.port))

    def _give_port_back(self) -> None:
        if self._placeholder is not None:
            self._placeholder.close()
            self._placeholder = None

    def _reset_all(self) -> None:
        for dialling in list(self._dialling):
            dialling.cancel()
        for pair in list(self._pairs):
            self.counts.resets += 1
            pair.reset()
