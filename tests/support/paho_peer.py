"""A real paho client with a certificate, for tests that ask a broker what it lets pass."""

from __future__ import annotations

import queue
import socket
import ssl
from types import TracebackType
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from vigibip.post.authority import Authority

DEADLINE_S = 10.0


def client_context(
    trusted: Authority, signer: Authority | None, identity: str = "post"
) -> ssl.SSLContext:
    """Trust `trusted`; show `identity`'s certificate of `signer`, or none at all."""
    context = ssl.create_default_context(cafile=str(trusted.certificate_path))
    if signer is not None:
        files = signer.client_files(identity)
        context.load_cert_chain(files.certificate, files.key)
    return context


class PahoPeer:
    """Connects on entry; every wait ends at its event or fails at a deadline."""

    def __init__(
        self, port: int, context: ssl.SSLContext, client_id: str, *, comes_back: bool = False
    ) -> None:
        self.connects: queue.Queue[str] = queue.Queue()
        self.disconnects: queue.Queue[str] = queue.Queue()
        self.messages: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._acks: queue.Queue[tuple[int, list[str]]] = queue.Queue()
        self._port = port
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=comes_back,
        )
        self._client.tls_set_context(context)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_ack
        self._client.on_publish = self._on_publish
        self._client.on_socket_open = self._on_socket

    def __enter__(self) -> PahoPeer:
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def connected(self) -> PahoPeer:
        """Wait for a successful CONNACK."""
        assert self.connects.get(timeout=DEADLINE_S) == "Success"
        return self

    def subscribe(self, topic_filter: str) -> list[str]:
        """Subscribe and return the SUBACK's reason codes."""
        _, identifier = self._client.subscribe(topic_filter, qos=1)
        return self._acked(identifier)

    def publish(self, topic: str, payload: bytes = b"x") -> str:
        """Publish with QoS 1 and return the PUBACK's reason code."""
        return self._acked(self._client.publish(topic, payload, qos=1).mid)[0]

    def publish_unanswered(self, topic: str, payload: bytes = b"x") -> None:
        """Publish where the broker may put us out instead of answering."""
        self._client.publish(topic, payload, qos=1)

    def subscribe_unanswered(self, topic_filter: str) -> None:
        self._client.subscribe(topic_filter, qos=1)

    def message(self) -> tuple[str, bytes]:
        """Wait for the next message."""
        return self.messages.get(timeout=DEADLINE_S)

    def _acked(self, identifier: int | None) -> list[str]:
        while True:
            found, reasons = self._acks.get(timeout=DEADLINE_S)
            if found == identifier:
                return reasons

    def _on_connect(self, _c: Client, _u: Any, _f: Any, reason: Any, _p: Any) -> None:
        self.connects.put(str(reason))

    def _on_disconnect(self, _c: Client, _u: Any, _f: Any, reason: Any, _p: Any) -> None:
        self.disconnects.put(str(reason))

    def _on_message(self, _c: Client, _u: Any, message: MQTTMessage) -> None:
        self.messages.put((message.topic, message.payload))

    def _on_ack(self, _c: Client, _u: Any, identifier: int, reasons: Any, _p: Any) -> None:
        self._acks.put((identifier, [str(reason) for reason in reasons]))

    def _on_publish(self, _c: Client, _u: Any, identifier: int, reason: Any, _p: Any) -> None:
        self._acks.put((identifier, [str(reason)]))

    @staticmethod
    def _on_socket(_c: Client, _u: Any, opened: Any) -> None:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def refused(port: int, context: ssl.SSLContext, client_id: str) -> bool:
    """Tell whether the broker refuses this client before any CONNACK.

    With TLS 1.3 the client's handshake ends before the server has looked at the certificate, so
    the refusal may come while connecting or just after.
    """
    peer = PahoPeer(port, context, client_id)
    try:
        with peer:
            peer.disconnects.get(timeout=DEADLINE_S)
    except (ssl.SSLError, OSError):
        return True
    return peer.connects.empty()
