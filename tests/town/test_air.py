"""The air loses, doubles, delays and separates channels as it is told, each time alike."""

import random

import pytest

from vigibip.base.clock import DrivenClock
from vigibip.town.air import CALM, Air, Way, Weather
from vigibip.wire.serial import BROADCAST

BIP, OTHER_BIP, RECEIVER, FAR_RECEIVER = (bytes([2, 0, 0, 0, 0, n]) for n in range(1, 5))


class Ear:
    def __init__(self, channel: int | None = 6) -> None:
        self.channel = channel
        self.heard: list[tuple[int, bytes, bytes]] = []

    def listens(self) -> int | None:
        return self.channel

    def __call__(self, rssi_dbm: int, mac: bytes, frame: bytes) -> None:
        self.heard.append((rssi_dbm, mac, frame))


def town_of_two(weather: Weather = CALM, seed: int = 1, clock: DrivenClock | None = None):
    air = Air(clock or DrivenClock(), weather, seed)
    bip_ear, receiver_ear = Ear(), Ear()
    bip = air.attach(Way.UP, BIP, bip_ear.listens, bip_ear)
    receiver = air.attach(Way.DOWN, RECEIVER, receiver_ear.listens, receiver_ear)
    return air, bip, receiver, bip_ear, receiver_ear


def test_a_frame_reaches_its_address_both_ways() -> None:
    _, bip, receiver, bip_ear, receiver_ear = town_of_two()
    bip.send(6, RECEIVER, b"press")
    receiver.send(6, BIP, b"heard")
    assert [(mac, frame) for _, mac, frame in receiver_ear.heard] == [(BIP, b"press")]
    assert [(mac, frame) for _, mac, frame in bip_ear.heard] == [(RECEIVER, b"heard")]


def test_a_broadcast_reaches_all_others_who_listen_on_its_channel() -> None:
    air, bip, _, bip_ear, receiver_ear = town_of_two()
    far_ear, off_channel_ear, asleep_ear = Ear(), Ear(11), Ear(None)
    air.attach(Way.DOWN, FAR_RECEIVER, far_ear.listens, far_ear)
    air.attach(Way.DOWN, bytes(6), off_channel_ear.listens, off_channel_ear)
    air.attach(Way.UP, OTHER_BIP, asleep_ear.listens, asleep_ear)
    bip.send(6, BROADCAST, b"press")
    assert [len(ear.heard) for ear in (receiver_ear, far_ear)] == [1, 1]
    assert not off_channel_ear.heard
    assert not asleep_ear.heard
    assert not bip_ear.heard, "nobody hears himself"


def test_a_frame_on_another_channel_reaches_nobody_until_the_hunt_finds_it() -> None:
    air, bip, _, _, receiver_ear = town_of_two()
    receiver_ear.channel = 11
    bip.send(6, BROADCAST, b"press")
    assert not receiver_ear.heard
    assert air.counts.up.nobody == 1
    bip.send(11, BROADCAST, b"press")
    assert len(receiver_ear.heard) == 1


@pytest.mark.parametrize("loss", [0.0, 0.1, 0.5, 1.0])
def test_losses_come_near_their_share(loss: float) -> None:
    air, bip, receiver, bip_ear, receiver_ear = town_of_two(Weather(loss_up=loss))
    for _ in range(2000):
        bip.send(6, RECEIVER, b"x")
        receiver.send(6, BIP, b"y")
    assert abs(len(receiver_ear.heard) / 2000 - (1 - loss)) < 0.04
    assert len(bip_ear.heard) == 2000, "only one way was to lose"
    assert air.counts.up.lost + air.counts.up.heard == air.counts.up.sent == 2000


def test_duplicates_come_near_their_share_and_are_the_same_bytes() -> None:
    _, bip, _, _, receiver_ear = town_of_two(Weather(duplicated=0.25))
    for number in range(1000):
        bip.send(6, RECEIVER, number.to_bytes(2, "big"))
    assert abs(len(receiver_ear.heard) - 1250) < 60
    assert len({frame for _, _, frame in receiver_ear.heard}) == 1000


async def test_a_delay_is_kept_on_the_clock_that_was_given() -> None:
    clock = DrivenClock()
    air, bip, _, _, receiver_ear = town_of_two(Weather(delay_ms=40, jitter_ms=20), clock=clock)
    bip.send(6, RECEIVER, b"x")
    await clock.advance(0.039)
    assert not receiver_ear.heard
    await clock.advance(0.022)
    assert len(receiver_ear.heard) == 1
    await air.close()


async def test_a_frame_under_way_to_an_antenna_that_left_is_dropped() -> None:
    clock = DrivenClock()
    air, bip, receiver, _, receiver_ear = town_of_two(Weather(delay_ms=5), clock=clock)
    bip.send(6, RECEIVER, b"x")
    receiver.leave()
    await clock.advance(1)
    assert not receiver_ear.heard
    await air.close()


def test_the_same_seed_gives_the_same_run_and_another_seed_another() -> None:
    def run(seed: int) -> list[int]:
        air, bip, _, _, ear = town_of_two(Weather(loss_up=0.3, duplicated=0.1), seed)
        picks = random.Random(0)
        for _ in range(200):
            bip.send(6, RECEIVER, picks.randbytes(4))
        return [rssi for rssi, _, _ in ear.heard] + [air.counts.up.lost]

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_every_listener_to_the_air_sees_a_frame_that_is_then_lost() -> None:
    air, bip, _, _, receiver_ear = town_of_two(Weather(loss_up=1.0))
    seen: list[bytes] = []
    air.frames.append(lambda sender, frame: seen.append(sender.mac + frame))
    bip.send(6, RECEIVER, b"x")
    assert seen == [BIP + b"x"]
    assert not receiver_ear.heard


@pytest.mark.parametrize("frame", [b"", bytes(251)])
def test_what_the_radio_could_not_carry_is_refused(frame: bytes) -> None:
    _, bip, *_ = town_of_two()
    with pytest.raises(ValueError, match="bytes"):
        bip.send(6, RECEIVER, frame)


@pytest.mark.parametrize("wrong", [{"loss_up": 1.5}, {"duplicated": -0.1}, {"delay_ms": -1}])
def test_impossible_weather_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"share|delay"):
        Weather(**wrong)
