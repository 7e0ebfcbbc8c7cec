"""The first radio: any transmitter with a PTT line and an audio input.

One transmission is the 5-tone call, then the sentence, twice unless set otherwise. The line-in
brings the officers' DTMF back. Half duplex: while it transmits it hears nothing. It transmits on a
busy channel too: an alert does not wait for a conversation to end.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from vigibip.base.clock import Clock
from vigibip.radio.answer_grammar import AnswerGrammar
from vigibip.radio.audio import AlsaSink, AlsaSource, AudioSink, AudioSource, WavSink
from vigibip.radio.clips import ClipStore
from vigibip.radio.contract import (
    STAGE_AUDIO,
    STAGE_PTT,
    Announcement,
    Capabilities,
    Health,
    HeardAnswer,
    OnStage,
    RadioState,
    RelayOutcome,
    RelayResult,
)
from vigibip.radio.dtmf import DtmfDecoder
from vigibip.radio.errors import (
    AudioError,
    ClipError,
    CutShortError,
    PttError,
    RadioClosedError,
)
from vigibip.radio.link import BLOCK_S, UnixLink
from vigibip.radio.ptt import GpioPtt, NoPtt, Ptt
from vigibip.radio.settings import VoiceSettings
from vigibip.radio.speech import PHRASES, SHOP, is_number, plan
from vigibip.radio.tones import ToneStandard, selective_call, silence, tone

_log = logging.getLogger(__name__)

CLIP_MISSING = "clip-missing"
"""Fault: the shop's sentence was not there; a general one was spoken instead."""
VOICE_MISSING = "voice-missing"
"""Fault: some or all common clips are not there; tones stood in for what was missing."""
SENTENCE_CUT = "sentence-cut"
"""Fault: even one saying was longer than the longest transmission allowed."""
REASON_TOO_LONG = "the longest transmission allowed was reached"

_CALL_PAUSE_MS = 300
_WORD_PAUSE_MS = 50
_SENTENCE_PAUSE_MS = 250
_AGAIN_PAUSE_MS = 600
_SPARE_S = 1.0
"""Between what is planned and the watchdog: sound cards start and drain slowly."""
_ATTENTION_HZ = 1000
_ATTENTION_MS = 200
_TONE_DBFS = -6.0
_SHOP_CLIP_WAIT_S = 0.4
"""How long reading the shop's clip may take after the call has been played: a file is there in
milliseconds, and a disk that hangs must not keep the channel silent."""
_STREAM_GAP_S = 0.2
"""A longer pause between two blocks is a break in the stream: no tone spans it."""
_HOLD_S = 6.0
"""How long a repeated round waits for an officer who is keying his answer."""
_HOLD_STEP_S = 0.1
_ANSWERED_S = 1.0
"""After an answer the caller has this long to take back a round that it makes needless."""
_MAX_ANSWERS = 32
"""More unread answers than incidents an officer could answer: then somebody plays with keys."""


class AudioPort(AudioSink, AudioSource, Protocol):
    """Both ways in one object, as a link to a simulated channel is."""


class VoiceRadio:
    """The voice radio, under the contract `Radio`. `port` stands in for the settings' audio."""

    name = "voice"
    capabilities = Capabilities(two_way=True, max_text_chars=None, needs_ptt=True)

    def __init__(
        self,
        settings: VoiceSettings,
        clips: ClipStore,
        clock: Clock,
        *,
        port: AudioPort | None = None,
        ptt: Ptt | None = None,
    ) -> None:
        if clips.sample_rate_hz != settings.sample_rate_hz:
            raise ValueError("the clips were rendered at another sample rate")
        self._settings = settings
        self._rate_hz = settings.sample_rate_hz
        self._clips = clips
        self._clock = clock
        self._sink: AudioSink
        self._source: AudioSource | None
        self._sink, self._source = (port, port) if port else _ports(settings, clock)
        # One object may be both.
        self._ends = tuple(dict.fromkeys(end for end in (self._sink, self._source) if end))
        self._ptt = ptt or _ptt(settings)
        self._turn = asyncio.Lock()
        self._transmitting = False
        self._closed = False
        self.busy = False
        """Whether a disk is waited for: something that ends without the clock's time passing."""
        self._ear: asyncio.Task[None] | None = None
        self._decoder = DtmfDecoder(self._rate_hz)
        self._grammar = AnswerGrammar()
        self._answered_s: float | None = None
        self._answers: asyncio.Queue[HeardAnswer | None] = asyncio.Queue()

    @property
    def health(self) -> Health:
        parts: tuple[AudioSink | AudioSource | Ptt, ...] = (self._ptt, *self._ends)
        # What is known to be wrong tells more than what was never tried.
        for state in (RadioState.FAULTY, RadioState.ABSENT, RadioState.UNKNOWN):
            for part in parts:
                if part.health.state is state:
                    return part.health
        return Health(RadioState.READY)

    async def start(self) -> None:
        missing = await self._clips.load()
        if missing:
            _log.warning("%d common clips are missing", missing)
        # What the first alert would otherwise wait for: its call, and a PTT line that rests.
        self._call(self._settings.selcall)
        with contextlib.suppress(PttError):
            self._ptt.take()
        for end in self._ends:
            await end.start()
        if self._source is not None:
            self._ear = asyncio.create_task(self._listen(self._source))

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._answers.put_nowait(None)
        if self._ear is not None:
            self._ear.cancel()
            await asyncio.wait({self._ear})
        self._unkey()
        self._ptt.close()
        for end in self._ends:
            await end.close()

    async def next_answer(self) -> HeardAnswer:
        answer = await self._answers.get()
        if answer is None:
            self._answers.put_nowait(None)
            raise RadioClosedError("the radio is closed")
        return answer

    async def announce(self, announcement: Announcement, on_stage: OnStage) -> RelayOutcome:
        if announcement.round_no > 1:
            await self._hold_for_answer()
        async with self._turn:
            if self._closed:
                raise RadioClosedError("the radio is closed")
            try:
                self._key()
                on_stage(STAGE_PTT)
                return await self._guarded(announcement, on_stage)
            except CutShortError:
                return RelayOutcome(result=RelayResult.CUT_SHORT)
            except (AudioError, PttError) as error:
                _log.warning("transmission failed: %s", error)
                return RelayOutcome(result=RelayResult.FAILED, reason=str(error))
            finally:
                self._unkey()

    async def _hold_for_answer(self) -> None:
        """Let an officer finish keying: to repeat an alert over its own answer serves nobody."""
        until_s = self._clock.monotonic_s() + _HOLD_S
        while self._being_answered(now_s := self._clock.monotonic_s()) and now_s < until_s:
            await self._clock.sleep(_HOLD_STEP_S)

    def _being_answered(self, now_s: float) -> bool:
        just = self._answered_s is not None and now_s - self._answered_s < _ANSWERED_S
        return just or self._grammar.pending(now_s)

    def _key(self) -> None:
        self._transmitting = True
        # Whoever keyed an answer into our transmission was not heard to its end.
        self._grammar.reset()
        self._sink.key(True)
        self._ptt.assert_line()

    def _unkey(self) -> None:
        if not self._transmitting:
            return
        try:
            self._ptt.release()
        except PttError as error:
            _log.error("the transmitter may be stuck: %s", error)
        self._sink.key(False)
        self._transmitting = False

    async def _guarded(self, announcement: Announcement, on_stage: OnStage) -> RelayOutcome:
        """Speak, but never longer than the settings allow, whatever hangs."""
        speaking = asyncio.create_task(self._speak(announcement, on_stage))
        watchdog = asyncio.create_task(self._clock.sleep(self._settings.max_transmission_s))
        try:
            await asyncio.wait({speaking, watchdog}, return_when=asyncio.FIRST_COMPLETED)
            if speaking.done():
                return RelayOutcome(result=RelayResult.SENT, faults=speaking.result())
            self._unkey()
            return RelayOutcome(result=RelayResult.FAILED, reason=REASON_TOO_LONG)
        finally:
            self._unkey()
            for task in (speaking, watchdog):
                task.cancel()
            await asyncio.wait({speaking, watchdog})

    async def _speak(self, announcement: Announcement, on_stage: OnStage) -> tuple[str, ...]:
        """Send all the audio; return the faults."""
        faults: list[str] = []
        clips = plan(announcement)
        # The disk is read while the call is played.
        reading = asyncio.create_task(self._shop_clip(announcement.shop_clip))
        try:
            await self._sink.begin()
            if self._settings.ptt_lead_ms:
                await self._clock.sleep(self._settings.ptt_lead_ms / 1000)
            call = self._call(announcement.selcall or self._settings.selcall)
            first = 2 * round(BLOCK_S * self._rate_hz)
            await self._sink.write(call[:first])
            on_stage(STAGE_AUDIO)
            await self._sink.write(call[first:])
            shop = await self._shop_in_time(reading) if SHOP in clips else b""
            if shop is None:
                faults.append(CLIP_MISSING)
            sentence, complete = self._sentence(clips, shop)
            if not complete:
                faults.append(VOICE_MISSING)
            speech, whole = self._fitted(sentence, len(call))
            if not whole:
                faults.append(SENTENCE_CUT)
            await self._sink.write(speech)
            await self._sink.finish()
        finally:
            reading.cancel()
        return tuple(faults)

    def _call(self, selcall: str | None) -> bytes:
        if selcall is None:
            signal = _attention(self._rate_hz)
        else:
            signal = _selcall(selcall, self._settings.tone_standard, self._rate_hz)
        return signal + silence(_CALL_PAUSE_MS, self._rate_hz)

    async def _shop_clip(self, key: str) -> bytes | None:
        try:
            return await self._clips.shop(key)
        except ClipError:
            return None

    async def _shop_in_time(self, reading: asyncio.Task[bytes | None]) -> bytes | None:
        # The machine's own time, not the clock's: a disk is as slow as it is.
        self.busy = True
        try:
            await asyncio.wait({reading}, timeout=_SHOP_CLIP_WAIT_S)
        finally:
            self.busy = False
        return reading.result() if reading.done() else None

    def _sentence(self, clips: tuple[str, ...], shop: bytes | None) -> tuple[bytes, bool]:
        """One saying, and whether all its common clips were there."""
        wanted = ["unnamed" if key == SHOP and shop is None else key for key in clips]
        there = {key for key in wanted if key == SHOP or self._clips.common(key)}
        if not all(key in there for key in wanted if is_number(key)):
            # Half a number is another incident's number: rather none.
            there = {key for key in there if not is_number(key)}
        said = bytearray()
        for key in wanted:
            if key in there:
                said += (shop if key == SHOP else self._clips.common(key)) or b""
                said += silence(_pause_ms(key), self._rate_hz)
        return bytes(said) or self._call(None), len(there) == len(set(wanted))

    def _fitted(self, sentence: bytes, call_bytes: int) -> tuple[bytes, bool]:
        """The sentence as often as set, or once if that is too long; and whether it fits at all."""
        room_s = self._settings.max_transmission_s - self._settings.ptt_lead_ms / 1000 - _SPARE_S
        room = 2 * round(room_s * self._rate_hz) - call_bytes
        pause = silence(_AGAIN_PAUSE_MS, self._rate_hz)
        speech = pause.join([sentence] * self._settings.sayings)
        if len(speech) <= room:
            return speech, True
        return sentence[:room], len(sentence) <= room

    async def _listen(self, source: AudioSource) -> None:
        last_s = self._clock.monotonic_s()
        while True:
            pcm = await source.read()
            if self._transmitting:
                self._decoder.reset()
                continue
            now_s = self._clock.monotonic_s()
            if now_s - last_s > _STREAM_GAP_S:
                self._decoder.reset()
            last_s = now_s
            for digit in self._decoder.feed(pcm):
                answer = self._grammar.feed(digit.key, now_s)
                if answer is not None:
                    self._hear(answer)

    def _hear(self, answer: HeardAnswer) -> None:
        self._answered_s = answer.heard_monotonic_s
        if self._answers.qsize() >= _MAX_ANSWERS:
            _log.warning("answer dropped: %d are unread", _MAX_ANSWERS)
            return
        _log.info("answer heard for incident number %d", answer.number)
        self._answers.put_nowait(answer)


def _pause_ms(key: str) -> int:
    if key == SHOP or PHRASES[key].endswith("."):
        return _SENTENCE_PAUSE_MS
    return _WORD_PAUSE_MS


@lru_cache(maxsize=32)
def _selcall(digits: str, standard: ToneStandard, sample_rate_hz: int) -> bytes:
    return selective_call(digits, standard, sample_rate_hz, level_dbfs=_TONE_DBFS)


@lru_cache(maxsize=2)
def _attention(sample_rate_hz: int) -> bytes:
    return tone([(_ATTENTION_HZ, _TONE_DBFS)], _ATTENTION_MS, sample_rate_hz)


def _ports(settings: VoiceSettings, clock: Clock) -> tuple[AudioSink, AudioSource | None]:
    kind, _, where = settings.audio_out.partition(":")
    rate_hz = settings.sample_rate_hz
    if kind == "unix":
        link = UnixLink(Path(where), clock, rate_hz)
        if settings.audio_in in (None, settings.audio_out):
            return link, link
        sink: AudioSink = link
    elif kind == "alsa":
        sink = AlsaSink(where, rate_hz)
    else:
        sink = WavSink(Path(where), rate_hz)
    if settings.audio_in is None:
        return sink, None
    return sink, AlsaSource(settings.audio_in.partition(":")[2], rate_hz, clock)


def _ptt(settings: VoiceSettings) -> Ptt:
    if settings.ptt_gpio is None:
        return NoPtt()
    return GpioPtt(settings.ptt_gpio, active_high=settings.ptt_active_high)
