"""One connection to a broker, from its first byte to its last: paho inside, asyncio outside.

paho's own loop thread is not used. Connecting blocks (name, TCP, TLS), so it has a thread of its
own for that long; from then on the socket belongs to the event loop, a message is written to it
by the very call that publishes, and every callback comes in the event loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
from typing import Any, Protocol

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from vigibip.alert.messages import MESSAGE_MAX_BYTES

_log = logging.getLogger(__name__)

# Topic and properties around the largest message; the broker must not send more than this.
_PACKET_MAX_BYTES = MESSAGE_MAX_BYTES + 1024


class SessionEvents(Protocol):
    """What a session tells, in the event loop's thread."""

    def session_up(self) -> None:
        """The broker took us, and has our subscription in front of all that is published."""
        ...

    def session_ended(self, reason: str) -> None:
        """Told once, however it ended; the session is of no use after that."""
        ...

    def session_message(self, topic: str, payload: bytes) -> None: ...

    def session_acknowledged(self, message_id: int) -> None:
        """The broker has the message. That says nothing about the post."""
        ...


class MqttSession:
    """One MQTT 5 connection with a clean start. Made, used once, thrown away."""

    def __init__(
        self,
        events: SessionEvents,
        *,
        identity: str,
        host: str,
        port: int,
        tls: ssl.SSLContext,
        subscription: str,
        keepalive_s: int,
        connect_timeout_s: float,
    ) -> None:
        self._events = events
        self._host = host
        self._port = port
        self._subscription = subscription
        self._keepalive_s = keepalive_s
        self._loop = asyncio.get_running_loop()
        self._attached: int | None = None
        """The socket's number while the event loop serves it."""
        self._writing = False
        self._in_paho = False
        self._ended = False
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=identity,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        client.connect_timeout = connect_timeout_s
        client.tls_set_context(tls)
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
        # A daemon: a name server that never answers must not hold up the end of the box.
        self._connecting = threading.Thread(target=self._connect, name="mqtt-connect", daemon=True)

    def connect(self) -> None:
        """Begin; `session_up` or `session_ended` follows."""
        self._connecting.start()

    def publish(self, topic: str, payload: bytes) -> int | None:
        """Write the message (QoS 1) and return its id; None when that cannot be done now."""
        if self._ended or self._attached is None:
            return None
        info = self._client.publish(topic, payload, qos=1)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return None
        self._flush()
        return info.mid

    def keep_alive(self) -> None:
        """Send a ping when one is due, end when one was not answered; call it every few seconds."""
        if not self._ended and self._attached is not None:
            self._client.loop_misc()
            self._flush()

    def disconnect(self) -> None:
        """Say goodbye and end; nothing is told any more."""
        self._ended = True
        if self._attached is not None:
            self._client.disconnect()
            self._close()

    def abandon(self) -> None:
        """End at once, without a word to anybody."""
        self._ended = True
        if self._attached is not None:
            self._close()

    def _connect(self) -> None:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 0
        properties.MaximumPacketSize = _PACKET_MAX_BYTES
        failure: str | None = None
        try:
            result = self._client.connect(
                self._host,
                self._port,
                keepalive=self._keepalive_s,
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
            self._end(failure or "the connection was lost while it opened")
            return
        self._attached = opened.fileno()
        self._loop.add_reader(self._attached, self._readable)
        # What arrived together with the end of the handshake may already be decrypted.
        self._readable()

    def _readable(self) -> None:
        # TLS may have decrypted more than one packet: the socket would not wake us for those.
        self._in_paho = True
        try:
            self._client.loop_read()
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
        if self._attached is None or wanted == self._writing:
            return
        if wanted:
            self._loop.add_writer(self._attached, self._flush)
        else:
            self._loop.remove_writer(self._attached)
        self._writing = wanted

    def _end(self, reason: str) -> None:
        if not self._ended:
            self._ended = True
            if self._attached is not None:
                self._close()
            self._events.session_ended(reason)

    def _close(self) -> None:
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
        # The number may be another file's the moment after.
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
            self._end(f"the broker refused us: {reason}")
            return
        client.subscribe(self._subscription, qos=1)
        self._events.session_up()

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
            self._end(str(reason))

    def _on_subscribe(
        self,
        _client: Client,
        _data: Any,
        _message_id: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._end("the broker refused our subscription")

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self._events.session_message(message.topic, bytes(message.payload))

    def _on_publish(
        self,
        _client: Client,
        _data: Any,
        message_id: int,
        _reason: ReasonCode,
        _properties: Properties,
    ) -> None:
        self._events.session_acknowledged(message_id)


def _no_delay(_client: Client, _data: Any, opened: Any) -> None:
    # Press to receipt took 30 ms with Nagle's algorithm, 2 ms without.
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
