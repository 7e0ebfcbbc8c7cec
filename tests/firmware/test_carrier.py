"""The receiver's core: bounded both ways, and whatever is dropped is counted."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vigibip.town import device_tree
from vigibip.wire import serial

carrier_module: Any = device_tree.load("receiver", "carrier")
MAC = b"\x02bipA1"
FRAME = bytes(range(50))


def fresh() -> Any:
    carrier = carrier_module.Carrier(6, 1, 0)
    del carrier.up[:]
    return carrier


def messages(carrier: Any) -> list[tuple[int, bytes]]:
    decoder = serial.Decoder()
    return decoder.feed(b"".join(carrier.up))


def down(mac: bytes = MAC, frame: bytes = FRAME) -> bytes:
    return serial.encode_message(serial.DOWN_FRAME, serial.pack_down_frame(mac, frame))


def air_counts(carrier: Any, now_ms: int = 10_000) -> tuple[int, ...]:
    carrier.tick(now_ms)
    kind, body = messages(carrier)[-1]
    assert kind == serial.AIR
    return serial.unpack_air(body)


def test_it_says_hello_first_after_a_delimiter() -> None:
    carrier = carrier_module.Carrier(6, 3, 0)
    assert carrier.up[0] == b"\x00"
    assert messages(carrier) == [(serial.HELLO, serial.pack_hello(1, 6, 3))]


def test_a_frame_goes_up_with_its_strength_and_sender() -> None:
    carrier = fresh()
    carrier.from_air(MAC, FRAME, -71)
    ((kind, body),) = messages(carrier)
    assert kind == serial.UP_FRAME
    assert serial.unpack_up_frame(body) == (-71, MAC, FRAME)


def test_what_cannot_be_a_frame_is_dropped_and_counted() -> None:
    carrier = fresh()
    for length in (0, 1, 17, 251, 1470):
        carrier.from_air(MAC, bytes(length), -50)
    assert carrier.up == []
    carrier.from_air(MAC, bytes(18), -50)
    carrier.from_air(MAC, bytes(250), -300)
    assert len(carrier.up) == 2
    uptime_s, received, sent, failed, dropped, line_dropped = air_counts(carrier)
    assert (uptime_s, received, sent, failed, dropped, line_dropped) == (10, 2, 0, 0, 5, 0)


def test_a_line_that_takes_nothing_costs_the_oldest_and_never_grows() -> None:
    carrier = fresh()
    for number in range(100):
        carrier.from_air(MAC, bytes((number,)) * 50, -50)
    kept = [serial.unpack_up_frame(body)[2][0] for _, body in messages(carrier)]
    # The first may be half written; of the others the newest are kept.
    assert kept == [0, *range(69, 100)]


def test_a_frame_goes_down_to_its_address() -> None:
    carrier = fresh()
    carrier.from_line(down())
    assert carrier.down == [(MAC, FRAME)]


def test_down_is_bounded_too() -> None:
    carrier = fresh()
    for number in range(100):
        carrier.from_line(down(frame=bytes((number,)) * 50))
    assert len(carrier.down) == 32
    assert carrier.down[-1][1][0] == 99


def test_the_radio_is_never_asked_to_know_more_than_it_can() -> None:
    carrier = fresh()
    known: set[bytes] = set()
    for number in [*range(40), 39, 38, 0, 1]:
        mac = bytes((2, 0, 0, 0, 0, number))
        forgotten = carrier.peer_to_forget(mac)
        known.add(mac)
        known.discard(forgotten)
        assert mac in known
        assert known == set(carrier.peers)
        assert len(known) <= 18


def test_settings_set_the_channel_and_end_the_hellos() -> None:
    carrier = fresh()
    carrier.tick(10_000)
    assert [kind for kind, _ in messages(carrier)] == [serial.HELLO, serial.AIR]
    settings = serial.encode_message(serial.SETTINGS, serial.pack_settings(11))
    assert carrier.from_line(settings)
    assert not carrier.from_line(settings)
    assert carrier.channel == 11
    del carrier.up[:]
    carrier.tick(20_000)
    assert [kind for kind, _ in messages(carrier)] == [serial.AIR]


def test_impossible_settings_change_nothing() -> None:
    carrier = fresh()
    for body in (b"", b"\x00", b"\x0e", b"\xff"):
        assert not carrier.from_line(serial.encode_message(serial.SETTINGS, body))
    assert carrier.channel == 6
    assert air_counts(carrier)[4] == 4


def test_messages_of_no_kind_that_it_knows_are_passed_over() -> None:
    carrier = fresh()
    for kind in (0x00, serial.UP_FRAME, serial.AIR, 0x7F, 0xFF):
        carrier.from_line(serial.encode_message(kind, FRAME))
    assert carrier.down == []


@given(noise=st.binary(max_size=600), cut=st.integers(1, 60))
def test_noise_on_the_line_costs_no_message_after_it(noise: bytes, cut: int) -> None:
    carrier = fresh()
    data = noise + b"\x00" + down()
    for start in range(0, len(data), cut):
        carrier.from_line(data[start : start + cut])
    assert carrier.down[-1] == (MAC, FRAME)


def test_much_noise_both_ways_keeps_it_within_its_bounds() -> None:
    chance = random.Random(3)
    carrier = fresh()
    for _ in range(500):
        carrier.from_line(chance.randbytes(chance.randrange(300)))
        carrier.from_air(MAC, chance.randbytes(chance.randrange(300)), -50)
        assert len(carrier.up) <= 32
        assert len(carrier.down) <= 32
