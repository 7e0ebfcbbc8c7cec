"""Audio to files and to a sound card's programs; the sound card itself is not tested here."""

import asyncio
import stat
import wave
from pathlib import Path

import pytest

from tests.radio.rig import RATE_HZ, SHOP, announcement, hummed_clips
from vigibip.base.clock import DrivenClock, SystemClock
from vigibip.radio import audio
from vigibip.radio.audio import AlsaSink, AlsaSource, WavSink
from vigibip.radio.contract import RadioState, RelayResult
from vigibip.radio.errors import AudioError
from vigibip.radio.settings import VoiceSettings
from vigibip.radio.voice import VoiceRadio


def program(directory: Path, name: str, script: str) -> str:
    """A stand-in for an ALSA program."""
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def frames_of(path: Path) -> bytes:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE_HZ)
        return file.readframes(file.getnframes())


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def test_each_transmission_is_a_file(tmp_path: Path, clip_dir: Path) -> None:
    settings = VoiceSettings(audio_out=f"wav:{tmp_path / 'out'}", ptt_gpio=None, ptt_lead_ms=0)
    clips = hummed_clips(clip_dir)
    radio = VoiceRadio(settings, clips, DrivenClock())
    await radio.start()
    assert radio.health.state is RadioState.READY
    for number in (23, 24):
        outcome = await radio.announce(announcement(number=number), lambda _: None)
        assert outcome.result is RelayResult.SENT
    assert names_in(tmp_path / "out") == ["transmission-000001.wav", "transmission-000002.wav"]
    said = frames_of(tmp_path / "out" / "transmission-000002.wav")
    assert said.count(await clips.shop(SHOP)) == 2
    assert (clips.common("n-24") or b"missing") in said
    await radio.close()


async def test_files_of_an_earlier_run_are_kept(tmp_path: Path) -> None:
    (tmp_path / "transmission-000001.wav").write_bytes(b"earlier")
    sink = WavSink(tmp_path, RATE_HZ)
    await sink.start()
    sink.key(True)
    await sink.write(b"\x01\x02")
    await sink.finish()
    assert (tmp_path / "transmission-000001.wav").read_bytes() == b"earlier"
    assert frames_of(tmp_path / "transmission-000002.wav") == b"\x01\x02"


async def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    sink = WavSink(tmp_path / "file", RATE_HZ)
    await sink.start()
    assert sink.health.state is RadioState.FAULTY
    sink.key(True)
    with pytest.raises(AudioError):
        await sink.finish()


async def test_aplay_is_given_all_and_waited_for(tmp_path: Path) -> None:
    player = program(tmp_path, "aplay", f'echo "$@" >{tmp_path}/args; exec cat >{tmp_path}/heard')
    sink = AlsaSink("plughw:1,0", RATE_HZ, player)
    for _ in range(2):
        sink.key(True)
        await sink.begin()
        await sink.write(b"\x01\x02" * 50_000)
        await sink.write(b"\x03\x04")
        await sink.finish()
        sink.key(False)
        assert (tmp_path / "heard").read_bytes() == b"\x01\x02" * 50_000 + b"\x03\x04"
    assert sink.health.state is RadioState.READY
    arguments = (tmp_path / "args").read_text()
    assert arguments.strip() == "-q -t raw -f S16_LE -c 1 -r 8000 -D plughw:1,0"


async def test_a_sound_card_that_fails_is_told(tmp_path: Path) -> None:
    player = program(tmp_path, "aplay", 'echo "aplay: no such\tdevice" >&2; exit 3')
    sink = AlsaSink("plughw:1,0", RATE_HZ, player)
    sink.key(True)
    with pytest.raises(AudioError, match="no such device"):
        await asyncio.wait_for(_play(sink), 10)
    assert sink.health.state is RadioState.FAULTY


async def _play(sink: AlsaSink) -> None:
    await sink.begin()
    await sink.write(bytes(200_000))
    await sink.finish()


async def test_a_missing_aplay_is_absent(tmp_path: Path) -> None:
    sink = AlsaSink("default", RATE_HZ, str(tmp_path / "aplay"))
    with pytest.raises(AudioError):
        await sink.begin()
    assert sink.health.state is RadioState.ABSENT


async def test_the_release_of_the_ptt_silences_aplay(tmp_path: Path) -> None:
    player = program(tmp_path, "aplay", f"echo $$ >{tmp_path}/pid; exec sleep 1000")
    sink = AlsaSink("default", RATE_HZ, player)
    sink.key(True)
    await sink.begin()
    finishing = asyncio.create_task(sink.finish())
    await asyncio.sleep(0)
    sink.key(False)
    with pytest.raises(AudioError):
        await asyncio.wait_for(finishing, 10)
    await sink.close()


async def test_an_aplay_that_never_ends_is_closed(tmp_path: Path) -> None:
    sink = AlsaSink("default", RATE_HZ, program(tmp_path, "aplay", "exec sleep 1000"))
    sink.key(True)
    await sink.begin()
    await asyncio.wait_for(sink.close(), 10)
    with pytest.raises(AudioError):
        await sink.write(b"\x00\x00")


async def test_arecord_is_read_in_blocks(tmp_path: Path) -> None:
    recorder = program(tmp_path, "arecord", "exec head -c 1500 /dev/zero")
    source = AlsaSource("default", RATE_HZ, SystemClock(), recorder)
    await source.start()
    assert await source.read() == bytes(640)
    assert await source.read() == bytes(640)
    assert source.health.state is RadioState.READY
    await source.close()


async def test_an_arecord_that_ends_is_told_and_started_again(tmp_path: Path) -> None:
    recorder = program(
        tmp_path,
        "arecord",
        f"echo x >>{tmp_path}/starts; test -f {tmp_path}/plugged && exec cat /dev/zero;"
        " echo unplugged >&2; exit 1",
    )
    clock = DrivenClock()
    source = AlsaSource("default", RATE_HZ, clock, recorder)
    reading = asyncio.create_task(source.read())
    await _advance_until(clock, lambda: (tmp_path / "starts").exists() and _lines(tmp_path) >= 3)
    assert source.health.state is RadioState.FAULTY
    assert source.health.reason == "the recorder ended"
    assert clock.monotonic_s() >= 1 + 2
    (tmp_path / "plugged").touch()
    await _advance_until(clock, reading.done)
    assert await reading == bytes(640)
    assert source.health.state is RadioState.READY
    await source.close()


async def test_an_arecord_that_gives_nothing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio, "_SILENT_S", 0.05)
    source = AlsaSource(
        "default", RATE_HZ, DrivenClock(), program(tmp_path, "arecord", "exec sleep 1000")
    )
    with pytest.raises(AudioError, match="hangs"):
        await source._read_once()
    assert source.health.state is RadioState.FAULTY
    assert source._process is None


def _lines(directory: Path) -> int:
    return len((directory / "starts").read_text().splitlines())


async def _advance_until(clock: DrivenClock, condition) -> None:  # type: ignore[no-untyped-def]
    async def step() -> None:
        while not condition():
            await clock.advance(0.1)
            await asyncio.sleep(0.005)

    await asyncio.wait_for(step(), 20)
