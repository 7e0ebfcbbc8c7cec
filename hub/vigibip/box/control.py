"""The box's control socket: its owner asks the running daemon how it is, or to look again.

One JSON object a line each way. The socket's mode is its only guard: it opens to its owner alone.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from vigibip.base.errors import PeerError, UsageError

_log = logging.getLogger(__name__)

_LINE_MAX_BYTES = 1024
_ANSWER_MAX_BYTES = 1 << 20
_PATIENCE_S = 5.0

Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class ControlServer:
    """Serves `handlers`, by the name that is asked for.

    A handler gets all that was asked. One that raises UsageError is answered as an "error"; a
    KeyError, TypeError or ValueError otherwise means that the question is not understood.
    """

    def __init__(self, path: Path, handlers: dict[str, Handler]) -> None:
        self._path = path
        self._handlers = handlers
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Without a socket (a full disk) the box runs all the same."""
        try:
            with suppress(FileNotFoundError):
                self._path.unlink()
            before = os.umask(0o177)
            try:
                self._server = await asyncio.start_unix_server(
                    self._serve, self._path, limit=_LINE_MAX_BYTES
                )
            finally:
                os.umask(before)
        except OSError as error:
            _log.warning("no control socket: %s", error)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            with suppress(OSError):
                self._path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
            try:
                asked = json.loads(line)
                answer = await self._handlers[asked["ask"]](asked)
            except UsageError as error:
                answer = {"error": str(error)}
            except (ValueError, TypeError, KeyError):
                answer = {"error": "not understood"}
            writer.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
            await writer.drain()
        except (OSError, ValueError) as error:
            _log.info("control: %s", error)
        finally:
            writer.close()


def ask(path: Path, question: str, **about: str) -> dict[str, Any]:
    """Ask the daemon behind the socket at `path`, whose answer may be {"error": why not}.

    Raises PeerError when none answers.
    """
    try:
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as peer:
            peer.settimeout(_PATIENCE_S)
            peer.connect(str(path))
            peer.sendall(json.dumps({"ask": question} | about).encode() + b"\n")
            with peer.makefile("rb") as answers:
                line = answers.readline(_ANSWER_MAX_BYTES)
        answer = json.loads(line)
    except (OSError, ValueError) as error:
        why = "il est arrêté, il est bloqué, ou il tourne sous un autre compte"
        raise PeerError(f"le boîtier ne répond pas sur {path} : {why}") from error
    if not isinstance(answer, dict):
        raise PeerError(f"the box answers nonsense on {path}")
    return answer
