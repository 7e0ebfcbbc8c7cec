"""What only time brings: nobody answered, or nobody arrived."""

from __future__ import annotations

import logging

from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError
from vigibip.post.alarm import Alarm
from vigibip.post.config import RelaySettings
from vigibip.post.relay import Relay
from vigibip.post.store import Store
from vigibip.post.telling import Telling

_log = logging.getLogger(__name__)

_RETRY_S = 1.0
# While a deadline is known, the wall clock is compared with the one that never jumps so often.
_JUMP_CHECK_S = 30.0
_JUMP_S = 2.0


class Deadlines:
    """Looks into the store whenever the next moment has come."""

    def __init__(
        self,
        store: Store,
        relay: Relay,
        telling: Telling,
        settings: RelaySettings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._relay = relay
        self._telling = telling
        self._settings = settings
        self._clock = clock
        self._alarm = Alarm(clock)
        self._next_s: float | None = None
        self._look_now = False
        self._offset_s = self._wall_offset_s()

    @property
    def busy(self) -> bool:
        return self._alarm.pending

    def wake(self) -> None:
        """Look now: something changed that moves a deadline."""
        self._look_now = True
        self._alarm.ring()

    def fresh_alert(self) -> None:
        """An alert is committed: in a known time it will be unanswered.

        The store is not looked at for that: its announcement is about to begin.
        """
        due_s = self._clock.monotonic_s() + self._settings.unanswered_after_s
        if self._next_s is None or self._next_s > due_s:
            self._next_s = due_s
            self._alarm.ring()

    async def run(self) -> None:
        """Do what is due, for ever."""
        while True:
            self._look_now = False
            delay_s = await self._look()
            if delay_s is not None:
                next_s = self._clock.monotonic_s() + delay_s
                # An alert may have come meanwhile, too late for what was read.
                self._next_s = next_s if self._next_s is None else min(next_s, self._next_s)
            while not self._look_now:
                now_s = self._clock.monotonic_s()
                if self._next_s is not None and self._next_s <= now_s:
                    break
                left_s = None if self._next_s is None else self._next_s - now_s
                await self._alarm.wait(None if left_s is None else min(left_s, _JUMP_CHECK_S))
                if self._jumped():
                    self._relay.wake()
                    break
            self._next_s = None

    def _wall_offset_s(self) -> float:
        return self._clock.utc().timestamp() - self._clock.monotonic_s()

    def _jumped(self) -> bool:
        """True once after the wall clock was set: every time in the store means another now."""
        before_s, self._offset_s = self._offset_s, self._wall_offset_s()
        return abs(self._offset_s - before_s) > _JUMP_S

    async def _look(self) -> float | None:
        """Do what is due; return the seconds to the next deadline."""
        try:
            changes, next_at = await self._store.find_overdue(
                unanswered_after_s=self._settings.unanswered_after_s,
                overdue_after_s=self._settings.overdue_after_s,
            )
        except StorageError:
            return _RETRY_S
        except Exception as error:  # noqa: BLE001 - relaying goes on without, and this in a moment
            _log.error("the deadlines cannot be looked at: %s", type(error).__name__)
            return _RETRY_S
        for change in changes:
            self._telling.send(change.messages)
        if changes:
            self._relay.wake()
        if next_at is None:
            return None
        return max(0.05, (next_at - self._clock.utc()).total_seconds())
