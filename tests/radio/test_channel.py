"""The simulated channel does what an analog channel would."""

import asyncio
import math
import wave
from array import array
from pathlib import Path

import pytest

from tests.radio.rig import RATE_HZ, Rig, announcement
from vigibip.base.clock import DrivenClock
from vigibip.radio.channel import SimulatedChannel
from vigibip.radio.errors import AudioError
from vigibip.radio.link import FrameType, numbered
from vigibip.radio.tones import FULL_SCALE, silence


class Post:
    def __init__(self) -> None:
        self.heard: list[tuple[FrameType, bytes]] = []

    def hear(self, kind: FrameType, payload: bytes) -> None:
        self.heard.append((kind, payload))

    @property
    def pcm(self) -> bytes:
        return b"".join(payload for kind, payload in self.heard if kind is FrameType.PCM)


async def run(clock: DrivenClock, task: asyncio.Task[bool]) -> bool:
    while not task.done():
        await clock.advance(0.02)
    return task.result()


async def test_a_transmission_is_stamped_and_recorded(tmp_path: Path) -> None:
    clock = DrivenClock()
    channel, post = SimulatedChannel(clock, tmp_path / "air", RATE_HZ), Post()
    channel.join(post)
    await clock.advance(5)
    channel.say(post, FrameType.PTT_ON, numbered(1))
    await clock.advance(0.25)
    channel.say(post, FrameType.PCM, b"\x01\x02" * 160)
    await clock.advance(1)
    channel.say(post, FrameType.PTT_OFF, b"")
    done = await channel.wait_transmission(1)
    assert (done.ptt_on_s, done.first_audio_s, done.ptt_off_s) == (5, 5.25, 6.25)
    assert not done.cut_short
    assert done.wav is not None
    with wave.open(str(done.wav)) as file:
        assert file.readframes(9999) == silence(250, RATE_HZ) + b"\x01\x02" * 160


async def test_audio_without_ptt_reaches_nobody(tmp_path: Path) -> None:
    channel, post = SimulatedChannel(DrivenClock()), Post()
    channel.join(post)
    channel.say(post, FrameType.PCM, b"\x01\x02")
    channel.say(post, FrameType.PTT_OFF, b"")
    assert not channel.on_air
    assert not channel.transmissions


async def test_a_cut_is_told_once_with_its_transmission(tmp_path: Path) -> None:
    channel, post = SimulatedChannel(DrivenClock(), cut_short=True), Post()
    channel.join(post)
    channel.say(post, FrameType.PTT_ON, numbered(77))
    assert post.heard == []
    for _ in range(3):
        channel.say(post, FrameType.PCM, bytes(320))
    assert post.heard == [(FrameType.CUT_SHORT, numbered(77))]


async def test_an_officer_waits_until_the_channel_is_free() -> None:
    clock = DrivenClock()
    channel, post = SimulatedChannel(clock), Post()
    channel.join(post)
    channel.say(post, FrameType.PTT_ON, numbered(1))
    task = asyncio.create_task(channel.key_answer(23, "4711"))
    await clock.advance(3)
    assert post.pcm == b""
    channel.say(post, FrameType.PTT_OFF, b"")
    assert await run(clock, task)
    seconds = len(post.pcm) / (2 * RATE_HZ)
    assert seconds == pytest.approx(8 * 0.2 + 2 * 0.2, abs=0.03)


async def test_what_the_post_talks_over_is_lost_and_told() -> None:
    clock = DrivenClock()
    channel, post = SimulatedChannel(clock), Post()
    channel.join(post)
    task = asyncio.create_task(channel.key_answer(23, "4711"))
    await clock.advance(1)
    before = len(post.pcm)
    channel.say(post, FrameType.PTT_ON, numbered(1))
    assert not await run(clock, task)
    assert len(post.pcm) == before


async def test_nobody_there_hears_nothing() -> None:
    clock = DrivenClock()
    channel = SimulatedChannel(clock)
    assert not await run(clock, asyncio.create_task(channel.key_digits("1")))


async def test_noise_has_its_level() -> None:
    clock = DrivenClock()
    channel, post = SimulatedChannel(clock, noise_dbfs=-20.0, seed=4), Post()
    channel.join(post)
    await run(clock, asyncio.create_task(channel.play(silence(3000, RATE_HZ))))
    samples = array("h", post.pcm)
    power = sum(value * value for value in samples) / len(samples)
    assert 10 * math.log10(power / (FULL_SCALE**2 / 2)) == pytest.approx(-20, abs=0.3)


async def test_a_new_post_takes_the_place_of_the_old() -> None:
    channel, old, new = SimulatedChannel(DrivenClock()), Post(), Post()
    channel.join(old)
    channel.say(old, FrameType.PTT_ON, numbered(1))
    channel.join(new)
    assert not channel.on_air
    assert len(channel.transmissions) == 1


async def test_a_post_cannot_say_what_a_channel_says() -> None:
    channel, post = SimulatedChannel(DrivenClock()), Post()
    channel.join(post)
    with pytest.raises(AudioError):
        channel.say(post, FrameType.CUT_SHORT, numbered(1))
    with pytest.raises(AudioError):
        channel.say(post, FrameType.PTT_ON, b"")


async def test_a_port_that_left_is_absent(rig: Rig) -> None:
    await rig.vanish()
    outcome = await rig.drive(rig.radio.announce(announcement(), lambda _: None))
    assert outcome.reason == "the channel is not there"
