"""The link to a simulated channel: framing, pace, and an end that comes and goes."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.radio.rig import RATE_HZ, announcement, hummed_clips
from vigibip.base.clock import DrivenClock, SystemClock
from vigibip.radio.channel import ChannelServer, SimulatedChannel
from vigibip.radio.contract import RadioState, RelayResult
from vigibip.radio.errors import AudioError, CutShortError
from vigibip.radio.link import (
    MAX_PAYLOAD_BYTES,
    FrameReader,
    FrameType,
    PacedPort,
    UnixLink,
    frame,
    number_in,
    numbered,
)
from vigibip.radio.settings import VoiceSettings
from vigibip.radio.voice import VoiceRadio

_DEADLINE_S = 10.0

FRAMES = [
    (FrameType.PTT_ON, numbered(1)),
    (FrameType.PCM, b"\x01\x02" * 160),
    (FrameType.PCM, b""),
    (FrameType.PTT_OFF, b""),
    (FrameType.CUT_SHORT, numbered(0xFFFFFFFF)),
    (FrameType.PCM, bytes(MAX_PAYLOAD_BYTES)),
]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a real socket, with a deadline."""
    deadline_s = time.monotonic() + _DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, "never came about"
        await asyncio.sleep(0.005)


def test_frames_are_as_the_channel_reads_them() -> None:
    assert frame(FrameType.PTT_ON, numbered(7)) == bytes.fromhex("01 0400 07000000")
    assert frame(FrameType.PTT_OFF) == bytes.fromhex("02 0000")
    assert frame(FrameType.PCM, b"\x11\x22") == bytes.fromhex("03 0200 1122")
    assert frame(FrameType.CUT_SHORT, numbered(1)) == bytes.fromhex("04 0400 01000000")


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1000, 100_000])
def test_frames_come_back_from_pieces(piece: int) -> None:
    stream = b"".join(frame(kind, payload) for kind, payload in FRAMES)
    reader = FrameReader()
    back = []
    for start in range(0, len(stream), piece):
        back += reader.feed(stream[start : start + piece])
    assert back == FRAMES


@pytest.mark.parametrize("garbage", ["00 0000", "05 0000", "ff ffff", "03 0120"])
def test_what_is_no_frame_ends_the_link(garbage: str) -> None:
    with pytest.raises(AudioError):
        FrameReader().feed(bytes.fromhex(garbage))


def test_a_payload_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="long"):
        frame(FrameType.PCM, bytes(MAX_PAYLOAD_BYTES + 1))


@pytest.mark.parametrize("payload", [b"", b"\x01", bytes(5)])
def test_a_number_is_four_bytes(payload: bytes) -> None:
    with pytest.raises(AudioError):
        number_in(payload)


def test_20000_garbage_streams_are_read_or_refused() -> None:
    rng = random.Random(1)
    refused = whole = 0
    for _ in range(20_000):
        reader = FrameReader()
        data = bytearray(frame(*rng.choice(FRAMES[:5])) + rng.randbytes(rng.randrange(12)))
        if rng.random() < 0.5:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        try:
            frames = reader.feed(bytes(data[:9])) + reader.feed(bytes(data[9:]))
        except AudioError:
            refused += 1
            continue
        whole += len(frames)
        assert len(reader._buffer) <= MAX_PAYLOAD_BYTES + 3
    assert refused > 1000
    assert whole > 1000


class _Heard(PacedPort):
    def __init__(self, clock: DrivenClock) -> None:
        super().__init__(clock, RATE_HZ)
        self.sent: list[tuple[float, FrameType, bytes]] = []

    def _send(self, kind: FrameType, payload: bytes = b"") -> None:
        self.sent.append((self._clock.monotonic_s(), kind, payload))


async def test_audio_runs_at_most_a_tenth_of_a_second_ahead() -> None:
    clock = DrivenClock()
    port = _Heard(clock)
    port.key(True)
    task = asyncio.create_task(port.write(bytes(2 * RATE_HZ)))
    await clock.advance(2)
    await task
    sent_bytes = 0
    for when_s, _, payload in port.sent[1:]:
        sent_bytes += len(payload)
        ahead_s = sent_bytes / (2 * RATE_HZ) - when_s
        assert -0.001 <= ahead_s <= 0.121
    assert sent_bytes == 2 * RATE_HZ


async def test_finish_waits_for_the_ear() -> None:
    clock = DrivenClock()
    port = _Heard(clock)
    port.key(True)

    async def speak() -> float:
        await port.write(bytes(RATE_HZ))
        await port.finish()
        return clock.monotonic_s()

    task = asyncio.create_task(speak())
    await clock.advance(2)
    assert await task == pytest.approx(0.5, abs=0.001)


async def test_a_cut_ends_this_transmission_and_not_the_next() -> None:
    clock = DrivenClock()
    port = _Heard(clock)
    port.key(True)
    await port.write(bytes(320))
    port.take(FrameType.CUT_SHORT, numbered(1))
    with pytest.raises(CutShortError):
        await port.write(bytes(320))
    port.key(False)
    port.key(True)
    port.take(FrameType.CUT_SHORT, numbered(1))
    await port.write(bytes(320))
    port.take(FrameType.CUT_SHORT, numbered(2))
    with pytest.raises(CutShortError):
        await port.finish()


@pytest.mark.parametrize("kind", [FrameType.PTT_ON, FrameType.PTT_OFF])
def test_a_channel_that_speaks_like_a_post_is_refused(kind: FrameType) -> None:
    with pytest.raises(AudioError):
        _Heard(DrivenClock()).take(kind, numbered(1))


# Over a real socket.


class Air:
    def __init__(self, directory: Path, clip_dir: Path) -> None:
        self.clock = SystemClock()
        self.path = directory / "channel.sock"
        self.channel = SimulatedChannel(self.clock, directory / "air", RATE_HZ, cut_short=True)
        self.server = ChannelServer(self.channel, self.path)
        settings = VoiceSettings(audio_out=f"unix:{self.path}", ptt_gpio=None, ptt_lead_ms=0)
        self.radio = VoiceRadio(settings, hummed_clips(clip_dir), self.clock)


@pytest.fixture
async def air(tmp_path: Path, clip_dir: Path) -> AsyncIterator[Air]:
    air = Air(tmp_path, clip_dir)
    yield air
    await air.radio.close()
    await air.server.close()


async def test_a_press_is_heard_and_answered_over_the_socket(air: Air) -> None:
    await air.server.start()
    await air.radio.start()
    stages: list[str] = []
    outcome = await air.radio.announce(announcement(), stages.append)
    assert outcome.result is RelayResult.CUT_SHORT
    assert stages == ["ptt", "audio"]
    done = await asyncio.wait_for(air.channel.wait_transmission(1), _DEADLINE_S)
    assert done.cut_short
    assert done.wav is not None
    assert await air.channel.key_answer(23, "4711", tone_ms=40, pause_ms=40)
    heard = await asyncio.wait_for(air.radio.next_answer(), _DEADLINE_S)
    assert (heard.number, heard.code) == (23, "4711")


async def test_a_channel_that_comes_later_is_found(air: Air) -> None:
    await air.radio.start()
    assert air.radio.health.state is RadioState.ABSENT
    assert (await air.radio.announce(announcement(), lambda _: None)).result is RelayResult.FAILED
    await air.server.start()
    await until(lambda: air.radio.health.state is RadioState.READY)
    outcome = await air.radio.announce(announcement(), lambda _: None)
    assert outcome.result is RelayResult.CUT_SHORT


async def test_a_channel_lost_within_a_transmission_fails_it(air: Air) -> None:
    air.channel._cut_short = False
    await air.server.start()
    await air.radio.start()
    task = asyncio.create_task(air.radio.announce(announcement(), lambda _: None))
    await asyncio.wait_for(air.channel.wait_on_air(), _DEADLINE_S)
    await air.server.close()
    outcome = await asyncio.wait_for(task, _DEADLINE_S)
    assert outcome.result is RelayResult.FAILED
    assert air.radio.health.state is RadioState.ABSENT
    await air.server.start()
    await until(lambda: air.radio.health.state is RadioState.READY)


async def test_a_post_that_dies_leaves_the_air(air: Air) -> None:
    await air.server.start()
    reader, writer = await asyncio.open_unix_connection(str(air.path))
    writer.write(frame(FrameType.PTT_ON, numbered(9)))
    await asyncio.wait_for(air.channel.wait_on_air(), _DEADLINE_S)
    writer.transport.abort()
    done = await asyncio.wait_for(air.channel.wait_transmission(1), _DEADLINE_S)
    assert done.first_audio_s is None
    assert await reader.read() == b""


@pytest.mark.parametrize(
    "said",
    [b"\xff" * 100, frame(FrameType.PTT_ON, b"x"), frame(FrameType.CUT_SHORT, numbered(1))],
)
async def test_a_post_that_talks_nonsense_is_hung_up_on(air: Air, said: bytes) -> None:
    await air.server.start()
    reader, writer = await asyncio.open_unix_connection(str(air.path))
    writer.write(said)
    assert await asyncio.wait_for(reader.read(), _DEADLINE_S) == b""
    writer.close()
    await air.radio.start()
    assert (await air.radio.announce(announcement(), lambda _: None)).reason is None


async def test_a_channel_that_talks_nonsense_is_told_and_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "channel.sock"
    calls = 0

    async def nonsense(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        writer.write(b"\xff" * 9)
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(nonsense, str(path))
    link = UnixLink(path, SystemClock(), RATE_HZ)
    await link.start()
    await until(lambda: calls >= 2)
    assert link.health.state is RadioState.FAULTY
    with pytest.raises(AudioError):
        link.key(True)
    await link.close()
    server.close()


def _flood(link: UnixLink) -> None:
    for _ in range(10_000):
        link._send(FrameType.PCM, bytes(MAX_PAYLOAD_BYTES))


async def test_a_channel_that_takes_nothing_is_told(tmp_path: Path) -> None:
    path = tmp_path / "channel.sock"
    done = asyncio.Event()

    async def deaf(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await done.wait()
        writer.close()

    server = await asyncio.start_unix_server(deaf, str(path))
    link = UnixLink(path, DrivenClock(), RATE_HZ)
    await link.start()
    link.key(True)
    with pytest.raises(AudioError, match="takes nothing"):
        _flood(link)
    await link.close()
    done.set()
    server.close()
