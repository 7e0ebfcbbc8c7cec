"""One MQTT 5 connection of the post, on the event loop's own thread.

paho's loop thread is not used: a message would change threads twice before its alert is stored.
Only connecting (name, TCP, TLS) blocks, and has a thread for that long.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from vigibip.alert.messages import MESSAGE_MAX_BYTES
from vigibip.alert.topics import ALL_UP, POST_IDENTITY

_log = logging.getLogger(__name__)

# A topic and properties stand around a message. The broker drops what is larger.
_PACKET_MAX_BYTES = MESSAGE_MAX_BYTES + 1024
_KEEPALIVE_S = 15
_CONNECT_TIMEOUT_S = 10.0
# Its acknowledgements of CONNECT and SUBSCRIBE; like the two above in real seconds, as paho's.
_UP_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class SessionEvents:
    """Called in the event loop's thread."""

    on_up: Callable[[], None]
    """Connected and subscribed."""
    on_message: Callable[[str, bytes], None]
    on_end: Callable[[str], None]
    """Once, with the reason; the session is of no more use."""


class Session:
    """Connects once, subscribes to every box's messages, publishes; thrown away when it ends."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext, events: SessionEvents) -> None:
        self._host = host
        self._port = port
        self._events = events
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        self._writing = False
        self._in_paho = False
        self._ended = False
        self._unacknowledged: set[int] = set()
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=POST_IDENTITY,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        client.connect_timeout = _CONNECT_TIMEOUT_S
        client.tls_set_context(tls)
        client.suppress_exceptions = True
        client.enable_logger(_log)
        client.on_socket_open = _no_delay
        # Told before paho closes it: a closed descriptor could not be taken off the event loop.
        client.on_socket_close = lambda _c, _d, _s: self._release()
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = lambda _c, _d, mid, _r, _p: self._unacknowledged.discard(mid)
        self._client = client
        # A daemon: a name server that never answers must not hold up the end of the post.
        self._connecting = threading.Thread(target=self._connect, name="post-connect", daemon=True)
        self._patience: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Connect; `on_up` or `on_end` follows."""
        self._connecting.start()

    @property
    def publishing(self) -> bool:
        """True while the broker has not acknowledged everything that was published."""
        return bool(self._unacknowledged) and not self._ended

    def publish(self, topic: str, payload: bytes) -> bool:
        """Write a message (QoS 1) without waiting; False when that cannot be done now."""
        if self._ended or self._socket is None:
            return False
        info = self._client.publish(topic, payload, qos=1)
        # QUEUE_SIZE: taken, and written once the broker has acknowledged earlier ones.
        if info.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_QUEUE_SIZE):
            return False
        self._unacknowledged.add(info.mid)
        self._flush()
        return not self._ended

    def keep_alive(self) -> None:
        """Ping when due, end when a ping was not answered; to be called every second or so."""
        if not self._ended and self._socket is not None:
            self._client.loop_misc()
            self._flush()

    def close(self) -> None:
        """Say goodbye; nothing is told any more."""
        if not self._ended and self._socket is not None:
            self._ended = True
            self._client.disconnect()
            if self._client.want_write():
                self._client.loop_write()
        self._ended = True
        self._be_patient_no_more()
        self._close_socket()

    def _connect(self) -> None:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 0
        properties.MaximumPacketSize = _PACKET_MAX_BYTES
        failure = None
        try:
            result = self._client.connect(
                self._host,
                self._port,
                keepalive=_KEEPALIVE_S,
                clean_start=True,
                properties=properties,
            )
            if result != MQTTErrorCode.MQTT_ERR_SUCCESS:
                failure = str(result)
        except (OSError, ValueError) as error:
            failure = str(error) or type(error).__name__
        try:
            self._loop.call_soon_threadsafe(self._connected, failure)
        except RuntimeError:
            # The event loop has ended meanwhile: so has everybody who waited.
            self._client.disconnect()

    def _connected(self, failure: str | None) -> None:
        opened = self._client.socket()
        if failure is not None or not isinstance(opened, socket.socket):
            self._end(failure or "lost while connecting")
            return
        self._socket = opened
        if self._ended:
            self._close_socket()
            return
        self._loop.add_reader(opened.fileno(), self._readable)
        self._patience = self._loop.call_later(
            _UP_TIMEOUT_S, self._end, "the broker took the connection and says nothing"
        )
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
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    def _flush(self) -> None:
        # Inside one of paho's callbacks a write that fails would wait for that very callback.
        if self._ended or self._in_paho or self._socket is None:
            return
        if self._client.want_write():
            self._client.loop_write()
        self._want_write(self._client.want_write())

    def _want_write(self, wanted: bool) -> None:
        # Writing may have ended the session.
        if self._socket is None or wanted == self._writing:
            return
        self._writing = wanted
        if wanted:
            self._loop.add_writer(self._socket.fileno(), self._flush)
        else:
            self._loop.remove_writer(self._socket.fileno())

    def _end(self, reason: str) -> None:
        already = self._ended
        self._ended = True
        self._be_patient_no_more()
        self._close_socket()
        if not already:
            self._events.on_end(reason)

    def _be_patient_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()

    def _close_socket(self) -> None:
        opened = self._socket
        self._release()
        if opened is not None:
            opened.close()

    def _release(self) -> None:
        """Take the socket, still open, off the event loop."""
        opened, self._socket = self._socket, None
        if opened is not None:
            self._loop.remove_reader(opened.fileno())
            self._loop.remove_writer(opened.fileno())

    def _on_connect(
        self, client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        if reason.is_failure:
            self._end(f"the broker refused: {reason}")
        else:
            client.subscribe(ALL_UP, qos=1)

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, reasons: list[Any], _properties: Any
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._end("the broker refused the subscription")
        elif not self._ended:
            self._be_patient_no_more()
            self._events.on_up()

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        # While the thread connects, `_connected` tells how that ended.
        if threading.current_thread() is not self._connecting:
            self._end(str(reason))

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        if not self._ended:
            self._events.on_message(message.topic, bytes(message.payload))


def _no_delay(_client: Client, _data: Any, opened: Any) -> None:
    # Press to receipt took 30 ms with Nagle's algorithm, 2 ms without.
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
