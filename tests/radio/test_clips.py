"""Clips: rendered once, whole or not at all, and nobody's name in a file's name."""

import os
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.radio.rig import RATE_HZ, SHOP, hummed_clips, humming
from vigibip.radio import clips as clips_module
from vigibip.radio.clips import ClipStore, parse_clip, shop_clip_key
from vigibip.radio.errors import ClipError, SynthesisError
from vigibip.radio.speech import PHRASES
from vigibip.radio.synthesis import render


class Voice:
    """Hums, counts, and may break down after some sentences."""

    def __init__(self, breaks_after: int | None = None) -> None:
        self.spoken: list[str] = []
        self.breaks_after = breaks_after

    async def __call__(self, sentences: Sequence[str], sample_rate_hz: int) -> AsyncIterator[bytes]:
        async for pcm in humming(sentences, sample_rate_hz):
            if self.breaks_after is not None and len(self.spoken) >= self.breaks_after:
                raise SynthesisError("the voice broke")
            self.spoken.append(sentences[len(self.spoken) % len(sentences)])
            yield pcm


def files_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def test_a_shop_is_rendered_again_only_when_its_words_change(tmp_path: Path) -> None:
    voice = Voice()
    clips = ClipStore(tmp_path, RATE_HZ, renderer=voice)
    assert await clips.prepare_shop(SHOP, spoken_name="Tabac", address="12 rue Zola")
    first = await clips.shop(SHOP)
    assert not await clips.prepare_shop(SHOP, spoken_name="Tabac", address="12 rue Zola")
    assert await clips.prepare_shop(SHOP, spoken_name="Tabac Presse", address="12 rue Zola")
    assert len(voice.spoken) == 2
    assert await clips.shop(SHOP) != first


async def test_another_voice_renders_everything_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = hummed_clips(tmp_path)
    await clips.prepare_shop(SHOP, spoken_name="Tabac", address="12 rue Zola")
    monkeypatch.setattr(clips_module, "voice_version", lambda: "a newer voice")
    assert await clips.prepare_shop(SHOP, spoken_name="Tabac", address="12 rue Zola")


async def test_common_clips_are_all_there_after_preparing(clip_dir: Path) -> None:
    clips = hummed_clips(clip_dir)
    assert await clips.load() == 0
    assert all(clips.common(key) for key in PHRASES)
    assert await clips.prepare_common() == 0


async def test_a_voice_that_breaks_down_is_taken_up_where_it_stopped(tmp_path: Path) -> None:
    with pytest.raises(SynthesisError):
        await ClipStore(tmp_path, RATE_HZ, renderer=Voice(breaks_after=5)).prepare_common()
    voice = Voice()
    assert await ClipStore(tmp_path, RATE_HZ, renderer=voice).prepare_common() == len(PHRASES) - 5


async def test_a_voice_that_skips_sentences_is_told(tmp_path: Path) -> None:
    async def lazy(sentences: Sequence[str], sample_rate_hz: int) -> AsyncIterator[bytes]:
        async for pcm in humming(sentences[:1], sample_rate_hz):
            yield pcm

    with pytest.raises(SynthesisError, match="left sentences out"):
        await ClipStore(tmp_path, RATE_HZ, renderer=lazy).prepare_common()


async def test_a_stale_number_is_not_spoken(
    tmp_path: Path, clip_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(clips_module.PHRASES, "n-23", "vingt et trois")
    clips = hummed_clips(clip_dir)
    assert await clips.load() == 1
    assert clips.common("n-23") is None
    assert clips.common("n-24")


@pytest.mark.parametrize("damage", ["truncated", "empty", "garbage", "rate", "gone"])
async def test_a_damaged_clip_is_not_played_and_rendered_again(tmp_path: Path, damage: str) -> None:
    clips = hummed_clips(tmp_path)
    await clips.prepare_shop(SHOP, spoken_name="Tabac", address="12 rue Zola")
    path = tmp_path / f"{SHOP}.wav"
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:700])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "garbage":
        path.write_bytes(os.urandom(2000))
    elif damage == "rate":
        other = ClipStore(tmp_path, 16000, renderer=humming)
        await other.prepare_shop(SHOP, spoken_name="Tabac", address="12 rue Zola")
    else:
        path.unlink()
    with pytest.raises(ClipError):
        await clips.shop(SHOP)
    assert await clips.prepare_shop(SHOP, spoken_name="Tabac", address="12 rue Zola")
    assert await clips.shop(SHOP)


async def test_a_power_cut_leaves_the_old_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = hummed_clips(tmp_path)
    await clips.prepare_shop(SHOP, spoken_name="Tabac", address="12 rue Zola")
    before = await clips.shop(SHOP)

    def cut(*_: object) -> None:
        raise OSError("no power")

    monkeypatch.setattr(os, "fsync", cut)
    with pytest.raises(OSError, match="no power"):
        await clips.prepare_shop(SHOP, spoken_name="Bureau de tabac", address="12 rue Zola")
    assert await clips.shop(SHOP) == before
    assert files_in(tmp_path) == [f"{SHOP}.wav"]


async def test_forgetting_deletes_what_names_the_shop(tmp_path: Path) -> None:
    clips = hummed_clips(tmp_path)
    await clips.prepare_shop(SHOP, spoken_name="Tabac", address="12 rue Zola")
    clips.forget(SHOP)
    clips.forget(SHOP)
    assert files_in(tmp_path) == []


async def test_no_file_is_named_after_anybody(tmp_path: Path) -> None:
    clips = hummed_clips(tmp_path)
    await clips.prepare_shop(SHOP, spoken_name="Tabac", address="12 rue Zola")
    assert files_in(tmp_path) == [f"{SHOP}.wav"]


@pytest.mark.parametrize("key", ["", "../evil", "a/b", "A", "-x", "x" * 65, "é", "a.b", "a\n"])
async def test_a_key_neither_climbs_nor_hides(tmp_path: Path, key: str) -> None:
    clips = hummed_clips(tmp_path)
    with pytest.raises(ClipError):
        await clips.shop(key)
    with pytest.raises(ClipError):
        clips.forget(key)
    with pytest.raises(ClipError):
        await clips.prepare_shop(key, spoken_name="Tabac", address="")


def test_a_shop_s_key_comes_from_its_box() -> None:
    assert shop_clip_key("box-ab12cd34") == SHOP
    with pytest.raises(ClipError):
        shop_clip_key("Tabac de la Gare")


async def test_20000_damaged_files_are_refused(tmp_path: Path) -> None:
    async def short(sentences: Sequence[str], sample_rate_hz: int) -> AsyncIterator[bytes]:
        async for _ in humming(sentences, sample_rate_hz):
            yield b"\x01\x02" * 40

    clips = ClipStore(tmp_path, RATE_HZ, renderer=short)
    await clips.prepare_shop(SHOP, spoken_name="Tabac", address="12 rue Zola")
    whole = bytes_of(tmp_path / f"{SHOP}.wav")
    assert parse_clip(whole, RATE_HZ)[0] == b"\x01\x02" * 40
    rng = random.Random(6)
    for _ in range(20_000):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(len(data))] ^= rng.randrange(1, 256)
        if rng.random() < 0.3:
            del data[rng.randrange(len(data)) :]
        if data[:-_MARKS_BYTES] == whole[:-_MARKS_BYTES]:
            continue  # the words' fingerprint alone: rendered again, but whole
        with pytest.raises(ClipError):
            parse_clip(bytes(data), RATE_HZ)


_MARKS_BYTES = 32


def bytes_of(path: Path) -> bytes:
    return path.read_bytes()


# The real voice, in its own process.


async def test_the_voice_speaks_in_its_own_process() -> None:
    pcm = [pcm async for pcm in render(["Alerte.", "Incident vingt-trois."], 8000)]
    assert [0.3 < len(one) / 16000 < 3 for one in pcm] == [True, True]


async def test_the_same_words_sound_the_same_at_both_rates() -> None:
    low = [pcm async for pcm in render(["Alerte."], 8000)]
    high = [pcm async for pcm in render(["Alerte."], 16000)]
    assert len(high[0]) == pytest.approx(2 * len(low[0]), rel=0.05)


@pytest.mark.parametrize("unspeakable", ["", "...", "\x00"])
async def test_what_the_voice_cannot_say_is_told(unspeakable: str) -> None:
    with pytest.raises(SynthesisError):
        async for _ in render([unspeakable], 8000):
            pass


async def test_the_voice_s_process_ends_with_whoever_asked() -> None:
    words = render(["Un.", "Deux.", "Trois."], 8000)
    await anext(words)
    process_id = only_child()
    await words.aclose()
    assert not runs(process_id)


def runs(process_id: int) -> bool:
    return Path(f"/proc/{process_id}").exists()


def only_child() -> int:
    task = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    (child,) = [
        int(pid)
        for pid in task
        if b"vigibip.radio.synthesis" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    return child
