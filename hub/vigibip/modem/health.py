"""What is told of a modem, put together from what its parts found out."""

from __future__ import annotations

from dataclasses import replace

from vigibip.base.clock import Clock
from vigibip.modem.advice import advise
from vigibip.modem.contract import ModemCause, ModemHealth, ModemState
from vigibip.modem.coverage import Standing, View


class Teller:
    """Holds one modem's health and notices what of it is worth telling."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.health = ModemHealth(state=ModemState.STARTING, since_utc=clock.utc())
        self._told: tuple[object, ...] = ()

    def tell(self, state: ModemState, cause: ModemCause | None, detail: str = "") -> bool:
        """Set the state; True when it is another one than before."""
        new = state is not self.health.state
        registered = state is ModemState.READY and self.health.registered
        self.health = replace(
            self.health,
            state=state,
            detail=detail or (cause.value if cause is not None else ""),
            advice=advise(cause) if cause is not None else "",
            registered=registered,
            since_utc=self._clock.utc() if new else self.health.since_utc,
        )
        return new

    def identity(self, model: str, firmware: str, imei: str | None) -> None:
        self.health = replace(self.health, model=model, firmware=firmware, imei=imei)

    def sim(self, iccid: str | None) -> None:
        self.health = replace(self.health, iccid=iccid)

    def network(self, standing: Standing, view: View | None) -> None:
        """Take what the network says; `view` None keeps operator and signal as they were."""
        self.health = replace(self.health, registered=standing.registered, roaming=standing.roaming)
        if view is not None:
            self.health = replace(
                self.health,
                operator=view.operator,
                technology=view.technology,
                signal_dbm=view.signal_dbm,
                plmn=view.plmn,
            )

    def changed(self) -> bool:
        """Whether it is another health than when this was last asked; a signal always moves."""
        now = self.health
        told = (now.state, now.detail, now.operator, now.technology, now.registered)
        before, self._told = self._told, told
        return told != before
