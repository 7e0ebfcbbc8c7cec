"""What the voice radio is told about the installation."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from vigibip.base.config import Settings
from vigibip.radio.tones import ToneStandard

_Output = Annotated[str, Field(pattern=r"^(wav|alsa|unix):.+$")]
_Input = Annotated[str, Field(pattern=r"^(alsa|unix):.+$")]


class VoiceSettings(Settings):
    """One voice radio: its audio, its PTT line and its selective call.

    `audio_out`: "alsa:DEVICE", "unix:PATH" (a simulated channel) or "wav:DIRECTORY". `audio_in`:
    None means the link itself for unix, and deaf for the others. `ptt_gpio`: a BCM number, or
    None where the radio keys itself (VOX) or the link carries the PTT. `selcall` None means none.
    """

    audio_out: _Output
    audio_in: _Input | None = None
    ptt_gpio: Annotated[int, Field(ge=0, le=27)] | None = 27
    ptt_active_high: bool = True
    ptt_lead_ms: Annotated[int, Field(ge=0, le=2000)] = 250
    selcall: Annotated[str, Field(pattern=r"^[0-9]{1,15}$")] | None = None
    tone_standard: ToneStandard = ToneStandard.CCIR
    sayings: Annotated[int, Field(ge=1, le=3)] = 2
    """How often the sentence is said within one transmission."""
    max_transmission_s: Annotated[int, Field(ge=5, le=180)] = 60
    sample_rate_hz: Literal[8000, 16000] = 8000

    @model_validator(mode="after")
    def _one_link(self) -> Self:
        unix_in = self.audio_in is not None and self.audio_in.startswith("unix:")
        if unix_in and self.audio_in != self.audio_out:
            raise ValueError("audio_in: a unix link carries both ways, so it is audio_out too")
        return self
