"""Alerts that the store would not take: relayed from memory, and offered to it again and again.

Their boxes get no receipt until they are committed, and so send them again too.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from vigibip.alert.messages import Alert
from vigibip.base.clock import Clock
from vigibip.post.alarm import Alarm
from vigibip.post.relay import Relay
from vigibip.post.store.records import KnownBox, RoundTask

_log = logging.getLogger(__name__)

_RETRY_S = 5.0
# Of one box, as many as it has bips. It keeps what is beyond, and sends it again.
_ALERTS_MAX_PER_BOX = 64
# What can never be stored is announced for so long: nobody can answer it, as nothing records it.
_NEVER_STORED_S = 1800.0
# From the top, where the store's own numbers are the last to come.
_NUMBERS = range(999, 899, -1)


class Committed(Enum):
    """How an attempt to store an alert ended."""

    YES = "yes"
    NOT_NOW = "not now"  # the store failed
    NEVER = "never"  # this alert cannot be stored: a mistake of ours
    REVOKED = "revoked"  # its box is served no more
    COPY = "copy"  # its SMS was taken before
    OLD = "old"  # its SMS lies below the window, and the alert is not known: a copy, or not


@dataclass(frozen=True, slots=True)
class BySms:
    """The SMS that an alert came by: its sequence, and what to call once that is committed."""

    sequence: int
    committed: Callable[[], None]


@dataclass(slots=True)
class _Kept:
    alert: Alert
    sms: BySms | None
    taken_s: float


@dataclass(slots=True)
class _Incident:
    """One box's situation, told from memory. `number` None: none is left."""

    number: int | None
    rounds: int = 0


class Unstored:
    """What is relayed without being stored: one incident a box, with a number while there are any.

    `commit` tries the store again with one alert, and with the SMS that it came by.
    """

    def __init__(
        self,
        relay: Relay,
        clock: Clock,
        commit: Callable[[str, Alert, BySms | None], Awaitable[Committed]],
    ) -> None:
        self._relay = relay
        self._clock = clock
        self._commit = commit
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._incidents: dict[str, _Incident] = {}
        self._alarm = Alarm(clock)

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, box_id: str, box: KnownBox, alert: Alert, sms: BySms | None = None) -> None:
        """Relay this alert and keep it; one that is kept already is not announced again."""
        key = (box_id, alert.alert)
        presses = sum(1 for of_box, _ in self._kept if of_box == box_id) + 1
        if key in self._kept or presses > _ALERTS_MAX_PER_BOX:
            return
        incident = self._incidents.setdefault(box_id, _Incident(None))
        incident.number = incident.number or self._free_number()
        incident.rounds += 1
        joined = incident.rounds > 1
        self._kept[key] = _Kept(alert, sms, self._clock.monotonic_s())
        self._alarm.ring()
        age = None if alert.age_s is None else timedelta(seconds=min(alert.age_s, 10**8))
        self._relay.push(
            RoundTask(
                incident_id=f"unstored-{box_id}",
                round_no=incident.rounds,
                first=not joined,
                number=incident.number,
                box_id=box_id,
                spoken=box.spoken,
                address=box.address,
                digest=False,
                alert_id=alert.alert,
                joined=joined,
                pressed_at=None if age is None else self._clock.utc() - age,
                presses=presses,
                stored=False,
            )
        )

    def stored(self, box_id: str, alert_id: str) -> None:
        """This alert needs no more of this: its incident in the store has taken over."""
        if self._kept.pop((box_id, alert_id), None) is None:
            return
        if not any(of_box == box_id for of_box, _ in self._kept):
            del self._incidents[box_id]
            self._relay.settle(f"unstored-{box_id}")

    async def run(self) -> None:
        """Offer what is kept to the store, for ever."""
        while True:
            if not self._kept:
                await self._alarm.wait(None)
            await self._clock.sleep(_RETRY_S)
            for key, kept in list(self._kept.items()):
                if key not in self._kept:
                    continue
                committed = await self._commit(key[0], self._aged(kept), kept.sms)
                if committed is Committed.OLD:
                    # It was new when it came; later ones were taken before it.
                    committed = await self._commit(key[0], self._aged(kept), None)
                if committed is Committed.NOT_NOW:
                    break
                old = self._clock.monotonic_s() - kept.taken_s > _NEVER_STORED_S
                if committed is not Committed.NEVER or old:
                    self.stored(*key)

    def _aged(self, kept: _Kept) -> Alert:
        if kept.alert.age_s is None:
            return kept.alert
        waited_s = int(self._clock.monotonic_s() - kept.taken_s)
        return kept.alert.model_copy(update={"age_s": kept.alert.age_s + waited_s})

    def _free_number(self) -> int | None:
        used = {incident.number for incident in self._incidents.values()}
        return next((number for number in _NUMBERS if number not in used), None)
