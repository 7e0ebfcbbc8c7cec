"""The one contract that every radio system obeys, and the words it is spoken in."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

STAGE_PTT = "ptt"
"""The radio transmits: its PTT is asserted, or its message was handed to the terminal."""
STAGE_AUDIO = "audio"
"""The first audio, or the message's first byte, was written."""

MAX_NUMBER = 999
SHOP_CLIP_PATTERN = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
"""A clip's key: it becomes part of a file's name, so it can neither hide nor climb."""
_SELCALL_PATTERN = re.compile(r"[0-9]{1,15}")

OnStage = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """One transmission about one incident. Raises ValueError on anything out of range.

    `number` is what officers answer with: 1-99, or three digits when more are open. `shop_clip`
    is the key of the shop's pre-rendered sentence. `text` is the same in French for radios that
    show text. `age_s` is the time since the press: None means unknown, and that is said.
    `selcall` None means the radio's own setting. `digest_of` n > 1 makes it one digest of n old
    incidents: then neither number nor shop is spoken.
    """

    incident_id: str
    number: int
    shop_clip: str
    text: str
    round_no: int = 1
    joined_presses: int = 0
    age_s: int | None = 0
    selcall: str | None = None
    digest_of: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.number <= MAX_NUMBER:
            raise ValueError(f"incident number {self.number} is not 1-{MAX_NUMBER}")
        if not SHOP_CLIP_PATTERN.fullmatch(self.shop_clip):
            raise ValueError("shop_clip is not a clip's key")
        if self.round_no < 1 or self.joined_presses < 0:
            raise ValueError("round_no is at least 1 and joined_presses at least 0")
        if self.age_s is not None and self.age_s < 0:
            raise ValueError("age_s is negative")
        if self.selcall is not None and not _SELCALL_PATTERN.fullmatch(self.selcall):
            raise ValueError("selcall is 1 to 15 digits")
        if self.digest_of is not None and self.digest_of < 2:
            raise ValueError("a digest sums up at least two incidents")


@dataclass(frozen=True, slots=True)
class HeardAnswer:
    """An officer's answer as it was heard. Its code is a claim: the post verifies it."""

    number: int
    code: str
    heard_monotonic_s: float


class RelayResult(Enum):
    """How a transmission ended."""

    SENT = "sent"
    FAILED = "failed"
    CUT_SHORT = "cut short"


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayOutcome:
    """The end of one transmission. SENT means put on the air, never heard by anybody.

    `reason` says why it failed. `faults` names what was wrong though it went out, such as
    "clip-missing".
    """

    result: RelayResult
    reason: str | None = None
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a radio system can do. `max_text_chars` None means that it carries no text."""

    two_way: bool
    max_text_chars: int | None
    needs_ptt: bool


class RadioState(Enum):
    """READY; ABSENT: nothing answers there; FAULTY: it is there and fails; UNKNOWN: not tried."""

    READY = "ready"
    ABSENT = "absent"
    FAULTY = "faulty"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Health:
    """A radio's state, and what a technician needs to know about it."""

    state: RadioState
    reason: str | None = None


class Radio(Protocol):
    """One radio system. All methods belong to one event loop."""

    @property
    def name(self) -> str:
        """The system's short name, for records and metrics."""
        ...

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def health(self) -> Health: ...

    async def start(self) -> None:
        """Begin to serve; return even if the radio is absent, which is then tried again."""
        ...

    async def announce(self, announcement: Announcement, on_stage: OnStage) -> RelayOutcome:
        """Put one announcement on the air and return when it has ended.

        `on_stage` is called synchronously at the instant of each stage. Concurrent calls take
        turns, first come first served. A radio's failure is an outcome, never an exception.
        Raises RadioClosedError once closed.
        """
        ...

    async def next_answer(self) -> HeardAnswer:
        """Wait for the next answer heard on the air. Raises RadioClosedError once closed."""
        ...

    async def close(self) -> None:
        """Stop transmitting, release what is held; harmless when repeated."""
        ...
