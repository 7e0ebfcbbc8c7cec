"""What comes by SMS: a known number opens the door, and only the HMAC behind it is believed.

What is not a box's is counted and dropped; its text is kept nowhere. What comes from a box's
number without proof is told to people, and never to the radios.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any

from vigibip.alert.messages import Alert, BadMacError, BadMessageError
from vigibip.alert.sms_form import (
    VERSION,
    SmsKind,
    SmsMessage,
    find_author,
    has_form,
    read_sms,
)
from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError
from vigibip.base.trace import Trace
from vigibip.post.errors import CopiedSmsError
from vigibip.post.faults import FaultKind, Faults
from vigibip.post.intake import Intake
from vigibip.post.known_boxes import KnownBoxes
from vigibip.post.patience import in_time
from vigibip.post.refusal import NOT_STORED, when_pressed
from vigibip.post.sms_answers import SmsAnswers
from vigibip.post.sms_replies import SmsReplies
from vigibip.post.store.records import KnownBox
from vigibip.post.store.second_path import SecondPathStore
from vigibip.post.unstored import BySms, Committed
from vigibip.post.ways import Ways
from vigibip.sms.contract import IncomingSms, SmsProvider
from vigibip.wire import window

_log = logging.getLogger(__name__)

# An SMS that waited longer in the network than any network keeps one: some clock is wrong.
_WAITED_MAX = timedelta(days=8)
# Clocks of box, network and post agree as well as that.
_AHEAD_MAX = timedelta(minutes=2)
_AGE_MAX_S = 10**8
# Whoever forges a box's number makes the post look its keys up; a box comes again after a minute.
_LOOK_UP_EACH_S = 30.0
# Of SMS that their number's box did not make, so many a minute are held against every box's key:
# some milliseconds each.
_STRANGERS_PER_MIN = 20
_COUNTED = {Committed.COPY: "copy", Committed.OLD: "old", Committed.REVOKED: "revoked"}


class SmsIntake:
    def __init__(
        self,
        intake: Intake,
        boxes: KnownBoxes,
        store: SecondPathStore,
        replies: SmsReplies,
        answers: SmsAnswers,
        ways: Ways,
        faults: Faults,
        clock: Clock,
        trace: Trace,
    ) -> None:
        self._intake = intake
        self._boxes = boxes
        self._store = store
        self._replies = replies
        self._answers = answers
        self._ways = ways
        self._faults = faults
        self._clock = clock
        self._trace = trace
        self._tasks: set[asyncio.Task[None]] = set()
        self._looked_up_s: dict[str, float] = {}
        self._strangers_s: deque[float] = deque(maxlen=_STRANGERS_PER_MIN)
        self.counts: Counter[str] = Counter()
        """SMS by what was made of them."""

    @property
    def busy(self) -> bool:
        return bool(self._tasks)

    async def stop(self) -> None:
        """Let the replies that are being written end."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def received(self, provider: SmsProvider, sms: IncomingSms) -> None:
        """Take one SMS; when this returns, the network's copy may go.

        Raises StorageError: it holds an alert that is not committed yet.
        """
        box_id = self._boxes.of_phone(sms.sender)
        if box_id is None:
            self.counts["stranger"] += 1
            self._look_at_stranger(sms)
            return
        message = await self._open(box_id, sms)
        if message is None:
            return
        if box_id not in self._boxes:
            self.counts["revoked"] += 1
            if message.kind is SmsKind.ALERT:
                self._intake.pressed_though_revoked(box_id, self._alert(message, sms.sent_utc))
        elif message.kind is SmsKind.ALERT:
            await self._take_alert(provider, box_id, message, sms.sent_utc)
        elif message.kind is SmsKind.PROBE:
            # An alert behind it waits for no disk on its account.
            self._own(self._take_probe(provider, box_id, message))
        else:
            self.counts["wrong-kind"] += 1
            self._faults.raise_fault(
                FaultKind.MESSAGE_REFUSED, box_id, f"SMS: a box does not say {message.kind.name}"
            )

    async def _open(self, box_id: str, sms: IncomingSms) -> SmsMessage | None:
        """Return what the box said; None, and people are told, when nothing proves it."""
        text = sms.text
        box = self._boxes.get(box_id) or self._boxes.revoked.get(box_id)
        message = None
        try:
            if box is not None and has_form(text):
                message = self._read(box, text) or await self._read_anew(box_id, text)
        except BadMessageError as error:
            # Its key made it: a newer release's box, whose press this may be.
            self.counts["not-understood"] += 1
            self._faults.raise_fault(FaultKind.MESSAGE_REFUSED, box_id, f"SMS: {error}")
            return None
        if message is None:
            self._unverified(box_id)
            # Two boxes' SIM cards may have changed places.
            self._look_at_stranger(sms)
        return message

    def _read(self, box: KnownBox, text: str) -> SmsMessage | None:
        try:
            return read_sms(box.up_key, text)
        except BadMacError:
            return None

    async def _read_anew(self, box_id: str, text: str) -> SmsMessage | None:
        """Its keys may be newer than what is in memory."""
        now_s = self._clock.monotonic_s()
        if now_s - self._looked_up_s.get(box_id, float("-inf")) < _LOOK_UP_EACH_S:
            return None
        self._looked_up_s[box_id] = now_s
        try:
            changed = await in_time(self._boxes.refresh(box_id), self._clock)
        except StorageError as error:
            self._faults.raise_fault(FaultKind.STORE_FAILED, "", str(error))
            return None
        box = self._boxes.get(box_id)
        return self._read(box, text) if changed and box is not None else None

    def _look_at_stranger(self, sms: IncomingSms) -> None:
        """It is dropped; but people are told of a press whose box proves it under a new number."""
        now_s = self._clock.monotonic_s()
        full = len(self._strangers_s) == _STRANGERS_PER_MIN
        if not has_form(sms.text) or (full and now_s - self._strangers_s[0] < 60):
            return
        self._strangers_s.append(now_s)
        try:
            keys = {box_id: box.up_key for box_id, box in self._boxes.items()}
            box_id, message = find_author(keys, sms.text)
        except (BadMacError, BadMessageError):
            return
        fresh = self._boxes.judge_sms(box_id, message.sequence) == window.NEW
        if message.kind is SmsKind.ALERT and fresh:
            self.counts["new-number"] += 1
            pressed = when_pressed(self._alert(message, sms.sent_utc), self._clock.utc())
            told = f"SMS: proven, from a number that is not its own, pressed {pressed}"
            self._faults.raise_fault(FaultKind.MESSAGE_REFUSED, box_id, told)

    def _unverified(self, box_id: str) -> None:
        self.counts["unverified"] += 1
        at = self._clock.utc()
        self._faults.raise_fault(FaultKind.SMS_UNVERIFIED, box_id, f"{at:%Y-%m-%d %H:%M:%S} UTC")

    # Alerts

    async def _take_alert(
        self, provider: SmsProvider, box_id: str, message: SmsMessage, sent_utc: datetime | None
    ) -> None:
        alert = self._alert(message, sent_utc)
        if message.version > VERSION:
            told = f"SMS of version {message.version}"
            self._faults.raise_fault(FaultKind.VERSION_NEWER, box_id, told)
        self._trace.stamp("post.sms_received", alert.alert)

        def committed() -> None:
            self._ways.proven(box_id)
            self._ways.alert_by_sms(box_id)
            self._own(self._replies.receipt(box_id, alert.alert, provider))
            self._answers.consider(box_id)

        sms = BySms(message.sequence, committed)
        ended = await self._intake.alert_by_sms(box_id, alert, sms)
        self.counts[_COUNTED.get(ended, "alert")] += 1
        if ended is Committed.OLD:
            told = f"SMS: below the window, pressed {when_pressed(alert, self._clock.utc())}"
            self._faults.raise_fault(FaultKind.MESSAGE_REFUSED, box_id, told)
        elif ended is Committed.NEVER:
            self._faults.raise_fault(FaultKind.MESSAGE_REFUSED, box_id, NOT_STORED)
            self._own(self._refuse(provider, box_id, message))

    def _alert(self, message: SmsMessage, sent_utc: datetime | None) -> Alert:
        age_s: int | None = None
        if message.age_s is not None:
            under_way_s = self._under_way_s(message.written_s, sent_utc)
            if under_way_s is not None:
                age_s = min(_AGE_MAX_S, message.age_s + under_way_s)
        return Alert(alert=str(message.alerts[0]), age_s=age_s, late=message.late)

    def _under_way_s(self, written_s: int, sent_utc: datetime | None) -> int | None:
        """Return how long the SMS took, by its box's clock, else by the network's.

        A box that wrote it after the network took it has a clock that is wrong.
        """
        written = datetime.fromtimestamp(written_s, tz=self._clock.utc().tzinfo)
        after_sending = sent_utc is not None and written - sent_utc > _AHEAD_MAX
        for moment in (written if written_s and not after_sending else None, sent_utc):
            if moment is None:
                continue
            took = self._clock.utc() - moment
            if -_AHEAD_MAX <= took <= _WAITED_MAX:
                return max(0, int(took.total_seconds()))
        return None

    # Probes

    async def _take_probe(self, provider: SmsProvider, box_id: str, message: SmsMessage) -> None:
        if not await self._take(box_id, message.sequence):
            return
        self.counts["probe"] += 1
        self._ways.proven(box_id)
        await self._replies.probe_reply(box_id, message.sequence, provider)

    async def _refuse(self, provider: SmsProvider, box_id: str, message: SmsMessage) -> None:
        """This alert can never be committed: say so once for each SMS that its box writes."""
        if await self._take(box_id, message.sequence):
            await self._replies.refusal(box_id, str(message.alerts[0]), provider)

    async def _take(self, box_id: str, sequence: int) -> bool:
        """Mark an SMS as taken; False when it is a copy, or the store takes no mark."""
        try:
            if self._boxes.judge_sms(box_id, sequence) == window.SEEN:
                raise CopiedSmsError("an SMS that was taken before")
            await in_time(self._store.take_sms(box_id, sequence), self._clock)
        except CopiedSmsError:
            self.counts["copy"] += 1
            return False
        except StorageError as error:
            # The SIM's room is for alerts: the box asks again.
            self._faults.raise_fault(FaultKind.STORE_FAILED, "", str(error))
            return False
        self._boxes.took_sms(box_id, sequence)
        return True

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a reply by SMS was not written", exc_info=error)
