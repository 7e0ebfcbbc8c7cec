"""What is done about each cause: wait for a person, wait for the port, or climb the ladder."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from vigibip.base.clock import Clock
from vigibip.modem.causes import SUSPECT
from vigibip.modem.channel import Channel
from vigibip.modem.contract import ModemCause, ModemError, ModemState
from vigibip.modem.ladder import Ladder, Rung, Rungs
from vigibip.modem.lines import ResetLines
from vigibip.modem.profiles import Profile

_log = logging.getLogger(__name__)

# How soon a SIM that a person has mended is noticed.
_PERSON_S = 20.0

STATE_OF = {
    ModemCause.NO_SIM: ModemState.NO_SIM,
    ModemCause.SIM_PIN: ModemState.SIM_PIN,
    ModemCause.PIN_WRONG: ModemState.SIM_PIN,
    ModemCause.SIM_PUK: ModemState.SIM_PUK,
    ModemCause.SIM_LOCKED: ModemState.SIM_FAILURE,
    ModemCause.SIM_WRONG: ModemState.SIM_FAILURE,
    ModemCause.SIM_FAILURE: ModemState.SIM_FAILURE,
    ModemCause.SIM_BUSY: ModemState.SIM_BUSY,
    ModemCause.DENIED: ModemState.DENIED,
    ModemCause.SEARCHING: ModemState.SEARCHING,
    ModemCause.ABSENT: ModemState.ABSENT,
}
"""Causes that have a state of their own, which is told whatever the ladder does."""

_NEEDS_A_PERSON = frozenset(
    {
        *(ModemCause.SIM_PIN, ModemCause.PIN_WRONG, ModemCause.SIM_PUK),
        *(ModemCause.SIM_LOCKED, ModemCause.SIM_WRONG),
    }
)
"""No reset helps, and one more PIN could lock the SIM."""

Tell = Callable[[ModemState, ModemCause, str], None]
Opened = Callable[[float], Awaitable[bool]]


class Mender:
    """Mends one modem. `tell` is given the health meanwhile; `opened` tries the port for so many
    seconds and returns whether it is open."""

    def __init__(
        self, clock: Clock, channel: Channel, lines: ResetLines, *, tell: Tell, opened: Opened
    ) -> None:
        self._clock = clock
        self._channel = channel
        self._tell = tell
        self._opened = opened
        self._has_lines = lines.has_pwrkey or lines.has_power
        self._rungs = Rungs(clock, channel, lines)
        self._wired = self._rungs.wired()
        self._ladder = Ladder(self._wired)

    @property
    def rungs(self) -> int:
        """How many rungs this installation has."""
        return len(self._wired)

    def recovered(self) -> None:
        """The modem is well."""
        self._ladder.recovered(self._clock.monotonic_s())

    async def mend(self, error: ModemError, profile: Profile) -> None:
        """Climb until something may have helped against `error`; the caller then tries again."""
        cause = error.cause
        _log.warning("mending: %s", error)
        if cause in (ModemCause.STARTING, ModemCause.CLOSED):
            return
        if cause in _NEEDS_A_PERSON:
            self._tell(STATE_OF[cause], cause, error.code)
            await self._clock.sleep(_PERSON_S)
            return
        if cause is ModemCause.ABSENT and not self._has_lines:
            # Nothing but waiting brings a port back, and that is what the caller does.
            return
        self._channel.reserve(ModemCause.HUNG)
        try:
            while not await self._climb(error, profile):
                pass
        finally:
            self._channel.release()

    async def _climb(self, error: ModemError, profile: Profile) -> bool:
        """Do the next rung; False when it surely did not help."""
        cause = error.cause
        now_s = self._clock.monotonic_s()
        at_least = _at_least(cause)
        if cause in SUSPECT and self._ladder.climbing(now_s):
            # Whether a rung helped against refusals only the next SMS tells, which may take its
            # time: one by one the rungs would not be done within 90 s.
            at_least = self._wired[-1]
        step = self._ladder.next_step(now_s, at_least)
        state = ModemState.FAULTY if step.again else ModemState.HUNG
        shown = ModemCause.FAULTY if step.again else ModemCause.HUNG
        if cause in STATE_OF:
            state, shown = STATE_OF[cause], cause
        if step.rest_s > 0:
            self._tell(state, shown, f"{error}; every rung was tried")
            if cause is not ModemCause.ABSENT:
                await self._clock.sleep(step.rest_s)
            elif await self._opened(step.rest_s):
                return True
        self._tell(state, shown, f"{error}; {step.rung.name.lower()}")
        helped = await self._rungs.do(step.rung, profile)
        # A reset that was not answered may yet have been heard; where nothing harder is wired, the
        # modem is given the time of a start.
        return helped or (step.rung is Rung.SOFT_RESET and step.rung is self._wired[-1])


def _at_least(cause: ModemCause) -> Rung:
    """Return the first rung that could help against `cause`."""
    if cause in (ModemCause.SILENT, ModemCause.NO_PROMPT, ModemCause.NONSENSE):
        return Rung.RESYNC
    if cause is ModemCause.ABSENT:
        # A port that is not there takes no command.
        return Rung.PWRKEY
    return Rung.SOFT_RESET
