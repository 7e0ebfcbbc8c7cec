"""The alerts in memory, their life, and their way to the disk.

What the carriers and the bips are told comes from here, never from the disk. Each change is
written behind; while the disk refuses, the change stands in memory and is written later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from vigibip.alert.ids import AlertId
from vigibip.alert.life import (
    ALERT_TABLE,
    WIRE_STATE,
    AlertEvent,
    AlertState,
    IllegalEventError,
    step,
)
from vigibip.alert.messages import Alert
from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError
from vigibip.base.trace import Trace
from vigibip.box.devices import Devices
from vigibip.box.faults import FaultCode, Faults
from vigibip.box.gesture import mark_of, severity_of
from vigibip.box.store import AlertRecord, Contents, EarlyAnswerRecord, Store
from vigibip.box.store.records import REMEMBERED_MAX
from vigibip.box.timers import Timers
from vigibip.box.trust import ClockTrust
from vigibip.wire import frame

_log = logging.getLogger(__name__)

# An SD card under load answers within a second; a dying one may never.
_DISK_ANSWERS_WITHIN_S = 5.0
# What the message to the post can hold; a bip's nonsense must not stop an alert.
_AGE_MAX_S = 2**32 - 1
# What these tell a bip says "the box has it", and that is true once the disk has it.
_OF_THE_BOX_ALONE = frozenset({AlertState.HEARD, AlertState.NOT_REACHED, AlertState.PARKED})
_RETRY_FIRST_S = 1.0
_RETRY_MAX_S = 30.0


class BoxAlert:
    """One press. Times in seconds are the clock's monotonic ones."""

    __slots__ = (
        "age_s",
        "alert_id",
        "answer_sequence",
        "asked_by",
        "battery_mv",
        "clock_sure",
        "delivered_s",
        "gesture",
        "gesture_revision",
        "gesture_s",
        "gesture_told",
        "handed_over",
        "late",
        "number",
        "opened_s",
        "opened_utc",
        "receipt",
        "receipt_reason",
        "receipt_utc",
        "restored",
        "revision",
        "rssi_dbm",
        "state",
        "written",
    )

    def __init__(
        self,
        *,
        alert_id: AlertId,
        number: int,
        opened_s: float,
        opened_utc: datetime,
        clock_sure: bool,
        age_s: int | None,
        late: bool = False,
        battery_mv: int | None = None,
        rssi_dbm: int | None = None,
    ) -> None:
        self.alert_id = alert_id
        self.number = number
        self.state = AlertState.OPENED
        self.opened_s = opened_s
        self.opened_utc = opened_utc
        self.clock_sure = clock_sure
        self.age_s = age_s
        """Age when opened; None when nobody knows it."""
        self.late = late
        self.battery_mv = battery_mv
        self.rssi_dbm = rssi_dbm
        self.gesture = 0
        """What the hand said beyond its press, as wire.frame writes it."""
        self.gesture_s: float | None = None
        """When it said so; None when nobody knows."""
        self.gesture_told = 0
        """The gesture that the post has confirmed."""
        self.gesture_revision = 0
        """The first one that holds the gesture."""
        self.receipt: str | None = None
        self.receipt_reason = ""
        self.receipt_utc: datetime | None = None
        self.delivered_s: float | None = None
        self.answer_sequence: int | None = None
        self.asked_by: tuple[bytes, int] | None = None
        """Address and up-counter of the last frame that brought this press in this run."""
        self.restored = False
        """True when an earlier run of the box opened it."""
        self.handed_over = False
        """True once a carrier had it in this run."""
        self.revision = 1
        self.written = 0

    @classmethod
    def from_record(
        cls, record: AlertRecord, now_s: float, now_utc: datetime | None, *, counts_on: bool
    ) -> BoxAlert:
        """Return the alert that a restarted box goes on with.

        `now_utc` None: clock unsure. `counts_on` False: it may be late, so that no age follows
        from it; the plan's times go on from it all the same, late rather than early.
        """
        known = record.clock_sure and now_utc is not None and counts_on
        gone_s = 0.0
        if record.clock_sure and now_utc is not None:
            gone_s = max(0.0, (now_utc - record.opened_utc).total_seconds())
        alert = cls(
            alert_id=record.alert_id,
            number=record.number,
            opened_s=now_s - gone_s,
            opened_utc=record.opened_utc,
            clock_sure=record.clock_sure,
            age_s=record.age_s if known else None,
            late=record.late,
            battery_mv=record.battery_mv,
            rssi_dbm=record.rssi_dbm,
        )
        alert.state = record.state
        alert.gesture = record.gesture
        alert.gesture_told = record.gesture_told
        alert.receipt = record.receipt
        alert.receipt_reason = record.receipt_reason
        alert.receipt_utc = record.receipt_utc
        alert.answer_sequence = record.answer_sequence
        if record.receipt == "accepted":
            since_s = 0.0
            if record.clock_sure and now_utc is not None and record.receipt_utc is not None:
                since_s = max(0.0, (now_utc - record.receipt_utc).total_seconds())
            alert.delivered_s = now_s - since_s
        alert.written = alert.revision
        alert.restored = True
        return alert

    @property
    def waiting(self) -> bool:
        """True until the post's receipt, whichever way it went."""
        return self.receipt is None

    @property
    def told(self) -> int:
        """What the bip is told (wire.frame.STATE_*); STATE_NONE while nothing may be."""
        if self.state in _OF_THE_BOX_ALONE and not self.written:
            return frame.STATE_NONE
        return WIRE_STATE[self.state]

    def age(self, now_s: float) -> int | None:
        """Return the seconds since the button went down, None when nobody knows."""
        if self.age_s is None:
            return None
        return min(_AGE_MAX_S, self.age_s + max(0, int(now_s - self.opened_s)))

    def message(self, now_s: float) -> Alert:
        """Return what the post is told."""
        mark = mark_of(self.gesture)
        return Alert(
            alert=str(self.alert_id),
            age_s=self.age(now_s),
            late=self.late,
            battery_mv=self.battery_mv,
            rssi_dbm=self.rssi_dbm,
            severity=severity_of(self.gesture),
            mark=mark,
            mark_age_s=None
            if mark is None or self.gesture_s is None
            else max(0, int(now_s - self.gesture_s)),
        )

    def record(self) -> AlertRecord:
        """Return the row: once it is on the disk the alert is heard, so OPENED is never there."""
        return AlertRecord(
            number=self.number,
            alert_id=self.alert_id,
            state=AlertState.HEARD if self.state is AlertState.OPENED else self.state,
            opened_utc=self.opened_utc,
            clock_sure=self.clock_sure,
            age_s=self.age_s,
            late=self.late,
            battery_mv=self.battery_mv,
            rssi_dbm=self.rssi_dbm,
            receipt=self.receipt,
            receipt_reason=self.receipt_reason,
            receipt_utc=self.receipt_utc,
            answer_sequence=self.answer_sequence,
            gesture=self.gesture,
            gesture_told=self.gesture_told,
        )


class AlertBook:
    """Every alert that this box remembers."""

    def __init__(
        self,
        *,
        store: Store,
        devices: Devices,
        clock: Clock,
        trust: ClockTrust,
        timers: Timers,
        faults: Faults,
        trace: Trace,
    ) -> None:
        self._store = store
        self._devices = devices
        self._clock = clock
        self._trust = trust
        self._timers = timers
        self._faults = faults
        self._trace = trace
        self._alerts: dict[AlertId, BoxAlert] = {}
        self._next_number = 1
        self._saves: set[asyncio.Task[bool]] = set()
        self._unsaved: dict[AlertId, BoxAlert] = {}
        self._retry_pause_s = _RETRY_FIRST_S
        self._retry_set = False
        self.stored: Callable[[BoxAlert], None] = lambda _alert: None
        """Called once, after the commit that first put an alert on the disk."""

    def load(self, contents: Contents) -> None:
        now_s, now_utc = self._clock.monotonic_s(), self._trust.utc_if_sure()
        counts_on = self._trust.counts_on
        for record in contents.alerts:
            alert = BoxAlert.from_record(record, now_s, now_utc, counts_on=counts_on)
            self._alerts[record.alert_id] = alert
            if contents.from_copy and alert.state in _OF_THE_BOX_ALONE:
                # A write whose fsync failed can be read and be gone after the next power cut.
                if alert.state is not AlertState.PARKED:
                    alert.state = AlertState.OPENED
                alert.written = 0
                self._unsaved[record.alert_id] = alert
            self._next_number = max(self._next_number, record.number + 1)
        if self._unsaved:
            self._retry_later()

    def __iter__(self) -> Iterator[BoxAlert]:
        return iter(self._alerts.values())

    def get(self, alert_id: AlertId) -> BoxAlert | None:
        return self._alerts.get(alert_id)

    @property
    def saving(self) -> bool:
        """True while a write is under way that needs no time to pass."""
        return bool(self._saves)

    async def saved(self) -> None:
        """Return once every write that is under way has ended."""
        while self._saves:
            await asyncio.wait(set(self._saves))

    def open(
        self,
        alert_id: AlertId,
        *,
        age_s: int | None,
        late: bool,
        battery_mv: int | None,
        rssi_dbm: int | None,
    ) -> BoxAlert:
        """Take in a new press. It is not on the disk before `save`."""
        alert = BoxAlert(
            alert_id=alert_id,
            number=self._next_number,
            opened_s=self._clock.monotonic_s(),
            opened_utc=self._clock.utc(),
            clock_sure=self._trust.counts_on,
            age_s=age_s,
            late=late,
            battery_mv=battery_mv,
            rssi_dbm=rssi_dbm,
        )
        self._next_number += 1
        if len(self._alerts) >= 2 * REMEMBERED_MAX:
            self._forget_oldest()
        self._alerts[alert_id] = alert
        self._trace.stamp("box.opened", str(alert_id))
        return alert

    def apply(self, alert: BoxAlert, event: AlertEvent) -> bool:
        """Let `event` happen; return whether the state changed. An illegal one changes nothing."""
        try:
            state = step(ALERT_TABLE, alert.state, event)
        except IllegalEventError as error:
            _log.info("alert %s: %s", alert.alert_id, error)
            return False
        if state is alert.state:
            return False
        _log.info("alert %s: %s, was %s", alert.alert_id, state.value, alert.state.value)
        alert.state = state
        alert.revision += 1
        if state is AlertState.DELIVERED:
            alert.delivered_s = self._clock.monotonic_s()
        return True

    def save(
        self, alerts: Iterable[BoxAlert], early_answers: Sequence[EarlyAnswerRecord] = ()
    ) -> asyncio.Task[bool]:
        """Write alerts and their devices' windows together; the task tells whether it worked.

        Alerts that could not be written are kept and written later; answers are not, for the post
        tells them again.
        """
        task = asyncio.create_task(self._save(list(alerts), early_answers))
        self._saves.add(task)
        task.add_done_callback(self._saves.discard)
        return task

    async def _save(
        self, alerts: list[BoxAlert], early_answers: Sequence[EarlyAnswerRecord]
    ) -> bool:
        revisions = [(alert, alert.revision) for alert in alerts]
        devices = {
            device.device_id: device
            for alert in alerts
            if (device := self._devices.get(alert.alert_id.device_id)) is not None
        }
        windows = [device.window_record() for device in devices.values()]
        slow = self._timers.call_in(_DISK_ANSWERS_WITHIN_S, self._disk_is_slow)
        try:
            await self._store.write_alerts(
                [alert.record() for alert in alerts],
                windows,
                self._trust.utc_if_sure(),
                early_answers,
            )
        except StorageError as error:
            self._refused(alerts, error)
            return False
        finally:
            slow.cancel()
        for window in windows:
            devices[window.device_id].window_written(window)
        for alert, revision in revisions:
            self._written(alert, revision)
        if not self._unsaved:
            self._faults.clear(FaultCode.STORAGE)
            self._retry_pause_s = _RETRY_FIRST_S
        return True

    def _written(self, alert: BoxAlert, revision: int) -> None:
        first = alert.written == 0
        alert.written = max(alert.written, revision)
        if alert.written == alert.revision:
            self._unsaved.pop(alert.alert_id, None)
        if first:
            self._trace.stamp("box.stored", str(alert.alert_id))
            self.apply(alert, AlertEvent.STORED)
            # The row already says "heard": this step needs no write of its own.
            if alert.state is AlertState.HEARD:
                alert.written = alert.revision
                self._unsaved.pop(alert.alert_id, None)
            self.stored(alert)

    def _refused(self, alerts: list[BoxAlert], error: StorageError) -> None:
        self._faults.begin(FaultCode.STORAGE, f"alerts cannot be kept: {error}")
        for alert in alerts:
            self._unsaved[alert.alert_id] = alert
        self._retry_later()

    def _retry_later(self) -> None:
        if not self._retry_set:
            self._retry_set = True
            self._timers.call_in(self._retry_pause_s, self._retry)
            self._retry_pause_s = min(_RETRY_MAX_S, self._retry_pause_s * 2)

    def _retry(self) -> None:
        self._retry_set = False
        # Also with nothing to write: only a write shows that the disk is well again.
        self.save(self._unsaved.values())

    def _forget_oldest(self) -> None:
        done = [
            alert
            for alert in self._alerts.values()
            if not alert.waiting
            and alert.state is not AlertState.PARKED
            and alert.written == alert.revision
        ]
        for alert in done[:REMEMBERED_MAX]:
            del self._alerts[alert.alert_id]

    def _disk_is_slow(self) -> None:
        self._faults.begin(FaultCode.STORAGE, "the disk does not answer")
