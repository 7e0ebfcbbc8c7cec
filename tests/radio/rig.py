"""A voice radio on a simulated channel in driven time, and clips that need no voice."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from vigibip.base.clock import DrivenClock
from vigibip.radio.channel import SimulatedChannel
from vigibip.radio.clips import ClipStore
from vigibip.radio.contract import Announcement
from vigibip.radio.settings import VoiceSettings
from vigibip.radio.tones import tone
from vigibip.radio.voice import VoiceRadio

T = TypeVar("T")
SHOP = "shop-box-ab12cd34"
RATE_HZ = 8000


async def humming(sentences: Sequence[str], sample_rate_hz: int) -> AsyncIterator[bytes]:
    """Stands in for the voice: a hum as long as the sentence."""
    for sentence in sentences:
        yield tone([(440, -20)], 10 * len(sentence), sample_rate_hz)


def hummed_clips(directory: Path) -> ClipStore:
    return ClipStore(directory, RATE_HZ, renderer=humming)


def announcement(**changes: object) -> Announcement:
    plain: dict[str, object] = {
        "incident_id": "incident-1",
        "number": 23,
        "shop_clip": SHOP,
        "text": "Alerte. Tabac de la Gare, 12 rue des Lilas. Incident 23.",
    }
    return Announcement(**(plain | changes))  # type: ignore[arg-type]


class Rig:
    """What a radio's contract tests need; a later radio brings its own."""

    def __init__(self, directory: Path, clip_dir: Path, **changes: object) -> None:
        self.clock = DrivenClock(settle=self._settle)
        self.clips = hummed_clips(clip_dir)
        self.channel = SimulatedChannel(self.clock, directory / "air", RATE_HZ)
        plain: dict[str, object] = {"audio_out": "unix:unused", "ptt_gpio": None, "ptt_lead_ms": 0}
        self.settings = VoiceSettings.model_validate(plain | changes)
        self.radio = VoiceRadio(self.settings, self.clips, self.clock, port=self.channel.port())

    async def _settle(self) -> None:
        await self.clock.run_ready()
        while self.radio.busy or self.channel.busy:  # noqa: ASYNC110 - a disk, no event of ours
            await asyncio.sleep(0)
        await self.clock.run_ready()

    async def drive(self, awaitable: Awaitable[T], limit_s: float = 120) -> T:
        """Let the clock run until `awaitable` is done."""
        task = asyncio.ensure_future(awaitable)
        end_s = self.clock.monotonic_s() + limit_s
        await self._settle()
        while not task.done():
            assert self.clock.monotonic_s() < end_s, "not done within the driven time"
            await self.clock.advance(0.02)
        return task.result()

    async def until(self, condition: Callable[[], bool], limit_s: float = 120) -> None:
        end_s = self.clock.monotonic_s() + limit_s
        while not condition():
            assert self.clock.monotonic_s() < end_s, "never came about"
            await self.clock.advance(0.02)

    # What the contract's suite asks of a rig.

    async def answers(self, number: int, code: str) -> None:
        """An officer answers, and the radio can hear it."""
        assert await self.drive(self.channel.key_answer(number, code))

    async def vanish(self) -> None:
        """The radio is no longer there."""
        await self.radio._sink.close()

    def transmits(self) -> bool:
        return self.channel.on_air

    async def close(self) -> None:
        await self.radio.close()
        await self.channel.close()
