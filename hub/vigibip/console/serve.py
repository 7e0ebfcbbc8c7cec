"""Runs the console until it is told to stop."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from vigibip.base.errors import StorageError, UsageError
from vigibip.base.logs import logging_through
from vigibip.console.app import Console
from vigibip.console.connection import PatientConnection
from vigibip.post.config import PostSettings

_log = logging.getLogger(__name__)

# Streams end at once; this is for an answer that is being written.
_STOP_WAIT_S = 2
# A stream's reader that takes nothing for so long is gone: the next beats find no room.
_UNHEARD_MS = 20_000
# Bounds memory and descriptors; a post has a handful of screens.
_CONNECTIONS_MAX = 500
_HEAD_MAX_BYTES = 16_384


def serve(settings: PostSettings, tell: Callable[[str], None]) -> None:
    """Listen until SIGTERM or SIGINT; tells where, once it does.

    Raises UsageError when the address cannot be had, StorageError when the stores cannot.
    """
    with logging_through(logging.StreamHandler(sys.stderr), logging.INFO):
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        if not settings.store_path.is_file():
            raise StorageError(f"{settings.store_path} is not there: run `vigibip post init`")
        with _listener(settings.console.host, settings.console.port) as listener:
            if not _is_loopback(settings.console.host) and not settings.console.behind_https:
                _log.warning("the console is reachable without TLS: put an HTTPS proxy before it")
            asyncio.run(_serve(settings, listener, tell))


async def _serve(
    settings: PostSettings, listener: socket.socket, tell: Callable[[str], None]
) -> None:
    console = Console(settings)
    async with console.running():
        config = uvicorn.Config(
            console.asgi,
            http=PatientConnection,
            ws="none",
            lifespan="off",
            log_config=None,
            # Paths hold one-time links.
            access_log=False,
            server_header=False,
            # The address that a proxy names is believed only when there is one, on this machine.
            proxy_headers=settings.console.behind_https,
            forwarded_allow_ips="127.0.0.1,::1",
            h11_max_incomplete_event_size=_HEAD_MAX_BYTES,
            limit_concurrency=_CONNECTIONS_MAX,
            timeout_graceful_shutdown=_STOP_WAIT_S,
        )
        server = _Server(config, console, tell)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.ask_to_stop)
        await server.serve(sockets=[listener])


class _Server(uvicorn.Server):
    def __init__(
        self, config: uvicorn.Config, console: Console, tell: Callable[[str], None]
    ) -> None:
        super().__init__(config)
        self._console = console
        self._tell = tell

    def ask_to_stop(self) -> None:
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own way ends the process by the signal, before the stores are closed.
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or []:
            host, port = listener.getsockname()[:2]
            name = f"[{host}]" if ":" in host else host
            self._tell(f"console : http://{name}:{port}/")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._console.end_streams()
        await super().shutdown(sockets)


def _listener(host: str, port: int) -> socket.socket:
    try:
        # A name may stand for several addresses: the first that can be had.
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        listener = socket.create_server(found[0][4][:2], family=found[0][0])
    except OSError as error:
        raise UsageError(f"la console ne peut pas écouter sur {host}:{port} : {error}") from error
    # What it accepts has it too; a reader whose line broke would hold its place for minutes.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNHEARD_MS)
    return listener


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
