"""A radio that obeys the contract on any clock, and keeps what it was given to say."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from vigibip.base.clock import Clock
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
from vigibip.radio.errors import RadioClosedError

# As long as the voice radio takes for its call and one sentence.
_LEAD_S = 0.25
_SPOKEN_S = 8.0


@dataclass(frozen=True, slots=True)
class Spoken:
    """One transmission, and when its PTT was asserted."""

    ptt_s: float
    announcement: Announcement


class PaperRadio:
    """Writes down what it would have spoken; officers answer by `key`."""

    def __init__(self, clock: Clock) -> None:
        self.spoken: list[Spoken] = []
        self._clock = clock
        self._turn = asyncio.Lock()
        self._answers: asyncio.Queue[HeardAnswer | None] = asyncio.Queue()
        self._closed = False

    @property
    def name(self) -> str:
        return "paper"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(two_way=True, max_text_chars=None, needs_ptt=True)

    @property
    def health(self) -> Health:
        return Health(RadioState.READY)

    async def start(self) -> None:
        """Nothing has to be brought up."""

    async def announce(self, announcement: Announcement, on_stage: OnStage) -> RelayOutcome:
        async with self._turn:
            if self._closed:
                raise RadioClosedError("the radio is closed")
            self.spoken.append(Spoken(self._clock.monotonic_s(), announcement))
            on_stage(STAGE_PTT)
            await self._clock.sleep(_LEAD_S)
            on_stage(STAGE_AUDIO)
            await self._clock.sleep(_SPOKEN_S)
        return RelayOutcome(result=RelayResult.SENT)

    def key(self, number: int, code: str) -> None:
        """An officer keys his answer."""
        self._answers.put_nowait(HeardAnswer(number, code, self._clock.monotonic_s()))

    async def next_answer(self) -> HeardAnswer:
        answer = await self._answers.get()
        if answer is None:
            self._answers.put_nowait(None)
            raise RadioClosedError("the radio is closed")
        return answer

    async def close(self) -> None:
        self._closed = True
        self._answers.put_nowait(None)
