"""Serves enrolment over HTTPS, on a port of its own inside the post's daemon.

asyncio and h11 alone: three requests need no framework, and the daemon must stay small. Whoever
comes is limited before TLS begins, because a handshake costs the daemon that carries the alerts.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import socket
import ssl
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import h11
from cryptography.hazmat.primitives import serialization
from pydantic import BaseModel

from vigibip.alert import enrolment as wire
from vigibip.base.clock import Clock
from vigibip.base.errors import PeerError, StorageError
from vigibip.post.authority import Authority
from vigibip.post.enrolment import EnrolmentRefusedError, Enrolments, Session
from vigibip.post.enrolment_limits import AttemptLimiter

_log = logging.getLogger(__name__)

_CONNECTIONS_MAX = 16
_REQUESTS_MAX = 4
_HEADERS_MAX_BYTES = 4096
_READ_BYTES = 16_384
# Generous for a shop's mobile network, and an end to whoever only holds a connection open.
_CONNECTION_DEADLINE_S = 30.0
_ACCEPT_PAUSE_S = 1.0

_STATUS: Final = {
    wire.UNKNOWN_TOKEN: HTTPStatus.NOT_FOUND,
    wire.EXPIRED_TOKEN: HTTPStatus.GONE,
    wire.USED_TOKEN: HTTPStatus.CONFLICT,
    wire.BAD_PROOF: HTTPStatus.FORBIDDEN,
    wire.BAD_REQUEST: HTTPStatus.BAD_REQUEST,
    wire.TOO_MANY: HTTPStatus.TOO_MANY_REQUESTS,
    wire.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}
# These say that somebody guesses; an expired token or a full disk do not.
_SUSPECT = frozenset({wire.UNKNOWN_TOKEN, wire.USED_TOKEN, wire.BAD_PROOF, wire.BAD_REQUEST})


class EnrolmentServer:
    """Listens between `start` and `stop`. `port` 0 takes a free one, told by `port` afterwards."""

    def __init__(
        self,
        enrolments: Enrolments,
        authority: Authority,
        clock: Clock,
        *,
        host: str,
        port: int,
        public_hosts: Sequence[str],
        deadline_s: float = _CONNECTION_DEADLINE_S,
    ) -> None:
        """`public_hosts` are the names that boxes reach this server by: its certificate's."""
        self._enrolments = enrolments
        self._authority = authority
        self._clock = clock
        self._host = host
        self._public_hosts = list(public_hosts)
        self._deadline_s = deadline_s
        self._limiter = AttemptLimiter(clock)
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.port = port

    async def start(self) -> None:
        """Listen. Raises StorageError when the certificate cannot be made, OSError on the port."""
        context, fingerprint = await asyncio.to_thread(self._tls)
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._listener = socket.create_server((self._host, self.port), family=family, backlog=16)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._accepting = asyncio.create_task(self._accept(self._listener, context, fingerprint))
        _log.info("enrolment is served on port %d", self.port)

    async def stop(self) -> None:
        """Stop listening and end every connection; harmless when repeated."""
        tasks = [*self._connections]
        if self._accepting is not None:
            tasks.append(self._accepting)
            self._accepting = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _tls(self) -> tuple[ssl.SSLContext, bytes]:
        files = self._authority.server_files("enrolment", self._public_hosts)
        certificate = files.load_certificate()
        if certificate is None:
            raise StorageError(f"{files.certificate} cannot be read")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(files.certificate, files.key)
        der = certificate.public_bytes(serialization.Encoding.DER)
        return context, hashlib.sha256(der).digest()

    async def _accept(
        self, listener: socket.socket, context: ssl.SSLContext, fingerprint: bytes
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(listener)
            except OSError as error:  # no more descriptors: others need them more
                _log.error("no enrolment can be taken: %s", error)
                await self._clock.sleep(_ACCEPT_PAUSE_S)
                continue
            if len(self._connections) >= _CONNECTIONS_MAX or not self._limiter.admit(address[0]):
                accepted.close()
                continue
            connection = _Connection(self._enrolments, self._limiter, address[0], fingerprint)
            task = asyncio.create_task(self._serve(connection, accepted, context))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

    async def _serve(
        self, connection: _Connection, accepted: socket.socket, context: ssl.SSLContext
    ) -> None:
        reader = asyncio.StreamReader(limit=_READ_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._deadline_s):
                transport, _ = await loop.connect_accepted_socket(
                    lambda: protocol, accepted, ssl=context
                )
                writer = asyncio.StreamWriter(transport, protocol, reader, loop)
                try:
                    await connection.run(reader, writer)
                finally:
                    writer.close()
        except TimeoutError:
            _log.info("an enrolment connection took too long")
        except (OSError, ssl.SSLError) as error:
            _log.info("an enrolment connection broke: %s", type(error).__name__)


class _Connection:
    """One client after TLS: at most a few small requests, in the order of an enrolment."""

    def __init__(
        self,
        enrolments: Enrolments,
        limiter: AttemptLimiter,
        address: str,
        server_fingerprint: bytes,
    ) -> None:
        self._enrolments = enrolments
        self._limiter = limiter
        self._address = address
        self._server_fingerprint = server_fingerprint
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEADERS_MAX_BYTES)
        self._session: Session | None = None

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(_REQUESTS_MAX):
            try:
                request = await self._request(reader)
                if request is None:
                    return
                method, path, body = request
                status, content_type, content = await self._answer(method, path, body)
            except h11.RemoteProtocolError:
                status, content_type, content = _refusal(wire.BAD_REQUEST)
                self._limiter.refused(self._address)
            except EnrolmentRefusedError as error:
                status, content_type, content = _refusal(error.code)
                if error.code in _SUSPECT:
                    self._limiter.refused(self._address)
            except StorageError as error:
                _log.error("an enrolment found the store closed: %s", error)
                status, content_type, content = _refusal(wire.UNAVAILABLE)
            await self._respond(writer, status, content_type, content)
            if status != HTTPStatus.OK or self._http.our_state is not h11.DONE:
                return
            try:
                self._http.start_next_cycle()
            except h11.ProtocolError:
                return

    async def _request(self, reader: asyncio.StreamReader) -> tuple[str, str, bytes] | None:
        """Return method, path and body of the next request; None when the client is gone."""
        head: h11.Request | None = None
        body = b""
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                data = await reader.read(_READ_BYTES)
                self._http.receive_data(data)
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > wire.BODY_MAX_BYTES:
                    raise EnrolmentRefusedError(wire.BAD_REQUEST)
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return head.method.decode("ascii"), head.target.decode("ascii"), body
            else:
                return None

    async def _answer(self, method: str, path: str, body: bytes) -> tuple[HTTPStatus, str, bytes]:
        try:
            if (method, path) == ("GET", wire.AUTHORITY_PATH):
                pem = self._enrolments.authority_pem.encode("ascii")
                return HTTPStatus.OK, "application/x-pem-file", pem
            if (method, path) == ("POST", wire.HELLO_PATH):
                self._session = None
                answer, self._session = await self._enrolments.hello(
                    wire.read(wire.Hello, body), self._server_fingerprint
                )
                return HTTPStatus.OK, *_json(answer)
            if (method, path) == ("POST", wire.CLAIM_PATH) and self._session is not None:
                # One claim for each exchange: a second guess needs a new nonce.
                session, self._session = self._session, None
                return HTTPStatus.OK, *_json(
                    await self._enrolments.claim(session, wire.read(wire.Claim, body))
                )
        except PeerError as error:
            _log.info("an enrolment request does not keep to the protocol: %s", error)
        raise EnrolmentRefusedError(wire.BAD_REQUEST)

    async def _respond(
        self, writer: asyncio.StreamWriter, status: HTTPStatus, content_type: str, content: bytes
    ) -> None:
        headers = [
            ("Content-Type", content_type),
            ("Content-Length", str(len(content))),
            ("Cache-Control", "no-store"),
        ]
        if status != HTTPStatus.OK:
            headers.append(("Connection", "close"))
        with contextlib.suppress(h11.LocalProtocolError):
            for event in (
                h11.Response(status_code=status, headers=headers, reason=status.phrase),
                h11.Data(data=content),
                h11.EndOfMessage(),
            ):
                writer.write(self._http.send(event) or b"")
            await writer.drain()


def _json(message: BaseModel) -> tuple[str, bytes]:
    return "application/json", message.model_dump_json().encode("utf-8")


def _refusal(code: str) -> tuple[HTTPStatus, str, bytes]:
    return _STATUS[code], *_json(wire.Refusal(code=code))
