"""What a client of the embedded broker may say, checked packet by packet (MQTT 5, section 2 and 3).

The embedded broker knows neither certificates nor access rules, so both stand in front of it. This
is the second half: it reads what a client sends, whole packets at a time, and lets nothing pass
that mosquitto's generated configuration would refuse. No I/O.
"""

from __future__ import annotations

from vigibip.alert.topics import POST_IDENTITY, ROOT
from vigibip.base.errors import RefusedError
from vigibip.post.broker_config import PACKET_MAX_BYTES

_CONNECT, _PUBLISH, _SUBSCRIBE, _UNSUBSCRIBE = 1, 3, 8, 10
# PUBACK, PUBREC, PUBREL, PUBCOMP, PINGREQ, DISCONNECT: they name no topic.
_HARMLESS = frozenset({4, 5, 6, 7, 12, 14})
_MQTT_5 = b"\x00\x04MQTT\x05"
_WILL_FLAG = 0x04


class GateError(RefusedError):
    """The client said what its identity may not, or what is not MQTT 5."""


def may_write(identity: str, topic: str) -> bool:
    """Tell whether `identity` may publish on `topic`: a box its up, the post every down."""
    box_id, direction = _split(topic)
    if not box_id or "+" in topic or "#" in topic:
        return False
    return (
        direction == "down"
        if identity == POST_IDENTITY
        else (box_id, direction)
        == (
            identity,
            "up",
        )
    )


def may_read(identity: str, topic_filter: str) -> bool:
    """Tell whether `identity` may subscribe so: a box to its down, the post to every up."""
    box_id, direction = _split(topic_filter)
    if not box_id or "#" in topic_filter:
        return False
    return (
        direction == "up"
        if identity == POST_IDENTITY
        else (box_id, direction)
        == (
            identity,
            "down",
        )
    )


class Gate:
    """One client's way in. `feed` what it sent, forward what comes back."""

    def __init__(self, identity: str) -> None:
        self._identity = identity
        self._buffer = bytearray()
        self._connected = False

    def feed(self, data: bytes) -> bytes:
        """Return the packets that are complete and allowed. Raises GateError at the first other."""
        self._buffer += data
        end = 0
        while (packet := self._packet_at(end)) is not None:
            start, stop = packet
            self._check(self._buffer[end] >> 4, bytes(self._buffer[start:stop]), self._buffer[end])
            end = stop
        passed = bytes(self._buffer[:end])
        del self._buffer[:end]
        return passed

    def _packet_at(self, at: int) -> tuple[int, int] | None:
        """Return where the body of the packet at `at` starts and stops; None when incomplete."""
        # Looked at before its length is believed: a stranger does not get to fill the buffer.
        if not self._connected and at < len(self._buffer) and self._buffer[at] >> 4 != _CONNECT:
            raise GateError("CONNECT comes first")
        length = 0
        for index in range(4):
            if at + 1 + index >= len(self._buffer):
                return None
            byte = self._buffer[at + 1 + index]
            length |= (byte & 0x7F) << (7 * index)
            if length > PACKET_MAX_BYTES:
                raise GateError("packet too large")
            if not byte & 0x80:
                start = at + 2 + index
                stop = start + length
                return (start, stop) if stop <= len(self._buffer) else None
        raise GateError("malformed length")

    def _check(self, kind: int, body: bytes, first: int) -> None:
        if kind == _CONNECT and not self._connected:
            self._check_connect(body)
            self._connected = True
        elif kind == _CONNECT:
            raise GateError("CONNECT comes once")
        elif kind == _PUBLISH:
            topic, rest = _text(body)
            # An empty topic stands for an alias, which this connection gave to a checked topic.
            if topic and not may_write(self._identity, topic):
                raise GateError("may not write there")
            if first & 0x06 == 0x06:
                raise GateError("malformed QoS")
        elif kind in (_SUBSCRIBE, _UNSUBSCRIBE):
            rest = _without_properties(body[2:])
            while rest:
                topic_filter, rest = _text(rest)
                if not may_read(self._identity, topic_filter):
                    raise GateError("may not read there")
                if kind == _SUBSCRIBE:
                    rest = rest[1:]
        elif kind not in _HARMLESS:
            raise GateError(f"packet type {kind}")

    def _check_connect(self, body: bytes) -> None:
        if not body.startswith(_MQTT_5) or len(body) < len(_MQTT_5) + 3:
            raise GateError("only MQTT 5 is spoken here")
        if body[len(_MQTT_5)] & _WILL_FLAG:
            raise GateError("no last will: it would be published unchecked")
        client_id, _ = _text(_without_properties(body[len(_MQTT_5) + 3 :]))
        # Another's client id would throw the other off the broker.
        if client_id != self._identity:
            raise GateError("the client id is not the certificate's name")


def _split(topic: str) -> tuple[str, str]:
    """Return (box id or +, direction) of a topic or filter of the tree, else empty strings."""
    parts = topic.split("/")
    if len(parts) != 5 or "/".join(parts[:2]) != ROOT or not parts[4]:
        return "", ""
    return parts[2], parts[3]


def _text(body: bytes) -> tuple[str, bytes]:
    """Return the length-prefixed string at the head of `body`, and what follows it."""
    length = int.from_bytes(body[:2], "big")
    if len(body) < 2 + length or len(body) < 2:
        raise GateError("malformed string")
    try:
        return body[2 : 2 + length].decode("utf-8"), body[2 + length :]
    except UnicodeDecodeError as error:
        raise GateError("malformed string") from error


def _without_properties(body: bytes) -> bytes:
    length = 0
    for index in range(min(4, len(body))):
        length |= (body[index] & 0x7F) << (7 * index)
        if not body[index] & 0x80:
            if len(body) < index + 1 + length:
                break
            return body[index + 1 + length :]
    raise GateError("malformed properties")
