"""Tells the boxes where their alerts stand, again and again until each has acknowledged it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from vigibip.alert import topics
from vigibip.alert.messages import Answer, seal_message
from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError
from vigibip.base.trace import Trace
from vigibip.post.alarm import Alarm
from vigibip.post.patience import in_time
from vigibip.post.store import Store
from vigibip.post.store.records import BoxMessageView, KnownBox, Told

_log = logging.getLogger(__name__)

_RESEND_FIRST_S = 2.0
_RESEND_LONGEST_S = 60.0
# A box that speaks is reachable: what it has not acknowledged is sent at once, but not for each
# of a burst of its messages.
_HEARD_EACH_S = 1.0

Publish = Callable[[str, bytes], bool]


@dataclass(slots=True)
class _Pending:
    message: BoxMessageView
    order: int
    attempts: int = 0
    last_s: float = float("-inf")

    def due_s(self) -> float:
        if self.attempts == 0:
            return self.last_s
        wait_s: float = _RESEND_FIRST_S * 2 ** min(self.attempts - 1, 10)
        return self.last_s + min(_RESEND_LONGEST_S, wait_s)


class TellingWatcher(Protocol):
    """Who tells the same by another way."""

    def outstanding(self, message: BoxMessageView) -> None:
        """It is to be told from now on."""
        ...

    def settled(self, box_id: str, sequence: int) -> None:
        """It is no longer."""
        ...


class Telling:
    """Holds every message that is outstanding in the store, and publishes it until it is not."""

    def __init__(
        self,
        store: Store,
        publish: Publish,
        boxes: Mapping[str, KnownBox],
        clock: Clock,
        trace: Trace,
    ) -> None:
        self._store = store
        self._publish = publish
        self._boxes = boxes
        self._clock = clock
        self._trace = trace
        self._pending: dict[tuple[str, int], _Pending] = {}
        self._order = 0
        self._alarm = Alarm(clock)
        self.watcher: TellingWatcher | None = None

    def send(self, messages: Iterable[BoxMessageView]) -> None:
        """Tell these, which are committed, now and until they are acknowledged."""
        for message in messages:
            key = (message.box_id, message.sequence)
            if key in self._pending:
                continue
            if message.state is Told.COMING:
                for alert_id in message.alerts:
                    self._trace.stamp("post.answered", alert_id)
                self._forget_unanswered(message)
            self._order += 1
            self._pending[key] = pending = _Pending(message, self._order)
            self._send(pending)
            if self.watcher is not None:
                self.watcher.outstanding(message)
        self._alarm.ring()

    def connected(self) -> None:
        """The broker is there again: what was published into the void goes once more."""
        for pending in self._pending.values():
            self._send(pending)

    def heard_from(self, box_id: str) -> None:
        """The box has just spoken."""
        now_s = self._clock.monotonic_s()
        for (of_box, _), pending in self._pending.items():
            if of_box == box_id and now_s - pending.last_s >= _HEARD_EACH_S:
                self._send(pending)

    async def acknowledged(self, box_id: str, sequence: int) -> None:
        """The box has it on its disk. An acknowledgement of nothing outstanding is ignored."""
        try:
            message = await in_time(self._store.acknowledge_message(box_id, sequence), self._clock)
        except StorageError:
            return  # it is sent again, and acknowledged again
        key = (box_id, sequence)
        self._drop(key)
        if message is None:
            _log.info("%s acknowledged nothing that is outstanding", box_id)
            return
        for alert_id in message.alerts:
            self._trace.stamp("post.told", alert_id)

    async def refresh(self) -> None:
        """Take over what another process has committed."""
        read_from = self._order
        try:
            outstanding = await self._store.outstanding_messages()
        except StorageError:
            return
        there = {(message.box_id, message.sequence) for message in outstanding}
        for key, pending in list(self._pending.items()):
            if key not in there and pending.order <= read_from:
                self._drop(key)
        self.send(outstanding)

    async def run(self) -> None:
        """Send again what is due, for ever."""
        while True:
            now_s = self._clock.monotonic_s()
            for pending in list(self._pending.values()):
                if pending.due_s() <= now_s:
                    self._send(pending)
            next_s = min((pending.due_s() for pending in self._pending.values()), default=None)
            await self._alarm.wait(None if next_s is None else next_s - now_s)

    def _send(self, pending: _Pending) -> None:
        message = pending.message
        box = self._boxes.get(message.box_id)
        pending.attempts += 1
        pending.last_s = self._clock.monotonic_s()
        if box is None:
            return
        answer = Answer(
            sequence=message.sequence, alerts=list(message.alerts), state=message.state.value
        )
        self._publish(
            topics.down(message.box_id, topics.ANSWER), seal_message(box.down_key, answer)
        )

    def _forget_unanswered(self, coming: BoxMessageView) -> None:
        """What the store settled with it must not be told after it."""
        for key, pending in list(self._pending.items()):
            if (
                key[0] == coming.box_id
                and pending.message.state is Told.UNANSWERED
                and set(pending.message.alerts) & set(coming.alerts)
            ):
                self._drop(key)

    def _drop(self, key: tuple[str, int]) -> None:
        self._pending.pop(key, None)
        if self.watcher is not None:
            self.watcher.settled(*key)
