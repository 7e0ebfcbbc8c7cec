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
OWN = int.from_bytes(FRAME[2:6], "big")
HOUSEFUL = list(range(100, 164))


def fresh(*ids: int) -> Any:
    """A carrier that has said HELLO, and was told these bips."""
    carrier = carrier_module.Carrier(6, 1, 0)
    settings = serial.pack_settings(6, list(ids) or [OWN])
    carrier.from_line(serial.encode_message(serial.SETTINGS, settings))
    messages(carrier)
    return carrier


def up(carrier: Any, most: int = 10**6) -> bytes:
    """What goes up next."""
    line = b""
    while most and (message := carrier.next_up()) is not None:
        line += message
        most -= 1
    return line


def messages(carrier: Any) -> list[tuple[int, bytes]]:
    return serial.Decoder().feed(up(carrier))


def frames(carrier: Any, most: int = 10**6) -> list[bytes]:
    told = serial.Decoder().feed(up(carrier, most))
    return [serial.unpack_up_frame(body)[2] for kind, body in told if kind == serial.UP_FRAME]


def of(device_id: int, number: int = 0, length: int = 50) -> bytes:
    return (b"\x01\x01" + device_id.to_bytes(4, "big") + bytes((number,)) * length)[:length]


def down(mac: bytes = MAC, frame: bytes = FRAME) -> bytes:
    return serial.encode_message(serial.DOWN_FRAME, serial.pack_down_frame(mac, frame))


def air_counts(carrier: Any, now_ms: int = 10_000) -> tuple[int, ...]:
    carrier.tick(now_ms)
    kind, body = messages(carrier)[-1]
    assert kind == serial.AIR
    assert len(body) == 57
    return serial.unpack_air(body)


def test_it_says_hello_first_after_a_delimiter() -> None:
    carrier = carrier_module.Carrier(6, 3, 0, 2)
    line = up(carrier)
    assert line[0] == 0
    version = carrier_module.FIRMWARE
    hello = (serial.HELLO, serial.pack_hello(version, 6, 3, 2))
    assert serial.Decoder().feed(line) == [hello]


def test_a_frame_goes_up_with_its_strength_and_sender() -> None:
    carrier = fresh()
    carrier.from_air(0, MAC, FRAME, -71)
    ((kind, body),) = messages(carrier)
    assert kind == serial.UP_FRAME
    assert serial.unpack_up_frame(body) == (-71, MAC, FRAME)


def test_what_cannot_be_a_frame_is_dropped_and_counted() -> None:
    carrier = fresh()
    for length in (0, 1, 17, 251, 1470):
        carrier.from_air(0, MAC, bytes(length), -50)
    assert frames(carrier) == []
    carrier.from_air(0, MAC, bytes(18), -50)
    carrier.from_air(0, MAC, of(1, length=250), -300)
    assert len(frames(carrier)) == 2
    counts = air_counts(carrier)
    assert counts[:6] == (10, 2, 0, 0, 5, 0)
    assert counts[6:9] == (2, 0, 0)


def test_sixteen_bips_pressed_at_once_all_go_up_while_thousands_are_forged() -> None:
    carrier = fresh(*HOUSEFUL)
    chance = random.Random(1)
    pressed = [of(device_id, 7) for device_id in HOUSEFUL[:16]]
    for number in range(3000):
        # Strange ids, ids of this box that nobody pressed, and one that somebody did.
        for forged in (chance.getrandbits(32), chance.choice(HOUSEFUL[16:])):
            carrier.from_air(number // 100, b"\x02evil1", of(forged, number % 256), -20)
        if number % 100 == 0 and number < 1600:
            carrier.from_air(number // 100, MAC, pressed[number // 100], -60)
    gone = frames(carrier)
    assert set(pressed) <= set(gone)
    # Each id has its turn: two for each other id at most stand before the last of the pressed.
    assert len(gone) <= 2 * len(HOUSEFUL) + 4


def test_one_id_forged_for_ever_costs_the_others_nothing_and_leaves_its_own_a_turn() -> None:
    carrier = fresh(1, 2)
    heard = []
    for number in range(2000):
        for copy in range(4):
            carrier.from_air(number, b"\x02evil1", of(1, (number + copy) % 200), -20)
        carrier.from_air(number, MAC, of(2, number % 256), -60)
        heard += frames(carrier, 2)
    assert sum(frame == of(2, frame[6]) for frame in heard) == 2000


def test_the_same_frame_again_waits_once_and_from_another_address_twice() -> None:
    carrier = fresh(1)
    for _ in range(9):
        carrier.from_air(0, MAC, of(1), -50)
    carrier.from_air(0, b"\x02other", of(1), -50)
    sent = [serial.unpack_up_frame(body)[1] for _, body in messages(carrier)]
    assert sent == [MAC, b"\x02other"]
    counts = air_counts(carrier)
    assert (counts[1], counts[4], counts[8]) == (10, 0, 8)
    carrier.from_air(0, MAC, of(1), -50)
    assert frames(carrier) == [of(1)], "a repetition once the first is gone is carried again"


def test_a_line_that_takes_nothing_costs_the_oldest_of_each_and_never_grows() -> None:
    carrier = fresh(1, 2)
    for number in range(100):
        carrier.from_air(0, MAC, of(1 + number % 2, number), -50)
        carrier.tick(number * 10_000)
    kept = frames(carrier)
    assert sorted(frame[6] for frame in kept) == [96, 97, 98, 99]
    assert [kind for kind, _ in messages(carrier)] == []


def test_guests_have_four_places_that_rest_and_never_stand_before_the_box_s_own() -> None:
    carrier = fresh(1)
    for number in range(50):
        carrier.from_air(0, MAC, of(1000 + number), -50)
    carrier.from_air(0, MAC, of(1000), -50)
    assert len(frames(carrier)) == 4
    carrier.from_air(499, MAC, of(2000), -50)
    assert frames(carrier) == []
    for number in range(10_000):
        carrier.from_air(500 + number, MAC, of(5000 + number), -50)
        frames(carrier)
    counts = air_counts(carrier, 20_000)
    # Ten seconds of a flood: eight frames a second, and four at the start.
    assert 4 + 70 <= counts[6] <= 4 + 84
    assert counts[6] + counts[7] == 50 + 1 + 1 + 10_000


def test_a_guest_whose_frame_waits_takes_no_second_place() -> None:
    carrier = fresh(1)
    for number in range(6):
        carrier.from_air(0, MAC, of(1000, number), -50)
    carrier.from_air(0, MAC, of(1001), -50)
    assert frames(carrier) == [of(1000, 0), of(1001)]


def test_a_long_frame_is_a_guest_whoever_it_names() -> None:
    carrier = fresh(1)
    for number in range(6):
        carrier.from_air(0, MAC, of(1, number, 210), -50)
    carrier.from_air(0, MAC, of(1), -50)
    assert frames(carrier) == [of(1, 0, 210), of(1)]


def test_before_the_box_has_told_its_bips_all_are_guests_and_a_revoked_one_is_again() -> None:
    carrier = carrier_module.Carrier(6, 1, 0)
    carrier.from_air(0, MAC, of(1), -50)
    settings = serial.encode_message(serial.SETTINGS, serial.pack_settings(6, [1, 2]))
    carrier.from_line(settings)
    carrier.from_air(0, MAC, of(1, 1), -50)
    carrier.from_air(0, MAC, of(2, 1), -50)
    carrier.from_line(serial.encode_message(serial.SETTINGS, serial.pack_settings(6, [2])))
    assert frames(carrier) == [of(1), of(2, 1)]
    carrier.from_air(0, MAC, of(1, 2), -50)
    assert frames(carrier) == [of(1, 2)]
    assert air_counts(carrier)[6] == 2
    # One that tells the channel alone leaves the list as it is.
    carrier.from_line(serial.encode_message(serial.SETTINGS, serial.pack_settings(6)))
    carrier.from_air(0, MAC, of(2, 2), -50)
    assert frames(carrier) == [of(2, 2)]
    assert air_counts(carrier, 20_000)[6] == 2


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
    carrier = carrier_module.Carrier(6, 1, 0)
    messages(carrier)
    carrier.tick(10_000)
    assert [kind for kind, _ in messages(carrier)] == [serial.HELLO, serial.AIR]
    assert [kind for kind, _ in messages(carrier)] == []
    settings = serial.encode_message(serial.SETTINGS, serial.pack_settings(11))
    assert carrier.from_line(settings)
    assert not carrier.from_line(settings)
    assert carrier.channel == 11
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
        carrier.from_air(0, MAC, chance.randbytes(chance.randrange(300)), -50)
        assert len(carrier.down) <= 32
    assert len(messages(carrier)) <= 2 + 4
