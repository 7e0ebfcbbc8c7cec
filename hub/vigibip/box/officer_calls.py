"""The plan's last resort: no receipt by any way, so the officer's own phone is called by SMS.

The SMS carries a one-time word; he answers with it and a code of his card. His proven answer is
on the disk before it counts, and tells the bip "coming"; the post is told over data later, until
its own answer comes. The alert goes on waiting for its receipt all the same.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Iterable
from datetime import tzinfo

from vigibip.alert.ids import AlertId
from vigibip.alert.life import AlertEvent, AlertState
from vigibip.alert.messages import OfficerContact
from vigibip.alert.officer_codes import new_word, read_reply
from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError
from vigibip.base.trace import Trace
from vigibip.box import sms_words
from vigibip.box.alerts import AlertBook, BoxAlert
from vigibip.box.call_keeper import CallKeeper
from vigibip.box.code_door import CodeDoor, Wrong
from vigibip.box.faults import Faults
from vigibip.box.officer_answers import OfficerAnswers
from vigibip.box.path_memory import answered_by_disk
from vigibip.box.sms_path import SmsPath
from vigibip.box.store import OfficerCallRecord, SecondPathContents, Store
from vigibip.box.timers import Timer, Timers
from vigibip.box.trust import ClockTrust
from vigibip.sms.contract import OutgoingSms
from vigibip.sms.errors import SmsError
from vigibip.sms.lanes import Lane

_log = logging.getLogger(__name__)

_PREFIX = "officer"
# An officer is not sent after what is older when the box first could have called him.
_TOO_OLD_S = 1800
# Nor asked again for what is older: whoever read none of the SMS so long will not go now.
_CALLED_FOR_S = 7200
# The number may be forged; he who is told three times how to answer knows.
_HELP_MAX = 3
# His answer to a call that ended meanwhile still says that he is on the way.
_WORD_LASTS_S = 1800.0
# A timer may come a rounding error early.
_DUE_WITHIN_S = 0.001
# Without a receipt, and yet the post has it, or somebody comes.
_KNOWN_TO_THE_POST = frozenset({AlertState.COMING, AlertState.UNANSWERED, AlertState.PARKED})
# What the network could not bring him by then is told better by the next one.
_VALID_S = 1800.0


class _Call:
    """One word, and the alerts that the officer was told under it."""

    def __init__(self, word: str) -> None:
        self.word = word
        self.alerts: list[BoxAlert] = []
        self.sent = 0
        """Since the last press joined: where it stands in its steps."""
        self.helped = 0
        self.being_answered = False
        """The disk is at his answer, which speaks for no press that comes now."""
        self.again: Timer | None = None
        """The next SMS of it; None: it is over."""

    @property
    def open(self) -> bool:
        return self.again is not None and not self.being_answered


class OfficerCalls:
    """Calls the officer of the contacts, judges what he answers, and tells the post of it."""

    def __init__(
        self,
        *,
        path: SmsPath,
        after_s: float | None,
        steps_s: tuple[float, ...],
        zone: tzinfo,
        book: AlertBook,
        store: Store,
        clock: Clock,
        trust: ClockTrust,
        timers: Timers,
        faults: Faults,
        trace: Trace,
        chance: random.Random,
    ) -> None:
        self._path = path
        self._after_s = after_s
        self._steps_s = steps_s
        self._zone = zone
        self._book = book
        self._store = store
        self._clock = clock
        self._trust = trust
        self._timers = timers
        self._faults = faults
        self._trace = trace
        self._chance = chance
        self._calls: list[_Call] = []
        self._door = CodeDoor(store=store, clock=clock, faults=faults)
        self._keeper = CallKeeper(
            store=store, timers=timers, faults=faults, open_calls=self._open_records
        )
        self._checking = asyncio.Lock()
        self.answers = OfficerAnswers(book=book, clock=clock, trust=trust, timers=timers)
        self.answers.given_up = self._keeper.forget
        self.counts: Counter[str] = Counter()
        path.join(_PREFIX, self)
        path.on_officer = self.received

    @property
    def busy(self) -> bool:
        return self._keeper.busy or self._checking.locked()

    async def written(self) -> None:
        """Return once what is under way has been written, or cannot be."""
        await self._keeper.written()

    def load(self, contents: SecondPathContents) -> None:
        """Go on with what an earlier run began; the book has its alerts already."""
        self._door.load(contents)
        gone = []
        for record in contents.calls:
            alert = self._book.get(record.alert_id)
            if record.digest is not None:
                self.answers.add(record)
                # The power may have gone between the code's commit and the alert's.
                if alert is not None and self._book.apply(alert, AlertEvent.ANSWER):
                    self._book.save([alert])
            elif self._after_s is None or alert is None or not self._wants_call(alert):
                gone.append(record.alert_id)
            else:
                call = self._call_of(record.word) or self._new_call(record.word)
                call.alerts.append(alert)
                call.sent = 1
        for call in self._calls:
            self._call_again(call)
        self._keeper.forget(gone)
        self.answers.tell_soon()

    def watch(self, alert: BoxAlert) -> None:
        """A press that waits for its receipt: its time runs from now on."""
        if self._after_s is None or any(alert in call.alerts for call in self._calls):
            return
        due_s = alert.opened_s + self._after_s - self._clock.monotonic_s()
        self._timers.call_in(due_s, lambda: self._due(alert))

    def settled(self, alert: BoxAlert) -> None:
        """Its receipt or an answer came: nobody needs to be called for it any more."""
        for call in self._calls:
            if alert in call.alerts and not any(map(self._wants_call, call.alerts)):
                self._end(call)
        self.answers.tell_soon()

    def post_answered(self, alert_ids: Iterable[AlertId]) -> None:
        """The post's own "coming" is here: it knows."""
        self._keeper.forget(self.answers.confirmed(alert_ids))

    def data_is_up(self) -> None:
        self.answers.tell_soon()

    # PathUser

    def path_changed(self) -> None:
        # Contacts with an officer may have come, or the modem: what is due goes now.
        for alert in list(self._book):
            if self._is_due(alert) and not any(alert in call.alerts for call in self._calls):
                self._due(alert)

    def sms_left(self, _key: str) -> None:
        self.counts["left"] += 1

    def sms_failed(self, _key: str, _error: SmsError) -> None:
        self.counts["failed"] += 1

    # Calling

    @property
    def _officer(self) -> OfficerContact | None:
        contacts = self._path.memory.contacts
        return None if contacts is None else contacts.officer

    def _wants_call(self, alert: BoxAlert) -> bool:
        waits = alert.waiting and alert.state not in _KNOWN_TO_THE_POST
        return waits and self._least_age_s(alert) < _CALLED_FOR_S

    def _least_age_s(self, alert: BoxAlert) -> float:
        """Return the seconds since the press, at least: a power cut may hide some."""
        now_s = self._clock.monotonic_s()
        age_s = alert.age(now_s)
        if age_s is not None:
            return age_s
        since_s = now_s - alert.opened_s
        if alert.clock_sure:
            # The clock may have been told the time after the start.
            gone = self._trust.at_least_utc - alert.opened_utc
            since_s = max(since_s, gone.total_seconds())
        return since_s

    def _is_due(self, alert: BoxAlert) -> bool:
        if self._after_s is None or not self._wants_call(alert):
            return False
        since_s = self._clock.monotonic_s() - alert.opened_s
        due = since_s >= self._after_s - _DUE_WITHIN_S
        return due and self._least_age_s(alert) < _TOO_OLD_S

    def _due(self, alert: BoxAlert) -> None:
        if self._officer is None or not self._is_due(alert):
            return
        call = self._open_call()
        if call is None:
            taken = {one.word for one in self._calls}
            call = self._new_call(new_word(self._chance, taken))
        if alert not in call.alerts:
            call.alerts.append(alert)
            # It is news: the steps begin anew with it.
            call.sent = 0
            self._send(call)

    def _open_call(self) -> _Call | None:
        return next((call for call in self._calls if call.open), None)

    def _new_call(self, word: str) -> _Call:
        call = _Call(word)
        self._calls.append(call)
        return call

    def _call_of(self, word: str) -> _Call | None:
        return next((call for call in self._calls if call.word == word), None)

    def _send(self, call: _Call) -> None:
        officer, contacts = self._officer, self._path.memory.contacts
        if officer is not None and contacts is not None:
            waiting = [alert for alert in call.alerts if self._wants_call(alert)]
            now_utc = self._clock.utc() if self._trust.counts_on else None
            text = sms_words.officer_words(
                contacts.spoken,
                contacts.address,
                sms_words.moment(waiting[-1].age(self._clock.monotonic_s()), now_utc, self._zone),
                call.word,
                len(waiting),
            )
            self._path.submit(
                OutgoingSms(
                    to=officer.number,
                    text=text,
                    lane=Lane.ALERT,
                    key=f"{_PREFIX}:{call.word}",
                    valid_s=_VALID_S,
                )
            )
            _log.warning("no receipt: the officer is called for %d alerts", len(waiting))
            self.counts["calls"] += 1
            call.sent += 1
            self._keeper.keep()
        self._call_again(call)

    def _call_again(self, call: _Call) -> None:
        if call.again is not None:
            call.again.cancel()
        pause_s = self._steps_s[min(max(call.sent, 1), len(self._steps_s)) - 1]
        call.again = self._timers.call_in(pause_s, lambda: self._again(call))

    def _again(self, call: _Call) -> None:
        if any(map(self._wants_call, call.alerts)):
            self._send(call)
        else:
            self._end(call)

    def _end(self, call: _Call) -> None:
        """Call no more. The word goes on being understood for a while."""
        if call.again is None:
            return
        call.again.cancel()
        call.again = None
        self._path.withdraw(f"{_PREFIX}:{call.word}")
        self._timers.call_in(_WORD_LASTS_S, lambda: self._forget_word(call))

    def _forget_word(self, call: _Call) -> None:
        if call in self._calls:
            self._calls.remove(call)
            self._keeper.forget([alert.alert_id for alert in call.alerts])

    # His answer

    async def received(self, text: str) -> None:
        """Judge an SMS from the officer's number. Raises StorageError to have it brought again."""
        reply = read_reply(text)
        call = None if reply is None else self._call_of(reply.word)
        if reply is None or call is None:
            # Without a word of ours it costs no hash.
            self.counts["talk" if reply is None else "unknown_word"] += 1
            self._help()
            return
        async with self._checking:
            officer = self._officer
            if officer is None or call not in self._calls:
                return
            if self._door.is_closed():
                self.counts["locked"] += 1
                return
            judged = await self._door.judge(officer, reply.code)
            if isinstance(judged, Wrong):
                self.counts[judged.value] += 1
                closed = self._door.is_closed()
                self._say(officer, sms_words.LOCKED if closed else sms_words.WRONG_CODE)
                return
            call.being_answered = True
            try:
                await self._take_answer(call, officer, judged)
            finally:
                call.being_answered = False

    def _help(self) -> None:
        # He may believe that he has answered, and nobody at the shop would know.
        officer, call = self._officer, self._open_call()
        if officer is None or call is None or self._door.is_closed() or call.helped >= _HELP_MAX:
            return
        call.helped += 1
        self._say(officer, sms_words.not_understood(call.word))

    async def _take_answer(self, call: _Call, officer: OfficerContact, digest: bytes) -> None:
        alerts = list(call.alerts)
        answered = [
            OfficerCallRecord(
                alert_id=alert.alert_id,
                word=call.word,
                digest=digest,
                answered_utc=self._clock.utc() if self._trust.counts_on else None,
            )
            for alert in alerts
        ]
        writing = asyncio.create_task(self._write_answer(answered))
        if not await answered_by_disk(writing, self._clock):
            # It may still be written: the same answer brought again then changes nothing there.
            raise StorageError("the disk does not answer")
        self._door.use(digest)
        self.counts["answers"] += 1
        _log.warning("the officer's proven answer is here, for %d alerts", len(alerts))
        for alert, record in zip(alerts, answered, strict=True):
            self.answers.add(record)
            self._trace.stamp("box.answer", str(alert.alert_id))
            self._book.apply(alert, AlertEvent.ANSWER)
        self._book.save(alerts)
        self._say(officer, sms_words.TAKEN)
        self._end(call)
        # A word is good for one answer.
        self._calls.remove(call)
        self.answers.tell_soon()

    async def _write_answer(self, answered: list[OfficerCallRecord]) -> bool:
        await self._store.write_calls(answered)
        return True

    def _say(self, officer: OfficerContact, text: str) -> None:
        self._path.submit(
            OutgoingSms(to=officer.number, text=text, lane=Lane.ANSWER, key=f"{_PREFIX}:said")
        )

    # The disk

    def _open_records(self) -> list[OfficerCallRecord]:
        return [
            OfficerCallRecord(alert_id=alert.alert_id, word=call.word)
            for call in self._calls
            for alert in call.alerts
            if self._wants_call(alert)
        ]
