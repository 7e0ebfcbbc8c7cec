"""The gate before the embedded broker: what a client may say, packet by packet."""

import contextlib
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigibip.post.broker_config import PACKET_MAX_BYTES
from vigibip.town.mqtt_gate import Gate, GateError, may_read, may_write

BOX, OTHER = "box-00000001", "box-00000002"


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(data)) + data


def packet(first: int, body: bytes) -> bytes:
    length, prefix = len(body), b""
    while True:
        prefix += bytes([(length & 0x7F) | (0x80 if length > 0x7F else 0)])
        length >>= 7
        if not length:
            return bytes([first]) + prefix + body


def connect(client_id: str = BOX, *, flags: int = 2, name: bytes = b"\x00\x04MQTT\x05") -> bytes:
    return packet(
        0x10, name + bytes([flags, 0, 20]) + b"\x05\x11\x00\x00\x00\x00" + text(client_id)
    )


def publish(topic: str | bytes, payload: bytes = b"x") -> bytes:
    return packet(0x32, text(topic) + b"\x00\x01\x00" + payload)


def subscribe(*filters: str, kind: int = 0x82) -> bytes:
    options = b"\x01" if kind == 0x82 else b""
    return packet(kind, b"\x00\x02\x00" + b"".join(text(one) + options for one in filters))


UP, DOWN = f"vigibip/1/{BOX}/up/alert", f"vigibip/1/{BOX}/down/+"
CONVERSATION = (
    connect() + subscribe(DOWN) + publish(UP) + packet(0x40, b"\x00\x01") + b"\xc0\x00\xe0\x00"
)


def test_a_box_that_keeps_to_its_topics_passes_unchanged() -> None:
    assert Gate(BOX).feed(CONVERSATION) == CONVERSATION


def test_byte_by_byte_is_the_same_conversation() -> None:
    gate = Gate(BOX)
    passed = [gate.feed(CONVERSATION[at : at + 1]) for at in range(len(CONVERSATION))]
    assert b"".join(passed) == CONVERSATION
    assert sum(1 for one in passed if one) == 6, "a packet passes whole or not at all"


def test_the_post_reads_every_up_and_writes_every_down() -> None:
    conversation = (
        connect("post") + subscribe("vigibip/1/+/up/+") + publish(f"vigibip/1/{OTHER}/down/receipt")
    )
    assert Gate("post").feed(conversation) == conversation


@pytest.mark.parametrize(
    ("identity", "topic"),
    [
        (BOX, f"vigibip/1/{OTHER}/up/alert"),
        (BOX, f"vigibip/1/{BOX}/down/receipt"),
        (BOX, f"vigibip/2/{BOX}/up/alert"),
        (BOX, f"vigibip/1/{BOX}/up/alert/x"),
        (BOX, f"vigibip/1/{BOX}/up/"),
        (BOX, f"vigibip/1/{BOX}/up/+"),
        (BOX, f"/vigibip/1/{BOX}/up/alert"),
        (BOX, "#"),
        ("post", f"vigibip/1/{BOX}/up/alert"),
        ("post", "vigibip/1/+/down/receipt"),
        ("other", f"vigibip/1/{BOX}/up/alert"),
    ],
)
def test_writing_elsewhere_is_refused(identity: str, topic: str) -> None:
    assert not may_write(identity, topic)
    gate = Gate(identity)
    gate.feed(connect(identity))
    with pytest.raises(GateError):
        gate.feed(publish(topic))


@pytest.mark.parametrize(
    ("identity", "topic_filter"),
    [
        (BOX, "#"),
        (BOX, "vigibip/1/+/down/+"),
        (BOX, f"vigibip/1/{OTHER}/down/+"),
        (BOX, f"vigibip/1/{BOX}/up/+"),
        (BOX, f"vigibip/1/{BOX}/+/+"),
        (BOX, f"vigibip/1/{BOX}/down/#"),
        (BOX, f"$share/x/vigibip/1/{BOX}/down/+"),
        (BOX, "$SYS/#"),
        ("post", "vigibip/1/+/down/+"),
        ("post", "#"),
    ],
)
@pytest.mark.parametrize("kind", [0x82, 0xA2])
def test_listening_elsewhere_is_refused(identity: str, topic_filter: str, kind: int) -> None:
    assert not may_read(identity, topic_filter)
    gate = Gate(identity)
    gate.feed(connect(identity))
    with pytest.raises(GateError):
        gate.feed(subscribe(topic_filter, kind=kind))


def test_one_bad_filter_among_good_ones_is_enough() -> None:
    gate = Gate(BOX)
    gate.feed(connect())
    with pytest.raises(GateError):
        gate.feed(subscribe(DOWN, "#"))


@pytest.mark.parametrize(
    "first",
    [
        connect(OTHER),
        connect("post"),
        connect(""),
        connect(flags=0x06),  # a last will
        connect(name=b"\x00\x04MQTT\x04"),
        connect(name=b"\x00\x06MQIsdp\x03"),
        publish(UP),
        subscribe(DOWN),
        b"\xc0\x00",
        packet(0x10, b""),
        packet(0x10, b"\x00\x04MQTT\x05\x02\x00\x14\xff\xff\xff\xff"),
        packet(0xF0, b""),
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x10\xff\xff\xff\xff\x01",
    ],
)
def test_only_an_mqtt_5_connect_under_ones_own_name_comes_first(first: bytes) -> None:
    with pytest.raises(GateError):
        Gate(BOX).feed(first)


@pytest.mark.parametrize(
    "later",
    [
        connect(),
        packet(0xF0, b"\x18\x00"),  # AUTH
        packet(0x20, b"\x00\x00\x00"),  # what only a broker says
        packet(0x36, text(UP) + b"\x00\x01\x00x"),  # QoS 3
        packet(0x32, b"\x00"),
        packet(0x32, b"\xff\xff"),
        packet(0x82, b"\x00\x02"),
        packet(0x82, b"\x00\x02\xff\xff\xff\xff"),
        packet(0x82, b"\x00\x02\x00\x00\x09abc"),
        publish(b"vigibip/1/\xff/up/alert"),
        b"\x32\xff\xff\xff\x7f",
    ],
)
def test_what_is_malformed_or_out_of_turn_is_refused(later: bytes) -> None:
    gate = Gate(BOX)
    gate.feed(connect())
    with pytest.raises(GateError):
        gate.feed(later)


def test_what_is_too_large_is_refused_before_it_is_read() -> None:
    gate = Gate(BOX)
    gate.feed(connect())
    with pytest.raises(GateError):
        gate.feed(publish(UP, b"x" * PACKET_MAX_BYTES)[:5])


def test_an_alias_of_a_checked_topic_passes() -> None:
    gate = Gate(BOX)
    gate.feed(connect())
    aliased = packet(0x32, text("") + b"\x00\x01\x03\x23\x00\x01x")
    assert gate.feed(aliased) == aliased


@given(st.binary(max_size=200))
def test_noise_is_refused_or_waits_and_never_passes(noise: bytes) -> None:
    with contextlib.suppress(GateError):
        assert Gate(BOX).feed(noise) == b""


def test_twenty_thousand_damaged_conversations_pass_nothing_that_is_not_allowed() -> None:
    """Seeded. Whatever passes is a beginning of what came, and names no topic but one's own."""
    random_ = random.Random(20_000)
    passed_some = 0
    for _ in range(20_000):
        data = bytearray(CONVERSATION)
        for _ in range(random_.randrange(1, 4)):
            at = random_.randrange(len(data))
            data[at : at + random_.randrange(3)] = random_.randbytes(random_.randrange(4))
        gate, passed = Gate(BOX), b""
        with contextlib.suppress(GateError):
            for at in range(0, len(data), 16):
                passed += gate.feed(bytes(data[at : at + 16]))
        assert bytes(data).startswith(passed)
        passed_some += bool(passed)
        for topic in _topics(passed):
            assert topic == "" or may_write(BOX, topic) or may_read(BOX, topic)
    assert passed_some > 1000


def _topics(passed: bytes) -> list[str]:
    """Read the topics of what passed, independently of the gate."""
    found = []
    while passed:
        kind, at, length, shift = passed[0] >> 4, 1, 0, 0
        while True:
            length |= (passed[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if not passed[at - 1] & 0x80:
                break
        body, passed = passed[at : at + length], passed[at + length :]
        if kind == 3:
            size = struct.unpack(">H", body[:2])[0]
            found.append(body[2 : 2 + size].decode())
        elif kind == 8 and body[2] == 0:
            rest = body[3:]
            while rest:
                size = struct.unpack(">H", rest[:2])[0]
                found.append(rest[2 : 2 + size].decode())
                rest = rest[2 + size + 1 :]
    return found
