"""The reset ladder: which rung comes next, and how each is done.

Resynchronise, reset command, PWRKEY, power. What does not help is followed by the next rung; after
the last one it begins again, with a growing rest, for ever. What relapses soon after it was
recovered goes on where the ladder stood.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import IntEnum

from vigibip.base.clock import Clock
from vigibip.modem.channel import Channel, Priority
from vigibip.modem.contract import ModemError
from vigibip.modem.grammar import Command
from vigibip.modem.lines import LineError, ResetLines
from vigibip.modem.profiles import Profile

_log = logging.getLogger(__name__)

_RELAPSE_S = 60.0
_REST_FIRST_S = 15.0
_REST_MAX_S = 300.0
_POWER_OFF_S = 2.0
_RESET_SAID_S = 2.0
# A modem that was reset goes on talking for a moment before it goes silent.
_GOING_DOWN_S = 3.0


class Rung(IntEnum):
    RESYNC = 0
    SOFT_RESET = 1
    PWRKEY = 2
    POWER = 3


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next: rest first, then the rung. `again`: every rung was tried before."""

    rung: Rung
    rest_s: float
    again: bool


class Ladder:
    """Keeps its place. Sans-IO: the caller tells the time and does the steps."""

    def __init__(self, rungs: tuple[Rung, ...]) -> None:
        self._rungs = rungs
        self._last: Rung | None = None
        self._rounds = 0
        self._recovered_s: float | None = None

    @property
    def exhausted(self) -> bool:
        """Whether every rung was tried without success since it was last well."""
        return self._rounds > 0

    def climbing(self, now_s: float) -> bool:
        """Whether a rung was tried and it has not been well for long since."""
        relapse = self._recovered_s is None or now_s - self._recovered_s <= _RELAPSE_S
        return self._last is not None and relapse

    def next_step(self, now_s: float, at_least: Rung = Rung.RESYNC) -> Step:
        """Return what comes next; `at_least` leaves out the rungs that cannot help."""
        if not self.climbing(now_s):
            self._last, self._rounds = None, 0
        self._recovered_s = None
        higher = [
            rung
            for rung in self._rungs
            if rung >= at_least and (self._last is None or rung > self._last)
        ]
        if higher:
            self._last = higher[0]
            return Step(higher[0], 0.0, self.exhausted)
        rest_s = min(_REST_MAX_S, _REST_FIRST_S * 2.0 ** min(self._rounds, 16))
        self._rounds += 1
        self._last = min(
            (rung for rung in self._rungs if rung >= at_least), default=self._rungs[-1]
        )
        return Step(self._last, rest_s, True)

    def recovered(self, now_s: float) -> None:
        """It is well; told again, it stays the first moment that counts."""
        if self._recovered_s is None:
            self._recovered_s = now_s


class Rungs:
    """Does the steps. Every one ends within its time and raises nothing: the next one follows."""

    def __init__(self, clock: Clock, channel: Channel, lines: ResetLines) -> None:
        self._clock = clock
        self._channel = channel
        self._lines = lines

    def wired(self) -> tuple[Rung, ...]:
        """Return the rungs that this installation has."""
        found = [Rung.RESYNC, Rung.SOFT_RESET]
        if self._lines.has_pwrkey:
            found.append(Rung.PWRKEY)
        if self._lines.has_power:
            found.append(Rung.POWER)
        return tuple(found)

    async def do(self, rung: Rung, profile: Profile) -> bool:
        """Do `rung`; False when it surely did not help."""
        self._channel.counts[f"rung-{rung.name.lower()}"] += 1
        if rung is Rung.RESYNC:
            return await self._channel.resync()
        try:
            if rung is Rung.SOFT_RESET:
                return await self._soft_reset(profile)
            if rung is Rung.PWRKEY:
                await self._press_off_and_on(profile)
            else:
                await self._power_cycle(profile)
        except LineError as error:
            _log.warning("the reset line failed: %s", error)
            return False
        return True

    async def _soft_reset(self, profile: Profile) -> bool:
        for text in dict.fromkeys((profile.soft_reset, "AT+CFUN=1,1")):
            try:
                await self._channel.run(
                    Command(text), limit_s=_RESET_SAID_S, priority=Priority.LADDER
                )
            except ModemError as error:
                _log.debug("reset command: %s", error)
            else:
                await self._clock.sleep(_GOING_DOWN_S)
                return True
        return False

    async def _press_off_and_on(self, profile: Profile) -> None:
        try:
            self._lines.pwrkey(True)
            await self._clock.sleep(profile.pwrkey_off_s)
        finally:
            self._lines.pwrkey(False)
        await self._clock.sleep(profile.off_s)
        await self._press_on(profile)

    async def _power_cycle(self, profile: Profile) -> None:
        try:
            self._lines.power(False)
            await self._clock.sleep(_POWER_OFF_S)
        finally:
            # Whatever happens, it is not left without power.
            self._lines.power(True)
        await self._clock.sleep(_GOING_DOWN_S)
        if self._lines.has_pwrkey:
            await self._press_on(profile)

    async def _press_on(self, profile: Profile) -> None:
        try:
            self._lines.pwrkey(True)
            await self._clock.sleep(profile.pwrkey_on_s)
        finally:
            self._lines.pwrkey(False)
