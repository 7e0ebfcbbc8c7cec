"""The post's way to the broker: always there, or on its way back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import ssl
from collections.abc import Callable
from pathlib import Path

from vigibip.alert.messages import MESSAGE_MAX_BYTES
from vigibip.alert.topics import ALL_UP, POST_IDENTITY
from vigibip.base.clock import Clock, SystemClock
from vigibip.base.errors import ConfigurationError
from vigibip.mqtt.session import EndCause, Session, SessionSettings
from vigibip.post.authority_files import KeyPairFiles
from vigibip.post.config import BrokerSettings

_log = logging.getLogger(__name__)

_RETRY_FIRST_S = 0.25
# All boxes wait behind this one connection: a broker that is back is found soon.
_RETRY_LONGEST_S = 5.0
# All of these in real seconds, whatever clock the post is given: so paho counts its keepalive.
_KEEP_ALIVE_EACH_S = 1.0
_KEEPALIVE_S = 15
_CONNECT_TIMEOUT_S = 10.0
# TCP, TLS and the broker's acknowledgements of CONNECT and SUBSCRIBE: each can hang.
_UP_WITHIN_S = 30.0
_ACKNOWLEDGED_WITHIN_S = 10.0


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
        return self._connecting or (self._session is not None and self._session.unacknowledged > 0)

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
        settings = SessionSettings(
            host=self._broker.host,
            port=self._broker.port,
            tls=self._tls,
            identity=POST_IDENTITY,
            subscription=ALL_UP,
            message_max_bytes=MESSAGE_MAX_BYTES,
            keepalive_s=_KEEPALIVE_S,
            connect_timeout_s=_CONNECT_TIMEOUT_S,
            up_within_s=_UP_WITHIN_S,
            acknowledged_within_s=_ACKNOWLEDGED_WITHIN_S,
        )
        self._session = Session(settings, self, SystemClock())
        self._session.connect()

    # What its session tells

    def session_connected(self) -> None:
        # Messages flow once the subscription is acknowledged.
        return

    def session_subscribed(self) -> None:
        _log.info("connected to the broker")
        self._connecting = False
        self._connected = True
        self._attempts = 0
        self._on_connection(True, "")

    def session_message(self, topic: str, payload: bytes) -> None:
        self._on_message(topic, payload)

    def session_ended(self, _cause: EndCause, reason: str) -> None:
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
