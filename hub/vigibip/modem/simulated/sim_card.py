"""The SIM in a simulated modem: what it asks before it lets anybody in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from vigibip.modem.simulated.errors import AtError, CmeError

_PIN_TRIES = 3
_PUK_TRIES = 10


class SimState(Enum):
    READY = "READY"
    PIN = "SIM PIN"
    PUK = "SIM PUK"
    ABSENT = "absent"
    BUSY = "busy"
    FAILURE = "failure"


CME_OF_STATE = {
    SimState.READY: 3,
    SimState.PIN: 11,
    SimState.PUK: 12,
    SimState.ABSENT: 10,
    SimState.BUSY: 14,
    SimState.FAILURE: 13,
}
"""What a command that needs the SIM is answered; in READY, what a PIN is that nobody asked for."""


@dataclass(slots=True, kw_only=True)
class SimCard:
    """One SIM. `number` is the subscriber's in E.164; the rest is fictional (PLMN 001-01)."""

    number: str = "+33639980001"
    imsi: str = "001010000000001"
    iccid: str = "8933000000000000001"
    smsc: str = "+33639980000"
    pin: str | None = None
    """None: the SIM asks for no PIN."""
    puk: str = "12345678"
    present: bool = True
    faulty: bool = False
    busy: bool = False
    pin_tries: int = _PIN_TRIES
    puk_tries: int = _PUK_TRIES
    unlocked: bool = False

    @property
    def state(self) -> SimState:
        if not self.present:
            return SimState.ABSENT
        if self.faulty or self.puk_tries == 0:
            return SimState.FAILURE
        if self.busy:
            return SimState.BUSY
        if self.pin_tries == 0:
            return SimState.PUK
        if self.pin is not None and not self.unlocked:
            return SimState.PIN
        return SimState.READY

    def power_cycle(self) -> None:
        """A SIM that lost its power asks for its PIN again."""
        self.unlocked = False

    def enter(self, code: str, new_pin: str | None) -> None:
        """Try a PIN, or a PUK with a new PIN. Raises CmeError 16 when it is wrong."""
        state = self.state
        if state is SimState.PIN:
            if code != self.pin:
                self.pin_tries -= 1
                raise CmeError(16 if self.pin_tries else 12)
            self.pin_tries = _PIN_TRIES
        elif state is SimState.PUK:
            if new_pin is None:
                raise AtError("a PUK comes with a new PIN")
            if code != self.puk:
                self.puk_tries -= 1
                raise CmeError(16 if self.puk_tries else 13)
            self.pin, self.pin_tries, self.puk_tries = new_pin, _PIN_TRIES, _PUK_TRIES
        else:
            raise CmeError(CME_OF_STATE[state])
        self.unlocked = True
