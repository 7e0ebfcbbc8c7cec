"""One connection to a broker, from its first byte to its last: paho inside, asyncio outside.

paho's own loop thread is not used: a message would change threads twice. Connecting blocks (name,
TCP, TLS), so it has a thread of its own for that long; from then on the socket belongs to the
event loop, a message is written to it by the very call that publishes, and every callback comes
in the event loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from vigibip.base.clock import Clock

_log = logging.getLogger(__name__)

# A topic and properties stand around a message. The broker drops what is larger.
_AROUND_A_MESSAGE_BYTES = 1024
# What may wait for its turn behind the some twenty messages that a broker takes at a time.
_QUEUED_MAX = 1000


class EndCause(Enum):
    """Why a session ended; its reason says more, for a technician."""

    BROKEN = "broken"
    """Refused, or lost."""
    HUNG = "hung"
    """Not connected and subscribed in time."""
    DEAD = "dead"
    """The broker did not acknowledge a message in time."""


class SessionEvents(Protocol):
    """What a session tells, in the event loop's thread. After `close` nothing is told."""

    def session_connected(self) -> None:
        """The broker took us, and has our subscription in front of all that is published."""
        ...

    def session_subscribed(self) -> None:
        """The broker acknowledged the subscription: what is published to us arrives."""
        ...

    def session_message(self, topic: str, payload: bytes) -> None:
        """The broker is told that we have it once this returns."""
        ...

    def session_ended(self, cause: EndCause, reason: str) -> None:
        """Told once, however it ended; the session is of no use after that."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """Where to connect, as whom, for which messages, and how long to wait for what."""

    host: str
    port: int
    tls: ssl.SSLContext
    identity: str
    subscription: str
    message_max_bytes: int
    """No larger message is taken from the broker."""
    keepalive_s: int
    connect_timeout_s: float
    """For TCP, and as much for TLS; in real seconds, as paho counts."""
    up_within_s: float
    """From `connect` to the acknowledged subscription, the name's look-up included."""
    acknowledged_within_s: float
    """From a publication to the broker's acknowledgement."""


class Session:
    """One MQTT 5 connection with a clean start. Made, used once, thrown away."""

    def __init__(self, settings: SessionSettings, events: SessionEvents, clock: Clock) -> None:
        """`clock` measures the two limits of the settings that are this session's own."""
        self._settings = settings
        self._events = events
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._began_s = 0.0
        self._subscribed = False
        self._unacknowledged: dict[int, float] = {}
        """Message id: when it was published. In that order."""
        self._attached: int | None = None
        """The socket's number while the event loop serves it."""
        self._writing = False
        self._in_paho = False
        self._ended = False
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.identity,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        client.connect_timeout = settings.connect_timeout_s
        client.max_queued_messages_set(_QUEUED_MAX)
        client.tls_set_context(settings.tls)
        client.suppress_exceptions = True
        client.enable_logger(_log)
        client.on_socket_open = _no_delay
        client.on_socket_close = self._on_socket_close
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        self._client = client
        # A daemon: a name server that never answers must not hold up the end of the program.
        self._connecting = threading.Thread(target=self._connect, name="mqtt-connect", daemon=True)

    @property
    def unacknowledged(self) -> int:
        """Messages that the broker has not acknowledged; 0 once the session has ended."""
        return 0 if self._ended else len(self._unacknowledged)

    def connect(self) -> None:
        """Begin; `session_connected` or `session_ended` follows."""
        self._began_s = self._clock.monotonic_s()
        self._connecting.start()

    def publish(self, topic: str, payload: bytes) -> bool:
        """Write a message (QoS 1) without waiting; False when that cannot be done now.

        Behind some twenty unacknowledged ones it waits for its turn, which the broker gives.
        """
        if self._ended or self._attached is None:
            return False
        info = self._client.publish(topic, payload, qos=1)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return False
        self._unacknowledged[info.mid] = self._clock.monotonic_s()
        self._flush()
        return not self._ended

    def keep_alive(self) -> None:
        """Ping when one is due, end when the broker is silent too long; call it each few seconds.

        From `connect` on: nothing else notices a limit that has passed.
        """
        if self._ended:
            return
        now_s = self._clock.monotonic_s()
        oldest_s = next(iter(self._unacknowledged.values()), now_s)
        if not self._subscribed and now_s - self._began_s >= self._settings.up_within_s:
            self._end(EndCause.HUNG, "the broker does not answer")
        elif now_s - oldest_s >= self._settings.acknowledged_within_s:
            self._end(EndCause.DEAD, "the link is dead: what was published is not acknowledged")
        elif self._attached is not None:
            self._client.loop_misc()
            self._flush()

    def close(self) -> None:
        """Say goodbye when there is somebody to say it to, and end."""
        already, self._ended = self._ended, True
        if self._attached is not None:
            if not already:
                self._client.disconnect()
            self._close_socket()

    def _connect(self) -> None:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 0
        properties.MaximumPacketSize = self._settings.message_max_bytes + _AROUND_A_MESSAGE_BYTES
        failure: str | None = None
        try:
            result = self._client.connect(
                self._settings.host,
                self._settings.port,
                keepalive=self._settings.keepalive_s,
                clean_start=True,
                properties=properties,
            )
            if result != MQTTErrorCode.MQTT_ERR_SUCCESS:
                failure = str(result)
        except ssl.SSLError as error:
            failure = f"TLS: {error.reason or error}"
        except (OSError, ValueError) as error:
            failure = str(error) or type(error).__name__
        try:
            self._loop.call_soon_threadsafe(self._connected, failure)
        except RuntimeError:
            # The event loop is gone, and with it everybody who waited.
            self._client.disconnect()

    def _connected(self, failure: str | None) -> None:
        opened = self._client.socket()
        if self._ended:
            if opened is not None:
                opened.close()
            return
        if failure is not None or opened is None:
            self._end(EndCause.BROKEN, failure or "the connection was lost while it opened")
            return
        self._attached = opened.fileno()
        self._loop.add_reader(self._attached, self._readable)
        # What arrived together with the end of the handshake may already be decrypted.
        self._readable()

    def _readable(self) -> None:
        # What the callbacks publish is written once paho is left.
        self._in_paho = True
        try:
            self._client.loop_read()
            # TLS may hold more packets, already decrypted, for which the socket wakes nobody.
            while not self._ended and self._decrypted():
                self._client.loop_read()
        finally:
            self._in_paho = False
        self._flush()

    def _decrypted(self) -> bool:
        opened = self._client.socket()
        return isinstance(opened, ssl.SSLSocket) and opened.pending() > 0

    def _flush(self) -> None:
        # Inside one of paho's callbacks a write that fails would wait for that very callback.
        if self._ended or self._in_paho:
            return
        if self._client.want_write():
            self._client.loop_write()
        self._want_writer(self._client.want_write())

    def _want_writer(self, wanted: bool) -> None:
        # Writing may have ended the session.
        if self._attached is None or wanted == self._writing:
            return
        if wanted:
            self._loop.add_writer(self._attached, self._flush)
        else:
            self._loop.remove_writer(self._attached)
        self._writing = wanted

    def _end(self, cause: EndCause, reason: str) -> None:
        if not self._ended:
            self._ended = True
            if self._attached is not None:
                self._close_socket()
            self._events.session_ended(cause, reason)

    def _close_socket(self) -> None:
        opened = self._client.socket()
        self._detach()
        if opened is not None:
            opened.close()

    def _detach(self) -> None:
        if self._attached is not None:
            self._loop.remove_reader(self._attached)
            self._loop.remove_writer(self._attached)
            self._attached = None

    def _on_socket_close(self, _client: Client, _data: Any, _closed: Any) -> None:
        # Told before paho closes it: the number may be another file's the moment after.
        self._detach()

    def _on_connect(
        self,
        client: Client,
        _data: Any,
        _flags: ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._end(EndCause.BROKEN, f"the broker refused us: {reason}")
        elif not self._ended:
            client.subscribe(self._settings.subscription, qos=1)
            self._events.session_connected()

    def _on_disconnect(
        self,
        _client: Client,
        _data: Any,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        # While the thread connects, `_connected` tells how that ended.
        if threading.current_thread() is not self._connecting:
            self._end(EndCause.BROKEN, str(reason))

    def _on_subscribe(
        self,
        _client: Client,
        _data: Any,
        _message_id: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._end(EndCause.BROKEN, "the broker refused our subscription")
        elif not self._ended:
            self._subscribed = True
            self._events.session_subscribed()

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        if not self._ended:
            self._events.session_message(message.topic, bytes(message.payload))

    def _on_publish(
        self,
        _client: Client,
        _data: Any,
        message_id: int,
        _reason: ReasonCode,
        _properties: Properties,
    ) -> None:
        self._unacknowledged.pop(message_id, None)


def _no_delay(_client: Client, _data: Any, opened: Any) -> None:
    # Press to receipt took 30 ms with Nagle's algorithm, 2 ms without.
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
