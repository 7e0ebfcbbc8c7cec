"""A broker that misbehaves to order: as much MQTT 5 as the post's session needs, and no more."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable

from vigibip.post.authority import Authority

CONNECT, SUBSCRIBE = 1, 8
CONNACK = b"\x20\x03\0\0\0"


def suback(subscribe: bytes) -> bytes:
    return b"\x90\x04" + subscribe[:2] + b"\0\x01"


def publish(topic: str, payload: bytes) -> bytes:
    """Return a PUBLISH of QoS 0; less than 128 bytes in all."""
    body = struct.pack(">H", len(topic)) + topic.encode() + b"\0" + payload
    assert len(body) < 128
    return b"\x30" + bytes([len(body)]) + body


def read_packet(connection: ssl.SSLSocket) -> tuple[int, bytes]:
    """Return the type and the body of one packet. Raises EOFError at the end."""
    kind, length, shift = _exactly(connection, 1)[0] >> 4, 0, 0
    while True:
        (digit,) = _exactly(connection, 1)
        length |= (digit & 127) << shift
        shift += 7
        if digit < 128:
            return kind, _exactly(connection, length)


def _exactly(connection: ssl.SSLSocket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def let_in(connection: ssl.SSLSocket) -> None:
    """Acknowledge connection and subscription, as a broker does that is well."""
    assert read_packet(connection)[0] == CONNECT
    connection.sendall(CONNACK)
    kind, body = read_packet(connection)
    assert kind == SUBSCRIBE
    connection.sendall(suback(body))


def reset(connection: ssl.SSLSocket) -> None:
    """End the connection as a broker does whose machine fell over."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class BadBroker:
    """Serves one connection after the other with `behave`, in a thread, until it is closed."""

    def __init__(self, authority: Authority, behave: Callable[[ssl.SSLSocket], None]) -> None:
        files = authority.server_files("broker", ["127.0.0.1"])
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(files.certificate, files.key)
        self._tls.load_verify_locations(authority.certificate_path)
        self._tls.verify_mode = ssl.CERT_REQUIRED
        self._behave = behave
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                opened, _ = self._listener.accept()
            except OSError:
                return
            opened.settimeout(10)
            try:
                with self._tls.wrap_socket(opened, server_side=True) as connection:
                    self._behave(connection)
            except (OSError, EOFError):
                continue
