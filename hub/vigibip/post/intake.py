"""Takes in what the boxes say: authenticate, commit, and only then announce and send a receipt.

Nothing that comes in can stop it: what is not of whom it says is counted and dropped, what cannot
be understood is refused, parked and told, and one box's flood or poison delays no other box.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Literal, Protocol

from vigibip.alert import topics
from vigibip.alert.messages import (
    VERSION,
    Alert,
    AnswerAck,
    BadMacError,
    BadMessageError,
    BoxStatus,
    Mark,
    OfficerAnswer,
    Receipt,
    open_message,
    read_alert,
    seal_message,
)
from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError
from vigibip.base.trace import Trace
from vigibip.base.waiting import within
from vigibip.post.errors import CopiedSmsError, OldSmsError, UnknownBoxError
from vigibip.post.faults import FaultKind, Faults
from vigibip.post.known_boxes import KnownBoxes
from vigibip.post.patience import in_time
from vigibip.post.refusal import NOT_STORED, alert_id_in, is_authentic, when_pressed
from vigibip.post.relay import Relay
from vigibip.post.store import Store
from vigibip.post.store.incidents import IntakeRules
from vigibip.post.store.records import Accepted, KnownBox
from vigibip.post.telling import Telling
from vigibip.post.unstored import BySms, Committed, Unstored
from vigibip.wire import window

_log = logging.getLogger(__name__)

# Messages of one box in the works at once. A box serves 16 bips pressed together; what is beyond
# gets no receipt now and comes again.
_AT_ONCE_PER_BOX = 64
# Look-ups of boxes that are not known, in all: anybody could make them up.
_LOOKUPS_AT_ONCE = 32
# A commit takes milliseconds, a card that tidies itself up some hundreds of them.
_COMMIT_PATIENCE_S = 2.0

Publish = Callable[[str, bytes], bool]

# What a hand said of its press. It is told, and changes nothing of the incident.
_MARKS: dict[Mark, FaultKind] = {
    "duress": FaultKind.PRESS_DURESS,
    "withdrawn": FaultKind.PRESS_WITHDRAWN,
}


class DataWatcher(Protocol):
    """Who is told what comes over data beside alerts; all of it is authentic."""

    def heard(self, box_id: str) -> None:
        """The box has spoken."""
        ...

    def status(self, box_id: str, status: BoxStatus) -> None: ...

    def officer_answered(self, box_id: str, answer: OfficerAnswer) -> None: ...


class Intake:
    """One for the post. `message` is called for every message that the broker brings."""

    def __init__(
        self,
        store: Store,
        boxes: KnownBoxes,
        publish: Publish,
        relay: Relay,
        unstored: Unstored,
        telling: Telling,
        faults: Faults,
        rules: IntakeRules,
        clock: Clock,
        trace: Trace,
        on_fresh: Callable[[], None],
    ) -> None:
        self._store = store
        self._boxes = boxes
        self._publish = publish
        self._relay = relay
        self._unstored = unstored
        self._telling = telling
        self._faults = faults
        self._rules = rules
        self._clock = clock
        self._trace = trace
        self._on_fresh = on_fresh
        self._in_hand: Counter[str] = Counter()
        self._lookups: dict[str, list[tuple[str, str, bytes]]] = {}
        self._late: set[tuple[str, str]] = set()
        """Alerts whose commit has not ended in time."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._commits: set[asyncio.Future[Committed]] = set()
        """Of alerts by SMS."""
        self.watcher: DataWatcher | None = None
        self.refused = 0
        """Messages that were not taken, for whatever reason, since the start."""

    @property
    def busy(self) -> bool:
        return bool(self._tasks or self._commits)

    async def stop(self) -> None:
        """Let what is in the works end: it may be committed already."""
        await asyncio.gather(*self._tasks, *self._commits, return_exceptions=True)

    def message(self, topic: str, payload: bytes) -> None:
        """Take one message. Never raises and never waits."""
        try:
            box_id, kind = topics.parse_up(topic)
        except ValueError:
            self._refuse(topic, payload, "no topic of a box")
            return
        if self._in_hand[box_id] >= _AT_ONCE_PER_BOX:
            self.refused += 1
            self._faults.raise_fault(FaultKind.BOX_FLOODS, box_id)
            return
        box = self._boxes.get(box_id)
        if box is None or not self._open(box_id, box, kind, topic, payload):
            self._look_up(box_id, box, kind, topic, payload)

    def _open(self, box_id: str, box: KnownBox, kind: str, topic: str, payload: bytes) -> bool:
        """Begin what the message asks for; False when this box's key did not make its HMAC."""
        try:
            if kind == topics.ALERT:
                alert = read_alert(box.up_key, payload)
                self._heard(box_id)
                self._take_alert(box_id, box, alert)
            elif kind == topics.ANSWER_ACK:
                ack = open_message(box.up_key, payload, AnswerAck)
                self._heard(box_id)
                self._own(box_id, self._telling.acknowledged(box_id, ack.sequence))
            elif kind == topics.STATUS:
                status = open_message(box.up_key, payload, BoxStatus)
                self._heard(box_id)
                self._telling.heard_from(box_id)
                if self.watcher is not None:
                    self.watcher.status(box_id, status)
            elif kind == topics.OFFICER_ANSWER and self.watcher is not None:
                answer = open_message(box.up_key, payload, OfficerAnswer)
                self._heard(box_id)
                self.watcher.officer_answered(box_id, answer)
            else:
                raise BadMessageError("no kind of message that is known")
        except BadMacError:
            return False
        except BadMessageError as error:
            if not is_authentic(box.up_key, payload):
                return False
            self._refuse(topic, payload, str(error), box_id)
            alert_id = alert_id_in(box.up_key, payload) if kind == topics.ALERT else None
            if alert_id is not None:
                self._send_receipt(box_id, box, alert_id, "refused", str(error))
        return True

    def _heard(self, box_id: str) -> None:
        if self.watcher is not None:
            self.watcher.heard(box_id)

    # Alerts

    async def alert_by_sms(self, box_id: str, alert: Alert, sms: BySms) -> Committed:
        """Take an alert that came by SMS, and keep its sequence with it for ever.

        Raises StorageError, so that the SMS is kept and comes again, while it is not committed;
        it is relayed from memory meanwhile, unless it may be a copy.
        """
        judged = self._boxes.judge_sms(box_id, sms.sequence)
        if judged == window.SEEN:
            return Committed.COPY
        self._received(box_id, alert)
        key = (box_id, alert.alert)
        if key in self._late:
            raise StorageError("its commit is under way")

        def keep() -> None:
            box = self._boxes.get(box_id)
            if judged == window.NEW and box is not None:
                self._unstored.keep(box_id, box, alert, sms)

        commit_task = asyncio.ensure_future(self.commit(box_id, alert, sms))
        self._commits.add(commit_task)
        commit_task.add_done_callback(self._commits.discard)
        try:
            ended = await in_time(commit_task, self._clock)
        except StorageError as error:
            # Others wait in the same modem: this one goes on by itself.
            self._late.add(key)
            commit_task.add_done_callback(lambda _: self._late.discard(key))
            self._faults.raise_fault(FaultKind.STORE_FAILED, "", str(error))
            keep()
            raise
        if ended in (Committed.NOT_NOW, Committed.NEVER):
            keep()
        if ended is Committed.NOT_NOW:
            raise StorageError("the alert is not stored")
        return ended

    def pressed_though_revoked(self, box_id: str, alert: Alert) -> None:
        """A box that was revoked a while ago says by SMS that it was pressed."""
        self._tell_of_revoked(box_id, alert)

    def _received(self, box_id: str, alert: Alert) -> None:
        self._trace.stamp("post.received", alert.alert)
        if alert.late:
            self._faults.raise_fault(FaultKind.PRESS_LATE, box_id)
        if alert.mark is not None:
            self._faults.raise_fault(_MARKS[alert.mark], box_id, alert.alert)
        if alert.severity:
            detail = f"{alert.alert}, {alert.severity}"
            self._faults.raise_fault(FaultKind.PRESS_WORSE, box_id, detail)
        if alert.version > VERSION:
            self._faults.raise_fault(FaultKind.VERSION_NEWER, box_id, f"version {alert.version}")

    def _take_alert(self, box_id: str, box: KnownBox, alert: Alert) -> None:
        self._received(box_id, alert)
        # One that is late is in the store's hands: its receipt comes with its commit.
        if (box_id, alert.alert) not in self._late:
            self._own(box_id, self._commit_or_keep(box_id, box, alert))

    async def _commit_or_keep(self, box_id: str, box: KnownBox, alert: Alert) -> None:
        committed = await self._commit_in_time(box_id, box, alert)
        if committed in (Committed.YES, Committed.REVOKED):
            return
        self._unstored.keep(box_id, box, alert)
        if committed is Committed.NEVER:
            # Its box must not try for ever either; people are told, and it is on the air.
            self._faults.raise_fault(FaultKind.MESSAGE_REFUSED, box_id, NOT_STORED)
            self._send_receipt(box_id, box, alert.alert, "refused", NOT_STORED)

    async def _commit_in_time(self, box_id: str, box: KnownBox, alert: Alert) -> Committed:
        """Commit; relay the alert from memory when that takes long, as on a disk that hangs."""
        commit = asyncio.ensure_future(self.commit(box_id, alert))
        try:
            if not await within(self._clock, _COMMIT_PATIENCE_S, commit):
                self._late.add((box_id, alert.alert))
                self._faults.raise_fault(FaultKind.STORE_FAILED, "", "the disk does not answer")
                self._unstored.keep(box_id, box, alert)
            return await commit
        finally:
            self._late.discard((box_id, alert.alert))

    async def commit(self, box_id: str, alert: Alert, sms: BySms | None = None) -> Committed:
        """Commit the alert, then announce it and send its receipt. `sms`: what it came by."""
        sequence = None if sms is None else sms.sequence
        try:
            accepted = await self._store.accept_alert(
                box_id, alert, rules=self._rules, sms=sequence
            )
        except OldSmsError:
            return Committed.OLD
        except CopiedSmsError:
            return Committed.COPY
        except UnknownBoxError:
            await self._forget(box_id, alert)
            return Committed.REVOKED
        except StorageError as error:
            self._faults.raise_fault(FaultKind.STORE_FAILED, "", str(error))
            return Committed.NOT_NOW
        except Exception as error:  # noqa: BLE001 - an alert that we fail to understand goes on
            _log.error("an alert of %s cannot be stored: %s", box_id, type(error).__name__)
            return Committed.NEVER
        self._faults.clear_fault(FaultKind.STORE_FAILED)
        self._accepted(box_id, alert, accepted)
        if sms is not None:
            self._boxes.took_sms(box_id, sms.sequence)
            sms.committed()
        return Committed.YES

    def _accepted(self, box_id: str, alert: Alert, accepted: Accepted) -> None:
        self._trace.stamp("post.committed", alert.alert)
        if accepted.round is not None:
            self._relay.push(accepted.round)
        elif accepted.fresh:
            self._relay.wake()
        self._unstored.stored(box_id, alert.alert)
        box = self._boxes.get(box_id)
        if box is not None and self._send_receipt(box_id, box, alert.alert, "accepted", "", alert):
            self._trace.stamp("post.receipted", alert.alert)
        self._telling.send(accepted.messages)
        if accepted.fresh:
            self._on_fresh()

    async def _forget(self, box_id: str, alert: Alert) -> None:
        """The box was revoked a moment ago."""
        self.refused += 1
        self._tell_of_revoked(box_id, alert)
        try:
            await self._boxes.refresh(box_id)
        except StorageError as error:
            self._faults.raise_fault(FaultKind.STORE_FAILED, "", str(error))

    def _tell_of_revoked(self, box_id: str, alert: Alert) -> None:
        """Somebody pressed, and no radio will say so: people are told, and decide."""
        pressed = when_pressed(alert, self._clock.utc())
        self._faults.raise_fault(FaultKind.PRESS_OF_REVOKED_BOX, box_id, pressed)

    def _pressed_though_revoked(self, box_id: str, kind: str, payload: bytes) -> Alert | None:
        """Return the alert if a box made it that was served until it was revoked."""
        box = self._boxes.revoked.get(box_id)
        if box is None or kind != topics.ALERT:
            return None
        try:
            return read_alert(box.up_key, payload)
        except (BadMacError, BadMessageError):
            return None

    def _send_receipt(
        self,
        box_id: str,
        box: KnownBox,
        alert_id: str,
        verdict: Literal["accepted", "refused"],
        reason: str,
        told: Alert | None = None,
    ) -> bool:
        """`told`: the alert whose severity and mark people know of by now."""
        receipt = Receipt(
            alert=alert_id,
            verdict=verdict,
            reason=reason[:200],
            severity=0 if told is None else told.severity,
            mark=None if told is None else told.mark,
        )
        return self._publish(
            topics.down(box_id, topics.RECEIPT), seal_message(box.down_key, receipt)
        )

    # What is not taken

    def _look_up(
        self, box_id: str, box: KnownBox | None, kind: str, topic: str, payload: bytes
    ) -> None:
        """The box or its key may be newer than what is in memory; if not, drop the message."""
        waiting = self._lookups.get(box_id)
        if waiting is not None and len(waiting) < _AT_ONCE_PER_BOX:
            waiting.append((kind, topic, payload))
        elif waiting is not None or len(self._lookups) >= _LOOKUPS_AT_ONCE:
            self.refused += 1
        else:
            self._lookups[box_id] = [(kind, topic, payload)]
            self._own(box_id, self._find(box_id, known=box is not None))

    async def _find(self, box_id: str, *, known: bool) -> None:
        """Read the box from the store and open what waits for that."""
        try:
            changed = await self._boxes.refresh(box_id)
        except StorageError as error:
            self._faults.raise_fault(FaultKind.STORE_FAILED, "", str(error))
            return
        finally:
            waiting = self._lookups.pop(box_id)
        box = self._boxes.get(box_id)
        for kind, topic, payload in waiting:
            if box is None:
                alert = self._pressed_though_revoked(box_id, kind, payload)
                if alert is not None:
                    self._tell_of_revoked(box_id, alert)
                else:
                    self._faults.raise_fault(FaultKind.BOX_UNKNOWN, box_id)
                self._refuse(topic, payload, "no box that is served")
            elif (known and not changed) or not self._open(box_id, box, kind, topic, payload):
                self._faults.raise_fault(FaultKind.MESSAGE_FORGED, box_id)
                self._refuse(topic, payload, "not authenticated")

    def _refuse(self, topic: str, payload: bytes, reason: str, box_id: str | None = None) -> None:
        """Count and park a message; tell of it when it is authentic, and so ours to mend."""
        self.refused += 1
        _log.warning("refused %d bytes on %r: %s", len(payload), topic[:120], reason)
        if box_id is not None:
            self._faults.raise_fault(FaultKind.MESSAGE_REFUSED, box_id, reason)

        async def park() -> None:
            try:
                await self._store.park_message(topic, reason, payload)
            except StorageError as error:
                self._faults.raise_fault(FaultKind.STORE_FAILED, "", str(error))

        # Nobody answers for what came in no box's name: only so much of it is kept.
        if self._in_hand[box_id or ""] < _AT_ONCE_PER_BOX:
            self._own(box_id or "", park())

    def _own(self, box_id: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        self._in_hand[box_id] += 1

        def done(ended: asyncio.Task[None]) -> None:
            self._tasks.discard(ended)
            self._in_hand[box_id] -= 1
            if self._in_hand[box_id] <= 0:
                del self._in_hand[box_id]
            if not ended.cancelled() and (error := ended.exception()) is not None:
                _log.error("a message of %s was not handled", box_id, exc_info=error)

        task.add_done_callback(done)
