"""The post's way to the broker: always there, or on its way back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import ssl
from collections.abc import Callable
from pathlib import Path

from vigibip.base.clock import Clock
from vigibip.base.errors import ConfigurationError
from vigibip.post.authority_files import KeyPairFiles
from vigibip.post.config import BrokerSettings
from vigibip.post.mqtt import Session, SessionEvents

_log = logging.getLogger(__name__)

_RETRY_FIRST_S = 0.25
# All boxes wait behind this one connection: a broker that is back is found soon.
_RETRY_LONGEST_S = 5.0
# paho counts its keepalive in real seconds, whatever clock the post is given.
_KEEP_ALIVE_EACH_S = 1.0


def tls_context(authority_certificate: Path, identity: KeyPairFiles) -> ssl.SSLContext:
    """Return mutual TLS towards the broker, trusting the post's own authority alone.

    Raises ConfigurationError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cafile=str(authority_certificate))
        context.load_cert_chain(str(identity.certificate), str(identity.key))
    except OSError as error:
        raise ConfigurationError(str(identity.certificate), [("", str(error))]) from error
    return context


class BrokerLink:
    """Keeps one session with the broker, reconnecting with jitter on the injected clock.

    `on_connection` is told True when messages flow and False, with the reason, when they do not.
    """

    def __init__(
        self,
        broker: BrokerSettings,
        tls: ssl.SSLContext,
        clock: Clock,
        *,
        on_message: Callable[[str, bytes], None],
        on_connection: Callable[[bool, str], None],
    ) -> None:
        self._broker = broker
        self._tls = tls
        self._clock = clock
        self._on_message = on_message
        self._on_connection = on_connection
        self._session: Session | None = None
        self._connecting = False
        self._connected = False
        self._attempts = 0
        self._retry: asyncio.Task[None] | None = None
        self._keep_alive: asyncio.TimerHandle | None = None
        self._stopped = False

    @property
    def connected(self) -> bool:
        return self._connected

    @property
    def busy(self) -> bool:
        """True while something ends without time passing: connecting, or an acknowledgement."""
        return self._connecting or (self._session is not None and self._session.publishing)

    def start(self) -> None:
        self._connect()
        self._schedule_keep_alive()

    async def stop(self) -> None:
        self._stopped = True
        self._connected = self._connecting = False
        if self._keep_alive is not None:
            self._keep_alive.cancel()
        if self._retry is not None:
            self._retry.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._retry
        if self._session is not None:
            self._session.close()

    def publish(self, topic: str, payload: bytes) -> bool:
        """Write a message without waiting; False when there is no connection now."""
        return (
            self._connected and self._session is not None and self._session.publish(topic, payload)
        )

    def _connect(self) -> None:
        self._connecting = True
        events = SessionEvents(self._up, self._on_message, self._ended)
        self._session = Session(self._broker.host, self._broker.port, self._tls, events)
        self._session.start()

    def _up(self) -> None:
        _log.info("connected to the broker")
        self._connecting = False
        self._connected = True
        self._attempts = 0
        self._on_connection(True, "")

    def _ended(self, reason: str) -> None:
        if self._stopped:
            return
        _log.warning("no broker: %s", reason)
        self._connecting = self._connected = False
        self._on_connection(False, reason)
        self._retry = asyncio.get_running_loop().create_task(self._connect_later())

    async def _connect_later(self) -> None:
        longest_s = min(_RETRY_LONGEST_S, _RETRY_FIRST_S * 2 ** min(self._attempts, 10))
        self._attempts += 1
        await self._clock.sleep(longest_s * random.uniform(0.5, 1.0))
        if not self._stopped:
            self._connect()

    def _schedule_keep_alive(self) -> None:
        if self._session is not None:
            self._session.keep_alive()
        self._keep_alive = asyncio.get_running_loop().call_later(
            _KEEP_ALIVE_EACH_S, self._schedule_keep_alive
        )
