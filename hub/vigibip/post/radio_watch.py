"""Notices a radio that nobody is using, and so nobody finds silent."""

from __future__ import annotations

from collections.abc import Sequence

from vigibip.base.clock import Clock
from vigibip.post.faults import FaultKind, Faults
from vigibip.post.relay import Relay
from vigibip.radio.contract import Radio, RadioState


class RadioWatch:
    """Looks at what every radio says of itself, each `each_s`: attributes, which cost nothing."""

    def __init__(
        self, radios: Sequence[Radio], relay: Relay, faults: Faults, clock: Clock, each_s: float
    ) -> None:
        self._radios = radios
        self._relay = relay
        self._faults = faults
        self._clock = clock
        self._each_s = each_s

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            for radio in self._radios:
                self._look(radio)
            self._faults.forget_old_events()
            await self._clock.sleep(self._each_s)

    def _look(self, radio: Radio) -> None:
        state, reason = radio.health.state, radio.health.reason or ""
        if state is RadioState.UNKNOWN:
            return
        if state is RadioState.ABSENT:
            self._raise(FaultKind.RADIO_ABSENT, radio.name, reason)
        else:
            self._faults.clear_fault(FaultKind.RADIO_ABSENT, radio.name)
        if state is RadioState.FAULTY:
            self._raise(FaultKind.RADIO_FAILED, radio.name, reason)
        elif not self._relay.failed_on(radio.name):
            # An announcement that failed proves more than what the radio says of itself.
            self._faults.clear_fault(FaultKind.RADIO_FAILED, radio.name)

    def _raise(self, kind: FaultKind, radio: str, reason: str) -> None:
        """Once: a fault that stands is not counted again at each look."""
        if not self._faults.stands(kind, radio):
            self._faults.raise_fault(kind, radio, reason)
