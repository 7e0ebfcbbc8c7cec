"""The SIM: is it there, does it want a PIN, and may that PIN be tried.

A PIN that a SIM refused is never tried again on that SIM, and none is tried with the last attempt.
"""

from __future__ import annotations

import re

from vigibip.base.clock import Clock
from vigibip.modem.answers import digits, fields, whole
from vigibip.modem.causes import failure
from vigibip.modem.channel import Channel
from vigibip.modem.contract import ModemCause, ModemError
from vigibip.modem.grammar import Command
from vigibip.modem.profiles import Profile

_ASK = Command("AT+CPIN?", ("+CPIN:",))
_PIN_S = 10.0
# After a power cut and after its PIN a SIM is busy for some seconds; 27.007 names no limit.
_BUSY_MAX_S = 15.0
# A SIM that was not found yet is said to be absent, or to have failed.
_ABSENT_MAX_S = 6.0
_BUSY_STEP_S = 1.0
_ATTEMPTS_KEPT = 1
# Cards that were changed in one run of the service.
_REFUSED_MAX = 16
_PATIENCE_S = {
    ModemCause.SIM_BUSY: _BUSY_MAX_S,
    ModemCause.NO_SIM: _ABSENT_MAX_S,
    ModemCause.SIM_FAILURE: _ABSENT_MAX_S,
}

_SAYS = {
    "SIM PIN": ModemCause.SIM_PIN,
    "SIM PIN2": ModemCause.SIM_PIN,
    "SIM PUK": ModemCause.SIM_PUK,
    "SIM PUK2": ModemCause.SIM_PUK,
    "NOT READY": ModemCause.SIM_BUSY,
    "SIM REMOVED": ModemCause.NO_SIM,
    "NOT INSERTED": ModemCause.NO_SIM,
}


class SimUnlock:
    """Brings the SIM of one modem to READY; remembers which SIM refused the PIN."""

    def __init__(self, clock: Clock, channel: Channel, pin: str | None) -> None:
        self._clock = clock
        self._channel = channel
        self._pin = pin
        self._refused: list[str] = []
        self.iccid: str | None = None

    async def unlock(self, profile: Profile) -> None:
        """Return once the SIM is ready. Raises ModemError with the cause that keeps it."""
        cause = await self._settled()
        if cause is ModemCause.SIM_PIN:
            await self._enter(profile)
            cause = await self._settled()
        if cause is not None:
            raise failure(cause)
        self.iccid = await self._read_iccid(profile)

    async def state(self) -> ModemCause | None:
        """Return what the SIM says now, None for READY. Raises ModemError for the modem's."""
        try:
            answers = await self._channel.run(_ASK, limit_s=5.0, ok_may_be_missing=True)
        except ModemError as error:
            if error.cause in _OF_THE_SIM:
                return error.cause
            raise
        if not answers:
            raise failure(ModemCause.NONSENSE)
        says = answers[-1].text.partition(":")[2].strip().strip('"').upper()
        if says == "READY":
            return None
        # What is left are the locks of modems sold by an operator: PH-NET PIN and its like.
        return _SAYS.get(says, ModemCause.SIM_LOCKED)

    async def _settled(self) -> ModemCause | None:
        since_s = self._clock.monotonic_s()
        while True:
            cause = await self.state()
            waited_s = self._clock.monotonic_s() - since_s
            if cause is None or waited_s >= _PATIENCE_S.get(cause, 0.0):
                return cause
            await self._clock.sleep(_BUSY_STEP_S)

    async def _enter(self, profile: Profile) -> None:
        # Read before the PIN where the SIM allows it: a changed SIM may have the PIN that was
        # refused by the other one.
        iccid = await self._read_iccid(profile) or ""
        if self._pin is None:
            raise failure(ModemCause.SIM_PIN)
        left = await self._left(profile)
        if iccid in self._refused or (left is not None and left <= _ATTEMPTS_KEPT):
            raise failure(ModemCause.PIN_WRONG)
        # Remembered first: whatever becomes of this task, it is not sent twice unproven.
        self._refused = [*self._refused[-_REFUSED_MAX:], iccid]
        try:
            await self._channel.run(Command(f'AT+CPIN="{self._pin}"'), limit_s=_PIN_S)
        except ModemError as error:
            if left is None or error.cause not in _UNCERTAIN:
                raise failure(ModemCause.PIN_WRONG, error.code) from error
            # The modem hung, and its counter will tell whether the SIM had seen the PIN.
            self._refused.remove(iccid)
            raise
        self._refused.remove(iccid)

    async def _left(self, profile: Profile) -> int | None:
        """Return how many PINs the SIM still takes; None where the modem cannot tell."""
        if profile.pin_counter is None:
            return None
        try:
            answers = await self._channel.run(profile.pin_counter)
        except ModemError:
            return None
        numbers = [whole(value) for answer in answers for value in fields(answer.text)]
        return next((number for number in numbers if number is not None), None)

    async def _read_iccid(self, profile: Profile) -> str | None:
        commands = {profile.iccid.text: profile.iccid, _CRSM.text: _CRSM}
        for command in commands.values():
            try:
                answers = await self._channel.run(command)
            except ModemError:
                continue
            lines = [answer.text for answer in answers]
            found = _swapped(lines) if command is _CRSM else digits(lines)
            if found is not None:
                return found
        return None


# EF-ICCID of any SIM, by the way that every modem has (TS 51.011 section 10.1.1).
_CRSM = Command("AT+CRSM=176,12258,0,0,10", ("+CRSM:",))

_OF_THE_SIM = frozenset(
    {
        *(ModemCause.NO_SIM, ModemCause.SIM_PIN, ModemCause.SIM_PUK, ModemCause.SIM_FAILURE),
        *(ModemCause.SIM_BUSY, ModemCause.SIM_WRONG, ModemCause.SIM_LOCKED),
    }
)

_UNCERTAIN = frozenset({ModemCause.SILENT, ModemCause.ABSENT, ModemCause.HUNG, ModemCause.CLOSED})


def _swapped(lines: list[str]) -> str | None:
    """Return the digits of EF-ICCID, which stands with each octet's halves swapped."""
    for line in lines:
        found = re.search(r'"?([0-9A-Fa-f]{20})"?\s*$', line)
        if found is not None:
            pairs = re.findall("..", found[1])
            return "".join(pair[::-1] for pair in pairs).upper().rstrip("F")
    return None
