"""Notices boxes that are silent: on data, by SMS, or altogether. Three faults, three words.

Nothing is told that the post's own silence explains: its restart, a broker that is gone, modems
that do not work.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError
from vigibip.post.config import BoxWatchSettings
from vigibip.post.faults import OTHERS, FaultKind, Faults
from vigibip.post.patience import OneAtATime
from vigibip.post.store.records import KnownBox
from vigibip.post.store.second_path import SecondPathStore
from vigibip.post.ways import Ways

_log = logging.getLogger(__name__)

STATUSES_MISSED = 3
# A box whose path was proven as shortly before its data fell does not prove it again.
_PROOF_FRESH_S = 3600.0 + 180.0
# An alert proves its box for so long: without a receipt it comes again within half an hour, with
# one a probe follows it. Silence after that is somebody who has cut the box off, or broken it.
_ALERT_PROVES_S = 2400.0
# Once the post's modems work again, boxes whose probe failed meanwhile ask within that.
_PROBED_AGAIN_S = 8 * 3600.0
_MODEMS_DOWN_S = 600.0
# So many are named one by one; beyond, their number is told.
NAMED_MAX = 200
HEARD_EACH_S = 300.0
"""So old may be what the store says of a box that was just heard."""
_HEARD_AT_ONCE = 500
_KINDS = (
    FaultKind.DATA_LOST,
    FaultKind.SMS_UNPROVEN,
    FaultKind.BOX_LOST,
    FaultKind.BOX_LOST_AFTER_PRESS,
)


class BoxWatch:
    """`connected`: whether messages flow from the broker; `modem_up`: None without modems."""

    def __init__(
        self,
        boxes: Mapping[str, KnownBox],
        ways: Ways,
        store: SecondPathStore,
        faults: Faults,
        settings: BoxWatchSettings,
        clock: Clock,
        *,
        unproven_after_s: float,
        connected: Callable[[], bool],
        modem_up: Callable[[], bool | None],
    ) -> None:
        self._boxes = boxes
        self._ways = ways
        self._store = store
        self._faults = faults
        self._settings = settings
        self._clock = clock
        self._unproven_after_s = unproven_after_s
        self._connected = connected
        self._modem_up = modem_up
        self._connected_since_s: float | None = None
        self._modems_since_s: float | None = None
        self._modems_down_s = clock.monotonic_s()
        self._stood: dict[FaultKind, set[str]] = {kind: set() for kind in _KINDS}
        """Of whom each was true at the last look, those too that are too many to be named."""
        self._after_press: dict[str, bool] = {}
        """Boxes that are lost: whether that was after a press."""
        self._heard_written_s = clock.monotonic_s()
        self._asking = OneAtATime(clock)
        self._writing = OneAtATime(clock)

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            await self.look()
            await self._clock.sleep(self._settings.look_each_s)

    async def look(self) -> None:
        now_s = self._clock.monotonic_s()
        self._look_at_ourselves(now_s)
        lost_s = self._data_lost(now_s)
        lost = self._lost(now_s, lost_s)
        await self._judge_presses(lost, now_s, lost_s)
        self._tell(FaultKind.DATA_LOST, {box_id: self._since(box_id) for box_id in lost_s})
        self._tell(FaultKind.SMS_UNPROVEN, self._unproven(now_s))
        after_press = {box_id for box_id in lost if self._after_press.get(box_id)}
        self._tell(
            FaultKind.BOX_LOST_AFTER_PRESS, {box_id: self._since(box_id) for box_id in after_press}
        )
        self._tell(
            FaultKind.BOX_LOST, {box_id: self._since(box_id) for box_id in lost - after_press}
        )
        if self._ways.somebody_new or now_s - self._heard_written_s >= HEARD_EACH_S:
            self._heard_written_s = now_s
            await self.write_heard()

    async def write_heard(self) -> None:
        """Keep who was heard until now, if the disk takes it soon."""
        while heard := self._ways.take_unwritten(_HEARD_AT_ONCE):
            try:
                await self._writing.run(self._store.record_heard(heard))
            except StorageError as error:
                _log.warning("who was heard is not kept: %s", error)
                return

    def _look_at_ourselves(self, now_s: float) -> None:
        if not self._connected():
            self._connected_since_s = None
        elif self._connected_since_s is None:
            self._connected_since_s = now_s
        if not self._modem_up():
            if now_s - self._modems_down_s >= _MODEMS_DOWN_S:
                self._modems_since_s = None
            return
        self._modems_down_s = now_s
        if self._modems_since_s is None:
            self._modems_since_s = now_s

    # The three conditions

    def _data_lost(self, now_s: float) -> dict[str, float]:
        """Return since when each box is silent that is so for too long."""
        connected_s = self._connected_since_s
        lost: dict[str, float] = {}
        if connected_s is None:
            # It is the broker. What was silent before goes on being so.
            return dict.fromkeys(self._true_of(FaultKind.DATA_LOST), now_s)
        limit_s = STATUSES_MISSED * self._settings.status_interval_s
        told = self._true_of(FaultKind.DATA_LOST)
        for box_id in self._boxes:
            heard_s = self._ways.heard_s(box_id)
            since_s = connected_s if heard_s is None else max(heard_s, connected_s)
            still = box_id in told and (heard_s is None or heard_s < connected_s)
            silent = now_s - since_s > limit_s
            if still or (silent and self._ways.ever_heard(box_id)):
                lost[box_id] = since_s
        return lost

    def _lost(self, now_s: float, lost_s: Mapping[str, float]) -> set[str]:
        """Return the boxes that are heard by no way at all."""
        told = self._true_of(FaultKind.BOX_LOST) | self._true_of(FaultKind.BOX_LOST_AFTER_PRESS)
        lost = set()
        for box_id, since_s in lost_s.items():
            if self._proof_counts(box_id, now_s, lost_before=box_id in told):
                continue
            if self._modem_up() is not None and self._ways.expected_s(box_id) is not None:
                if self._modems_since_s is None:
                    # Deaf ourselves: what was lost before stays so, and no other is called that.
                    lost.update({box_id} & told)
                    continue
                since_s = max(since_s, self._modems_since_s)
            if box_id in told or now_s - since_s >= self._lost_after_s:
                lost.add(box_id)
        return lost

    def _proof_counts(self, box_id: str, now_s: float, *, lost_before: bool) -> bool:
        """Tell whether a box that data has lost is there by what its last SMS says."""
        proven_s, heard_at = self._ways.proven_s(box_id), self._ways.last_heard_at(box_id)
        if proven_s is None or heard_at is None:
            return False
        # By when the box itself last had data: it does not know of our restarts.
        silent_s = (self._clock.utc() - heard_at).total_seconds()
        if proven_s < now_s - silent_s - _PROOF_FRESH_S:
            return False
        counts_s = self._unproven_after_s
        if self._ways.proven_by_alert(box_id):
            counts_s = min(counts_s, _ALERT_PROVES_S)
        until_s = proven_s + counts_s
        if self._modems_since_s is not None and not lost_before:
            # What the modems missed while they were down, the box says again.
            until_s = max(until_s, self._modems_since_s + min(counts_s, _PROBED_AGAIN_S))
        return now_s < until_s

    @property
    def _lost_after_s(self) -> float:
        limit_s = STATUSES_MISSED * self._settings.status_interval_s
        return limit_s + self._settings.lost_after_s

    def _unproven(self, now_s: float) -> dict[str, str]:
        if self._modem_up() is None:
            return {}
        if self._modems_since_s is None:
            return dict.fromkeys(self._true_of(FaultKind.SMS_UNPROVEN), "")
        # Whatever the modems missed while they were down, the boxes prove again by then.
        at_least_s = self._modems_since_s - self._unproven_after_s + _PROBED_AGAIN_S
        told = self._true_of(FaultKind.SMS_UNPROVEN)
        unproven: dict[str, str] = {}
        for box_id in self._boxes:
            expected_s = self._ways.expected_s(box_id)
            if expected_s is None:
                continue
            proven_s = self._ways.proven_s(box_id)
            if proven_s is not None and proven_s >= self._modems_since_s:
                since_s = proven_s
            else:
                since_s = expected_s if proven_s is None else max(expected_s, proven_s)
                if box_id not in told:
                    since_s = max(since_s, at_least_s)
            if now_s - since_s > self._unproven_after_s:
                unproven[box_id] = "" if proven_s is None else self._moment(proven_s)
        return unproven

    # Telling

    def _named(self, kind: FaultKind) -> set[str]:
        told = {subject for of_kind, subject in self._faults.present if of_kind == kind.value}
        return told - {OTHERS}

    def _true_of(self, kind: FaultKind) -> set[str]:
        """Return of whom it was true at the last look, or before the start."""
        return self._stood[kind] | self._named(kind)

    def _tell(self, kind: FaultKind, wrong: Mapping[str, str]) -> None:
        self._stood[kind] = set(wrong)
        told = self._named(kind)
        for subject in told - wrong.keys():
            self._faults.clear_fault(kind, subject)
        named = told & wrong.keys()
        unnamed = [box_id for box_id in wrong if box_id not in named]
        room = max(0, NAMED_MAX - len(named))
        for box_id in unnamed[:room]:
            self._faults.raise_fault(kind, box_id, wrong[box_id])
        more = f"+{len(unnamed) - room}" if len(unnamed) > room else None
        if more is None:
            if self._faults.stands(kind, OTHERS):
                self._faults.clear_fault(kind, OTHERS)
        elif self._faults.present.get((kind.value, OTHERS)) != more:
            self._faults.raise_fault(kind, OTHERS, more)

    async def _judge_presses(
        self, lost: set[str], now_s: float, lost_s: Mapping[str, float]
    ) -> None:
        """Find out for each box that is newly lost whether it was pressed shortly before."""
        for box_id in self._after_press.keys() - lost:
            del self._after_press[box_id]
        told = self._true_of(FaultKind.BOX_LOST_AFTER_PRESS)
        unjudged: dict[str, datetime] = {}
        for box_id in lost - self._after_press.keys():
            if box_id in told:
                self._after_press[box_id] = True
                continue
            silent_s = now_s - lost_s[box_id] + self._settings.press_counts_s
            unjudged[box_id] = self._clock.utc() - timedelta(seconds=silent_s)
        if not unjudged:
            return
        try:
            pressed = await self._asking.run(self._store.pressed_since(unjudged))
        except StorageError as error:
            self._faults.raise_fault(FaultKind.STORE_FAILED, "", str(error))
            return
        for box_id in unjudged:
            self._after_press[box_id] = box_id in pressed

    def _since(self, box_id: str) -> str:
        heard_at = self._ways.last_heard_at(box_id)
        return "" if heard_at is None else _words(heard_at)

    def _moment(self, at_s: float) -> str:
        ago = timedelta(seconds=self._clock.monotonic_s() - at_s)
        return _words(self._clock.utc() - ago)


def _words(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
