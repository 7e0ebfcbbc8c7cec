"""The voice radio: what goes on the air, when, and what it hears."""

import asyncio
import wave
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from gpiozero import PinFixedPull
from gpiozero.pins.mock import MockFactory, MockPin

from tests.radio.rig import RATE_HZ, SHOP, Rig, announcement, hummed_clips
from vigibip.radio.clips import ClipStore
from vigibip.radio.contract import RadioState, RelayOutcome, RelayResult
from vigibip.radio.errors import ClipError, RadioClosedError
from vigibip.radio.link import FrameType
from vigibip.radio.settings import VoiceSettings
from vigibip.radio.tones import ToneStandard, dtmf, selective_call, silence
from vigibip.radio.voice import (
    CLIP_MISSING,
    REASON_TOO_LONG,
    SENTENCE_CUT,
    VOICE_MISSING,
    VoiceRadio,
)

MakeRig = Callable[..., Rig]


@pytest.fixture
async def make(tmp_path: Path, clip_dir: Path) -> AsyncIterator[MakeRig]:
    made: list[Rig] = []

    def make(**changes: object) -> Rig:
        made.append(Rig(tmp_path, clip_dir, **changes))
        return made[-1]

    yield make
    for rig in made:
        await rig.close()


async def aired(rig: Rig, number: int = 1) -> bytes:
    """The PCM of a transmission, as recorded off the channel."""
    done = await rig.drive(rig.channel.wait_transmission(number))
    assert done.wav is not None
    with wave.open(str(done.wav)) as file:
        return file.readframes(file.getnframes())


async def announced(rig: Rig, **changes: object) -> RelayOutcome:
    return await rig.drive(rig.radio.announce(announcement(**changes), lambda _: None))


async def spoken(rig: Rig, *keys: str) -> list[bytes]:
    """The clips of these keys."""
    return [
        await rig.clips.shop(SHOP) if key == "shop" else rig.clips.common(key) or b""
        for key in keys
    ]


def in_order(pcm: bytes, parts: list[bytes]) -> bool:
    """Whether all parts are found in `pcm`, one after the other."""
    start = 0
    for part in parts:
        start = pcm.find(part, start)
        if start < 0:
            return False
        start += len(part)
    return True


@pytest.mark.parametrize("sayings", [None, 1, 3])
async def test_the_call_then_the_sentence_as_often_as_set(
    make: MakeRig, sayings: int | None
) -> None:
    rig = make(selcall="12344", **({} if sayings is None else {"sayings": sayings}))
    await rig.radio.start()
    assert (await announced(rig)).result is RelayResult.SENT
    pcm = await aired(rig)
    call = selective_call("12344", ToneStandard.CCIR, RATE_HZ)
    assert pcm.startswith(call)
    sentence = await spoken(rig, "alert", "shop", "incident", "n-23")
    times = 2 if sayings is None else sayings
    assert in_order(pcm[len(call) :], sentence * times)
    assert not in_order(pcm[len(call) :], sentence * (times + 1))


async def test_without_a_call_a_tone_opens_the_ears(rig: Rig) -> None:
    await announced(rig)
    pcm = await aired(rig)
    assert any(pcm[:400])
    assert in_order(pcm, await spoken(rig, "alert", "shop", "incident", "n-23"))


async def test_an_announcement_s_own_call_goes_before_the_setting(make: MakeRig) -> None:
    rig = make(selcall="12344", tone_standard="ZVEI1")
    await rig.radio.start()
    await announced(rig, selcall="98700")
    assert (await aired(rig)).startswith(selective_call("98700", ToneStandard.ZVEI1, RATE_HZ))


async def test_a_repeated_round_says_so_and_three_digits_are_joined(rig: Rig) -> None:
    await announced(rig, round_no=3, number=123, joined_presses=1, age_s=720)
    keys = ("reminder", "alert", "shop", "incident", "hundred-1", "n-23", "again", "age-m-12")
    assert in_order(await aired(rig), await spoken(rig, *keys))


async def test_a_digest_names_no_shop(rig: Rig) -> None:
    outcome = await announced(rig, digest_of=5, shop_clip="shop-unknown")
    assert outcome == RelayOutcome(result=RelayResult.SENT)
    assert in_order(await aired(rig), await spoken(rig, "digest", "n-5", "waiting"))


async def test_a_missing_shop_clip_is_replaced_and_told(rig: Rig) -> None:
    outcome = await announced(rig, shop_clip="shop-box-other")
    assert outcome == RelayOutcome(result=RelayResult.SENT, faults=(CLIP_MISSING,))
    keys = ("alert", "unnamed", "incident", "n-23")
    assert in_order(await aired(rig), await spoken(rig, *keys))


async def test_a_disk_that_hangs_keeps_no_alert_waiting(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs(self: ClipStore, key: str) -> bytes:
        await asyncio.Event().wait()
        raise ClipError("never")

    monkeypatch.setattr(ClipStore, "shop", hangs)
    assert CLIP_MISSING in (await announced(rig)).faults
    assert in_order(await aired(rig), await spoken(rig, "alert", "unnamed", "incident", "n-23"))


async def test_without_any_clip_the_call_still_goes_out(tmp_path: Path, make: MakeRig) -> None:
    rig = make(selcall="12344")
    rig.radio = VoiceRadio(
        rig.settings, hummed_clips(tmp_path / "none"), rig.clock, port=rig.channel.port()
    )
    await rig.radio.start()
    outcome = await announced(rig)
    assert outcome.result is RelayResult.SENT
    assert set(outcome.faults) == {CLIP_MISSING, VOICE_MISSING}
    pcm = await aired(rig)
    assert pcm.startswith(selective_call("12344", ToneStandard.CCIR, RATE_HZ))
    assert any(pcm[16000:])


async def test_half_a_number_is_never_spoken(rig: Rig) -> None:
    del rig.clips._common["n-23"]
    outcome = await announced(rig, number=123)
    assert outcome.faults == (VOICE_MISSING,)
    pcm = await aired(rig)
    assert in_order(pcm, await spoken(rig, "alert", "shop", "incident"))
    assert not in_order(pcm, await spoken(rig, "hundred-1"))


async def test_too_long_for_two_sayings_is_said_once(make: MakeRig) -> None:
    rig = make(max_transmission_s=5)
    await rig.radio.start()
    assert await announced(rig) == RelayOutcome(result=RelayResult.SENT)
    pcm = await aired(rig)
    sentence = await spoken(rig, "alert", "shop", "incident", "n-23")
    assert in_order(pcm, sentence)
    assert len(pcm) < 2 * RATE_HZ * 5


async def test_too_long_for_one_saying_is_cut_and_told(make: MakeRig) -> None:
    rig = make(max_transmission_s=5, ptt_lead_ms=2000, selcall="123451234512345")
    await rig.radio.start()
    outcome = await announced(rig, joined_presses=776, age_s=None)
    assert outcome == RelayOutcome(result=RelayResult.SENT, faults=(SENTENCE_CUT,))
    done = await rig.drive(rig.channel.wait_transmission(1))
    assert done.ptt_off_s - done.ptt_on_s <= 5


async def test_audio_keeps_the_pace_of_speech(rig: Rig) -> None:
    await announced(rig)
    done = await rig.drive(rig.channel.wait_transmission(1))
    seconds = len(await aired(rig)) / (2 * RATE_HZ)
    assert done.ptt_off_s - done.ptt_on_s == pytest.approx(seconds, abs=0.05)


async def test_the_lead_lies_between_ptt_and_audio(make: MakeRig, pins: MockFactory) -> None:
    rig = make(ptt_gpio=27, ptt_lead_ms=250)
    await rig.radio.start()
    stages = []

    def on_stage(stage: str) -> None:
        stages.append((stage, rig.clock.monotonic_s(), pins.pin(27).state))

    await rig.drive(rig.radio.announce(announcement(), on_stage))
    (ptt, ptt_s, ptt_level), (audio, audio_s, audio_level) = stages
    assert (ptt, audio) == ("ptt", "audio")
    assert audio_s - ptt_s == pytest.approx(0.25)
    assert (ptt_level, audio_level) == (1, 1)
    done = await rig.drive(rig.channel.wait_transmission(1))
    assert done.ptt_on_s == ptt_s
    assert done.first_audio_s == audio_s


async def test_each_transmission_keys_the_line_once(make: MakeRig, pins: MockFactory) -> None:
    rig = make(ptt_gpio=27)
    await rig.radio.start()
    pin = pins.pin(27)
    for number in (1, 2):
        await announced(rig, number=number)
    assert [state.state for state in pin.states][-5:] == [0, 1, 0, 1, 0]
    await rig.radio.close()
    assert pin.function == "input"


async def test_an_active_low_line_rests_high(make: MakeRig, pins: MockFactory) -> None:
    rig = make(ptt_gpio=17, ptt_active_high=False)
    await rig.radio.start()
    assert pins.pin(17).state == 1
    levels: list[int] = []
    await rig.drive(rig.radio.announce(announcement(), lambda _: levels.append(pins.pin(17).state)))
    assert levels == [0, 0]
    assert pins.pin(17).state == 1


async def test_a_line_that_fails_fails_the_transmission(
    make: MakeRig, pins: MockFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make(ptt_gpio=27)
    await rig.radio.start()

    def broken(*_: object) -> None:
        raise PinFixedPull("broken")

    with monkeypatch.context() as patch:
        patch.setattr(MockPin, "_set_state", broken)
        outcome = await announced(rig)
    assert outcome.result is RelayResult.FAILED
    assert "GPIO27" in (outcome.reason or "")
    assert rig.radio.health.state is RadioState.FAULTY
    assert not rig.channel.on_air
    assert (await announced(rig)).result is RelayResult.SENT
    assert rig.radio.health.state is RadioState.READY


@pytest.mark.parametrize("hangs", ["begin", "write", "finish"])
async def test_audio_that_hangs_does_not_hold_the_channel(
    make: MakeRig, pins: MockFactory, monkeypatch: pytest.MonkeyPatch, hangs: str
) -> None:
    rig = make(ptt_gpio=27, max_transmission_s=30)
    await rig.radio.start()

    async def forever(*_: object) -> None:
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(rig.radio._sink, hangs, forever)
        begun_s = rig.clock.monotonic_s()
        outcome = await announced(rig)
    assert outcome == RelayOutcome(result=RelayResult.FAILED, reason=REASON_TOO_LONG)
    assert rig.clock.monotonic_s() - begun_s == pytest.approx(30, abs=0.1)
    assert pins.pin(27).state == 0
    assert (await announced(rig)).result is RelayResult.SENT


async def test_a_caller_s_mistake_releases_the_line(make: MakeRig, pins: MockFactory) -> None:
    rig = make(ptt_gpio=27)
    await rig.radio.start()

    def mistaken(stage: str) -> None:
        raise LookupError(stage)

    with pytest.raises(LookupError):
        await rig.drive(rig.radio.announce(announcement(), mistaken))
    assert pins.pin(27).state == 0
    assert not rig.channel.on_air


async def test_a_channel_may_cut_a_transmission_short(rig: Rig) -> None:
    rig.channel._cut_short = True
    stages: list[str] = []
    begun_s = rig.clock.monotonic_s()
    outcome = await rig.drive(rig.radio.announce(announcement(), stages.append))
    assert outcome == RelayOutcome(result=RelayResult.CUT_SHORT)
    assert stages == ["ptt", "audio"]
    assert rig.clock.monotonic_s() - begun_s < 0.1
    done = await rig.drive(rig.channel.wait_transmission(1))
    assert done.cut_short
    assert done.first_audio_s is not None


# What it hears.


async def test_it_hears_nothing_while_it_transmits(rig: Rig) -> None:
    task = asyncio.create_task(rig.radio.announce(announcement(), lambda _: None))
    await rig.until(lambda: rig.channel.on_air)
    # A full-duplex sound card: the receiver's audio is there all the same.
    port = rig.radio._source
    assert port is not None
    for start in range(0, len(KEYED), 320):
        port.take(FrameType.PCM, KEYED[start : start + 320])  # type: ignore[attr-defined]
        await rig.clock.advance(0.02)
    await rig.drive(task)
    await rig.answers(7, "2222")
    heard = await rig.drive(rig.radio.next_answer())
    assert (heard.number, heard.code) == (7, "2222")


KEYED = silence(20, RATE_HZ) + dtmf("23*4711#", RATE_HZ, tone_ms=60, pause_ms=60)


async def test_half_an_answer_before_a_transmission_is_forgotten(rig: Rig) -> None:
    assert await rig.drive(rig.channel.key_digits("23*47"))
    await announced(rig)
    assert await rig.drive(rig.channel.key_digits("11#"))
    await rig.answers(7, "2222")
    assert (await rig.drive(rig.radio.next_answer())).number == 7


async def test_noise_on_the_channel_is_borne(tmp_path: Path, make: MakeRig) -> None:
    rig = make()
    rig.channel._noise_dbfs = -24
    await rig.radio.start()
    await rig.answers(23, "4711")
    assert (await rig.drive(rig.radio.next_answer())).code == "4711"


async def test_an_answer_tells_when_it_was_heard(rig: Rig) -> None:
    await rig.clock.advance(100)
    await rig.answers(23, "4711")
    now_s = rig.clock.monotonic_s()
    heard = await rig.drive(rig.radio.next_answer())
    assert 100 < heard.heard_monotonic_s < now_s


async def test_unread_answers_are_bounded(rig: Rig) -> None:
    answers = "".join(f"{number}*0000#" for number in range(1, 41))
    assert await rig.drive(rig.channel.key_digits(answers, tone_ms=50, pause_ms=50))
    heard = []
    while rig.radio._answers.qsize():
        heard.append((await rig.radio.next_answer()).number)
    assert heard == list(range(1, 33))
    await rig.answers(50, "1111")
    assert (await rig.drive(rig.radio.next_answer())).number == 50


async def test_a_repeated_round_lets_an_officer_finish_keying(rig: Rig) -> None:
    keying = asyncio.create_task(rig.channel.key_answer(23, "47110000", tone_ms=150, pause_ms=250))
    await rig.clock.advance(1)
    repeated = asyncio.create_task(rig.radio.announce(announcement(round_no=2), lambda _: None))
    assert await rig.drive(keying)
    assert (await rig.drive(rig.radio.next_answer())).code == "47110000"
    assert (await rig.drive(repeated)).result is RelayResult.SENT


async def test_a_first_round_waits_for_nobody(rig: Rig) -> None:
    keying = asyncio.create_task(rig.channel.key_answer(23, "47110000"))
    await rig.clock.advance(1)
    begun_s = rig.clock.monotonic_s()
    stages: list[float] = []
    task = asyncio.create_task(
        rig.radio.announce(announcement(), lambda _: stages.append(rig.clock.monotonic_s()))
    )
    assert not await rig.drive(keying)
    assert stages[0] == begun_s
    await rig.drive(task)


async def test_whoever_only_begins_to_key_holds_up_nothing_for_long(rig: Rig) -> None:
    await rig.drive(rig.channel.key_digits("2"))
    begun_s = rig.clock.monotonic_s()
    stages: list[float] = []
    await rig.drive(
        rig.radio.announce(
            announcement(round_no=2), lambda _: stages.append(rig.clock.monotonic_s())
        )
    )
    assert stages[0] - begun_s <= 6.2


async def test_a_break_in_the_stream_parts_digits(rig: Rig) -> None:
    """A squelch that closes within a tone, and opens within the next one."""
    port = rig.radio._source
    assert port is not None
    half = dtmf("5", RATE_HZ, tone_ms=60, pause_ms=0)
    for _ in range(2):
        port.take(FrameType.PCM, half)  # type: ignore[attr-defined]
        await rig.clock.advance(1)
    assert await rig.drive(rig.channel.key_digits("*1234#"))
    assert (await rig.drive(rig.radio.next_answer())).number == 55


def test_clips_of_another_rate_are_refused(tmp_path: Path, make: MakeRig) -> None:
    settings = VoiceSettings(audio_out="wav:/nowhere", sample_rate_hz=16000, ptt_gpio=None)
    with pytest.raises(ValueError, match="rate"):
        VoiceRadio(settings, hummed_clips(tmp_path), make().clock)


async def test_a_round_that_was_answered_while_it_waited_can_be_taken_back(rig: Rig) -> None:
    assert await rig.drive(rig.channel.key_digits("23*47"))
    stages: list[str] = []
    repeated = asyncio.create_task(rig.radio.announce(announcement(round_no=2), stages.append))
    assert await rig.drive(rig.channel.key_digits("11#"))
    assert (await rig.drive(rig.radio.next_answer())).code == "4711"
    repeated.cancel()
    await rig.clock.advance(20)
    assert repeated.cancelled()
    assert stages == []
    assert not rig.channel.transmissions
    assert (await announced(rig)).result is RelayResult.SENT


async def test_closing_ends_a_round_that_waits(rig: Rig) -> None:
    assert await rig.drive(rig.channel.key_digits("23*47"))
    repeated = asyncio.create_task(rig.radio.announce(announcement(round_no=2), lambda _: None))
    await rig.clock.advance(0.5)
    await rig.radio.close()
    with pytest.raises(RadioClosedError):
        await rig.drive(repeated)
