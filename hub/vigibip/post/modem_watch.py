"""Looks at the post's modems: faults with the technician's advice, and what the store is told."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError
from vigibip.modem.contract import ModemState, words_for_people
from vigibip.post.faults import FaultKind, Faults
from vigibip.post.patience import OneAtATime
from vigibip.post.store.paths import ModemView
from vigibip.post.store.second_path import SecondPathStore
from vigibip.sms.contract import SmsProvider

_log = logging.getLogger(__name__)

_LOOK_EACH_S = 5.0
# Without any: only what a refusing disk still says of former ones.
_NONE_EACH_S = 3600.0
_TOLD_AGAIN = timedelta(seconds=60)
_KIND_OF: Mapping[str, FaultKind] = {
    ModemState.ABSENT.value: FaultKind.MODEM_ABSENT,
    ModemState.STARTING.value: FaultKind.MODEM_FAULTY,
    ModemState.HUNG.value: FaultKind.MODEM_FAULTY,
    ModemState.FAULTY.value: FaultKind.MODEM_FAULTY,
    ModemState.NO_SIM.value: FaultKind.MODEM_SIM,
    ModemState.SIM_PIN.value: FaultKind.MODEM_SIM,
    ModemState.SIM_PUK.value: FaultKind.MODEM_SIM,
    ModemState.SIM_BUSY.value: FaultKind.MODEM_SIM,
    ModemState.SIM_FAILURE.value: FaultKind.MODEM_SIM,
    ModemState.SEARCHING.value: FaultKind.MODEM_NO_NETWORK,
    ModemState.DENIED.value: FaultKind.MODEM_NO_NETWORK,
}


class ModemWatch:
    def __init__(
        self,
        providers: Sequence[SmsProvider],
        store: SecondPathStore,
        faults: Faults,
        clock: Clock,
    ) -> None:
        self._providers = tuple(providers)
        self._store = store
        self._faults = faults
        self._clock = clock
        self._down_since_s: dict[str, float] = {}
        self._written: tuple[ModemView, ...] | None = None
        self._writing = OneAtATime(clock)

    async def run(self) -> None:
        """Look, for ever."""
        self._forget_others()
        while True:
            for provider in self._providers:
                self._look(provider)
            await self._write()
            await self._clock.sleep(_LOOK_EACH_S if self._providers else _NONE_EACH_S)

    def _forget_others(self) -> None:
        names = {provider.name for provider in self._providers}
        for kind, subject in self._faults.present:
            if kind in set(_KIND_OF.values()) and subject not in names:
                self._faults.clear_fault(FaultKind(kind), subject)

    def _look(self, provider: SmsProvider) -> None:
        kind = _KIND_OF.get(str(provider.health.get("state", "")))
        if provider.up or kind is None:
            self._down_since_s.pop(provider.name, None)
            self._tell(provider.name, None, "")
            return
        now_s = self._clock.monotonic_s()
        down_s = now_s - self._down_since_s.setdefault(provider.name, now_s)
        told = words_for_people(provider.health, down_s)
        if told is not None:  # else whatever was told before still stands
            self._tell(provider.name, kind, told)

    def _tell(self, name: str, kind: FaultKind | None, told: str) -> None:
        """Tell of this fault and of no other; `kind` None: nothing is wrong any more."""
        for other in dict.fromkeys(_KIND_OF.values()):
            if other is not kind:
                self._faults.clear_fault(other, name)
        if kind is not None and not self._faults.stands(kind, name):
            self._faults.raise_fault(kind, name, told)

    async def _write(self) -> None:
        """Keep what is known of them, when it changed or once a minute."""
        now = self._clock.utc()
        views = tuple(_view(provider, now) for provider in self._providers)
        if self._written is not None:
            before = tuple(replace(one, seen_at=now) for one in self._written)
            recent = all(now - one.seen_at < _TOLD_AGAIN for one in self._written)
            if before == views and recent:
                return
        try:
            await self._writing.run(self._store.record_modems(views))
        except StorageError as error:
            _log.warning("the modems' state is not kept: %s", error)
        else:
            self._written = views


def _view(provider: SmsProvider, now: datetime) -> ModemView:
    health = provider.health
    signal = health.get("signal_dbm")
    return ModemView(
        name=provider.name,
        state=str(health.get("state", "")),
        detail=str(health.get("detail", "")),
        advice=str(health.get("advice", "")),
        operator=str(health.get("operator", "")),
        technology=str(health.get("technology", "")),
        signal_dbm=signal if isinstance(signal, int) else None,
        rate_per_min=provider.capabilities.rate_per_min,
        waiting=provider.waiting,
        minutes_to_empty=round(provider.minutes_to_empty, 1),
        seen_at=now,
    )
