"""The serial line: COBS, the CRC, and a decoder that noise neither fills nor deafens."""

from __future__ import annotations

import binascii

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire import reference
from vigibip.wire import serial

BODIES = st.binary(max_size=serial.MESSAGE_MAX - 1)
TYPES = st.integers(0, 255)
# Bytes with many zeros and long runs without any: what COBS is about.
STUFF = st.one_of(
    st.binary(max_size=600),
    st.lists(st.sampled_from([b"\0", b"\1", b"x" * 253, b"y" * 254, b"z" * 255]), max_size=4).map(
        b"".join
    ),
)


@settings(deadline=None)
@given(STUFF)
def test_cobs_is_the_references_and_comes_back(data: bytes) -> None:
    stuffed = serial.stuff(data)
    assert stuffed == reference.cobs(data)
    assert 0 not in stuffed
    assert len(stuffed) <= len(data) + 1 + len(data) // 254
    assert serial.unstuff(stuffed) == data


@pytest.mark.parametrize("data", [b"", b"\0", b"\1\0", b"\2", b"\5abc", b"\2a\3b", b"\xff" * 20])
def test_what_is_no_cobs_is_told(data: bytes) -> None:
    assert serial.unstuff(data) is None


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_the_crc_is_the_oracles(data: bytes) -> None:
    assert serial.crc16(data) == binascii.crc_hqx(data, 0xFFFF) ^ 0xFFFF


def test_the_crc_has_its_catalogues_check_value() -> None:
    assert serial.crc16(b"123456789") == 0xD64E


@settings(deadline=None)
@given(st.lists(st.tuples(TYPES, BODIES), max_size=5), st.randoms(use_true_random=False))
def test_messages_come_back_however_the_line_is_cut(messages, random) -> None:  # type: ignore[no-untyped-def]
    line = b"".join(serial.encode_message(kind, body) for kind, body in messages)
    decoder = serial.Decoder()
    heard = []
    while line:
        size = random.randint(1, 40)
        heard += decoder.feed(line[:size])
        line = line[size:]
    assert heard == messages
    assert decoder.dropped == 0


@settings(deadline=None)
@given(st.binary(max_size=700), TYPES, BODIES)
def test_a_message_after_any_noise_is_heard(noise: bytes, kind: int, body: bytes) -> None:
    decoder = serial.Decoder()
    decoder.feed(noise)
    assert decoder.feed(serial.encode_message(kind, body))[-1:] == [(kind, body)]


@settings(deadline=None)
@given(st.integers(1, 254), st.integers(0, 60), BODIES)
def test_a_lost_byte_costs_one_message_at_most(lost: int, before: int, body: bytes) -> None:
    line = serial.encode_message(1, body)
    place = lost % len(line)
    damaged = line[:place] + line[place + 1 :]
    decoder = serial.Decoder()
    good = serial.encode_message(2, b"x" * before)
    heard = decoder.feed(good + damaged + good)
    assert heard[0] == heard[-1] == (2, b"x" * before)
    assert all(message in [(1, body), (2, b"x" * before)] for message in heard)


def test_a_message_of_the_greatest_length_passes_and_one_more_does_not() -> None:
    for body in (b"\xff" * (serial.MESSAGE_MAX - 1), bytes(serial.MESSAGE_MAX - 1)):
        line = serial.encode_message(1, body)
        assert serial.Decoder().feed(line) == [(1, body)]
        with pytest.raises(ValueError, match="too long"):
            serial.encode_message(1, body + b"\0")
        # The same by a sender that does not keep to it.
        decoder = serial.Decoder()
        assert decoder.feed(reference.line(1, body + b"\xff")) == []
        assert decoder.dropped == 1


def test_endless_noise_takes_no_memory() -> None:
    decoder = serial.Decoder()
    for _ in range(100):
        assert decoder.feed(b"\xa5" * 1000) == []
        assert len(decoder._buffer) <= serial.MESSAGE_MAX + 4
    assert decoder.feed(b"\0") == []
    assert decoder.dropped == 1
    # And it is not deaf afterwards.
    assert decoder.feed(serial.encode_message(3, b"body")) == [(3, b"body")]


def test_silence_is_no_damage() -> None:
    decoder = serial.Decoder()
    assert decoder.feed(bytes(1000)) == []
    assert decoder.dropped == 0


@pytest.mark.parametrize("mac", [b"", b"12345", b"1234567"])
def test_an_address_has_six_bytes(mac: bytes) -> None:
    with pytest.raises(ValueError, match="six bytes"):
        serial.pack_up_frame(-60, mac, b"frame")
    with pytest.raises(ValueError, match="six bytes"):
        serial.pack_down_frame(mac, b"frame")


@pytest.mark.parametrize(("measured", "carried"), [(-300, -128), (300, 127), (-60, -60)])
def test_a_signal_strength_is_brought_into_range(measured: int, carried: int) -> None:
    body = serial.pack_up_frame(measured, b"123456", b"frame")
    assert serial.unpack_up_frame(body) == (carried, b"123456", b"frame")


def test_counts_go_round() -> None:
    body = serial.pack_air(1 << 32, (1 << 32) + 5, 0, 0, 0, -1)
    assert serial.unpack_air(body) == (0, 5, 0, 0, 0, 0xFFFFFFFF, *[0] * 9)


def test_fields_that_are_appended_are_ignored() -> None:
    assert serial.unpack_hello(serial.pack_hello(1, 6, 0, 2) + b"more") == (1, 6, 0, 2)
    told = (*range(1, 15), 1)
    assert serial.unpack_air(serial.pack_air(*told) + b"more") == told
    assert serial.unpack_settings(serial.pack_settings(6, [7]) + b"more") == (6, [7])


def test_what_an_older_receiver_does_not_tell_is_zero() -> None:
    assert serial.unpack_hello(bytes((0, 1, 6, 3))) == (1, 6, 3, 0)
    assert serial.unpack_air(serial.pack_air(1, 2, 3, 4, 5, 6)[:24]) == (1, 2, 3, 4, 5, 6, *[0] * 9)


def test_more_ids_than_a_box_serves_are_refused_at_both_ends() -> None:
    ids = list(range(serial.IDS_MAX + 1))
    with pytest.raises(ValueError, match="too many"):
        serial.pack_settings(6, ids)
    with pytest.raises(ValueError, match="too many"):
        serial.unpack_settings(bytes((6, 65)) + bytes(4 * 65))
