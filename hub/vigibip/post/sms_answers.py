"""Answers by SMS, for boxes that data does not reach: once, then a few times more.

Those are the boxes whose alert came by SMS, and those that neither acknowledge nor say anything.

The store keeps every answer until the box acknowledges it over data, and telling it there goes on:
nothing here settles one. A delivery report only ends the repetition by SMS.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from vigibip.alert.ids import AlertId
from vigibip.alert.sms_form import ALERTS_MAX, SEQUENCE_MAX, SmsKind, SmsMessage, write_sms
from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError
from vigibip.base.trace import Trace
from vigibip.post.alarm import Alarm
from vigibip.post.sms_sender import Sender, Unit, to_box
from vigibip.post.sms_sequences import Sequences
from vigibip.post.store.records import BoxMessageView, KnownBox, Told
from vigibip.post.ways import Ways
from vigibip.sms.lanes import Lane

_log = logging.getLogger(__name__)

# From one SMS to the next: at 0, 60 s, 5 and 15 min. Then data alone.
_PAUSES_S = (60.0, 240.0, 600.0)
_VALID_S = 900.0
_STORE_RETRY_S = 5.0
# A box that was just heard over data takes the answer there: its acknowledgement is waited for.
_HEARD_JUST_NOW_S = 90.0
_DATA_FIRST_S = 2.0
# After a restart: boxes that data reaches have spoken by then.
_AFTER_START_S = 30.0
# A box whose data lives acknowledges an answer at once, and tells its status each minute.
_SILENT_S = 75.0
# Whoever was coming by then has come.
_WORTH_S = 900.0
_KINDS = {Told.COMING: SmsKind.COMING, Told.UNANSWERED: SmsKind.UNANSWERED}
_WORDS = {
    Told.COMING: "VigiBip : un agent est en route",
    Told.UNANSWERED: "VigiBip : pas encore de réponse, l'alerte reste diffusée",
}


class _Part:
    """One SMS's worth of alerts, and the messages that it speaks for."""

    def __init__(self, box_id: str, state: Told, number: int, due_s: float) -> None:
        self.box_id = box_id
        self.state = state
        self.key = f"answer:{box_id}:{number}"
        self.alerts: list[str] = []
        self.sequences: set[int] = set()
        self.due_s: float | None = due_s
        """When it goes next; None: not by itself."""
        self.sent = 0
        self.unit: Unit | None = None


class SmsAnswers:
    """A `TellingWatcher`. `unanswered`: tell that too."""

    def __init__(
        self,
        boxes: Mapping[str, KnownBox],
        ways: Ways,
        sender: Sender,
        sequences: Sequences,
        clock: Clock,
        trace: Trace,
        *,
        unanswered: bool,
    ) -> None:
        self._boxes = boxes
        self._ways = ways
        self._sender = sender
        self._sequences = sequences
        self._clock = clock
        self._trace = trace
        self._states = frozenset(_KINDS) if unanswered else frozenset({Told.COMING})
        self._outstanding: dict[str, dict[int, BoxMessageView]] = {}
        self._since_s: dict[tuple[str, int], float] = {}
        self._parts: dict[str, list[_Part]] = {}
        self._numbers = 0
        self._not_before_s = clock.monotonic_s() + _AFTER_START_S
        self._alarm = Alarm(clock)

    @property
    def busy(self) -> bool:
        return self._alarm.pending

    # TellingWatcher

    def outstanding(self, message: BoxMessageView) -> None:
        if message.state in self._states and message.sequence <= SEQUENCE_MAX:
            self._outstanding.setdefault(message.box_id, {})[message.sequence] = message
            age_s = (self._clock.utc() - message.made_at).total_seconds()
            since_s = self._clock.monotonic_s() - max(0.0, age_s)
            self._since_s[(message.box_id, message.sequence)] = since_s
            self.consider(message.box_id)
            self._alarm.ring()

    def settled(self, box_id: str, sequence: int) -> None:
        of_box = self._outstanding.get(box_id, {})
        of_box.pop(sequence, None)
        self._since_s.pop((box_id, sequence), None)
        if not of_box:
            self._outstanding.pop(box_id, None)
        for part in list(self._parts.get(box_id, [])):
            part.sequences.discard(sequence)
            if not part.sequences:
                self._drop(part)

    # What changes the ways

    def data_is_alive(self, box_id: str) -> None:
        for part in list(self._parts.get(box_id, [])):
            self._drop(part)

    def consider(self, box_id: str) -> None:
        """Begin to tell by SMS what is outstanding, if there is no other way to this box."""
        box = self._boxes.get(box_id)
        if box is None or box.phone is None or not self._ways.by_sms_alone(box_id):
            return
        parts = self._parts.setdefault(box_id, [])
        told = {sequence for part in parts for sequence in part.sequences}
        for sequence, message in sorted(self._outstanding.get(box_id, {}).items()):
            if sequence not in told:
                self._add(parts, message)
        for part in parts:
            if part.sent == 0 and part.due_s is not None:
                part.due_s = min(part.due_s, self._first_s(box_id))
        if not parts:
            del self._parts[box_id]
        self._alarm.ring()

    async def run(self) -> None:
        """Send what is due, for ever."""
        while True:
            now_s = self._clock.monotonic_s()
            for box_id in list(self._outstanding):
                silent_s = self._silent_s(box_id)
                if silent_s is not None and silent_s <= now_s:
                    self._ways.data_is_silent(box_id)
                    self.consider(box_id)
            parts = [one for of_box in self._parts.values() for one in of_box]
            due = [one for one in parts if one.due_s is not None and one.due_s <= now_s]
            # Each may wait for the disk in vain.
            await asyncio.gather(*(self._send(part) for part in due))
            dues = [one.due_s for of_box in self._parts.values() for one in of_box]
            dues += [self._silent_s(box_id) for box_id in self._outstanding]
            next_s = min((due_s for due_s in dues if due_s is not None), default=None)
            await self._alarm.wait(
                None if next_s is None else max(0.0, next_s - self._clock.monotonic_s())
            )

    def _silent_s(self, box_id: str) -> float | None:
        """Return when data counts as dead to this box; None: nothing that waits is worth an SMS."""
        box = self._boxes.get(box_id)
        if box is None or box.phone is None or self._ways.by_sms_alone(box_id):
            return None
        heard_s = self._ways.heard_s(box_id)
        dues = []
        for sequence in self._outstanding[box_id]:
            since_s = self._since_s[(box_id, sequence)]
            quiet_s = since_s if heard_s is None else max(since_s, heard_s)
            due_s = max(quiet_s + _SILENT_S, self._not_before_s)
            if due_s <= since_s + _WORTH_S:
                dues.append(due_s)
        return min(dues, default=None)

    def _add(self, parts: list[_Part], message: BoxMessageView) -> None:
        for start in range(0, len(message.alerts), ALERTS_MAX):
            alerts = list(message.alerts[start : start + ALERTS_MAX])
            part = next(
                (
                    one
                    for one in parts
                    if one.state is message.state
                    and len(set(one.alerts) | set(alerts)) <= ALERTS_MAX
                    and self._can_say_more(one)
                ),
                None,
            )
            if part is None:
                self._numbers += 1
                part = _Part(message.box_id, message.state, self._numbers, 0.0)
                parts.append(part)
            part.due_s = self._first_s(message.box_id)
            part.alerts += [one for one in alerts if one not in part.alerts]
            part.sequences.add(message.sequence)

    def _can_say_more(self, part: _Part) -> bool:
        """Nothing of it has left; if so, what waited of it is taken back."""
        return part.sent == 0 and (part.unit is None or self._sender.withdraw(part.unit))

    def _first_s(self, box_id: str) -> float:
        now_s = self._clock.monotonic_s()
        if self._ways.heard_within(box_id, _HEARD_JUST_NOW_S):
            return now_s + _DATA_FIRST_S
        return max(now_s, self._not_before_s) if self._ways.remembered(box_id) else now_s

    async def _send(self, part: _Part) -> None:
        part.due_s = None
        try:
            sequence = await self._sequences.take(part.box_id)
        except StorageError as error:
            _log.warning("an answer cannot go by SMS: %s", error)
            part.due_s = self._clock.monotonic_s() + _STORE_RETRY_S
            return
        box = self._boxes.get(part.box_id)
        if part not in self._parts.get(part.box_id, []) or box is None or box.phone is None:
            return
        if part.unit is not None:
            self._sender.withdraw(part.unit)
        message = SmsMessage(
            kind=_KINDS[part.state],
            sequence=sequence,
            answers=max(part.sequences),
            alerts=tuple(AlertId.parse(one) for one in part.alerts),
        )
        text = write_sms(box.down_key, _WORDS[part.state], message)
        unit = to_box(box.phone, text, Lane.ANSWER, part.key, _VALID_S, report=True)
        unit.on_left = lambda: self._left(part)
        unit.on_failed = lambda: self._again(part)
        unit.on_report = lambda delivered: self._reported(part, delivered)
        part.unit = unit
        self._sender.send(unit)

    def _left(self, part: _Part) -> None:
        for alert_id in part.alerts:
            self._trace.stamp("post.sms_answered", alert_id)
        self._again(part)

    def _again(self, part: _Part) -> None:
        part.sent += 1
        if part.sent <= len(_PAUSES_S):
            part.due_s = self._clock.monotonic_s() + _PAUSES_S[part.sent - 1]
            self._alarm.ring()

    def _reported(self, part: _Part, delivered: bool | None) -> None:
        if delivered:
            # The handset has it. Whether the box has is known when it acknowledges over data.
            part.due_s = None

    def _drop(self, part: _Part) -> None:
        if part.unit is not None:
            self._sender.withdraw(part.unit)
        parts = self._parts.get(part.box_id, [])
        if part in parts:
            parts.remove(part)
        if not parts:
            self._parts.pop(part.box_id, None)
