"""How strongly each bip is heard, day by day, against its first full day: has something moved?

A shelf of tins before the receiver, or a box that was put elsewhere, costs decibels long before it
costs a press. A day's value is the median of what was heard of a bip, and two days must agree, so
that who walks about with it changes little.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, replace

from vigibip.base.clock import Clock
from vigibip.box.devices import Devices
from vigibip.box.faults import FaultCode, Faults
from vigibip.box.store.bips import day_of
from vigibip.box.store.reach import ReachRecord
from vigibip.box.trust import ClockTrust
from vigibip.wire import frame

# So much weaker than on its first day: a third of the range in free air, and more than a hand or
# a pocket changes in a day's median.
MOVED_DB = 10
# Told until it is back within this.
_BACK_DB = 6
# With fewer a day goes on: a bip that tells its status daily has a value every three days.
_SAMPLES_LEAST = 3
_SAMPLES_MAX = 96
# A press and its polls are one moment, not a day.
_SAMPLE_EACH_S = 600.0
_TAG_LENGTH = 8


@dataclass(slots=True)
class _Last:
    tag: bytes
    at_s: float


class Reach:
    """Keeps each bip's strength; what `take_unwritten` gives is due for the disk."""

    def __init__(
        self, *, devices: Devices, faults: Faults, clock: Clock, trust: ClockTrust
    ) -> None:
        self._devices = devices
        self._faults = faults
        self._clock = clock
        self._trust = trust
        self._records: dict[int, ReachRecord] = {}
        self._last: dict[int, _Last] = {}
        self._unwritten: set[int] = set()

    def start(self, records: Iterable[ReachRecord]) -> None:
        """Go on with what the disk has."""
        self._records = {record.device_id: record for record in records}
        self._judge()

    def heard(self, device_id: int, sealed: bytes, rssi_dbm: int) -> None:
        """A new frame of it opened, heard so strongly by the receiver that brought it."""
        utc, now_s = self._trust.utc_if_sure(), self._clock.monotonic_s()
        last = self._last.get(device_id)
        if utc is None or rssi_dbm == frame.RSSI_UNKNOWN:
            return
        if last is not None and now_s - last.at_s < _SAMPLE_EACH_S:
            return
        self._last[device_id] = _Last(sealed[-_TAG_LENGTH:], now_s)
        day = day_of(utc)
        record = self._records.get(device_id)
        if record is None or record.day > day + 1:
            # The day on which it was brought is none to compare with.
            record = ReachRecord(device_id, day + 1)
        elif record.day < day:
            record = self._day_over(record, day)
        if record.day == day and len(record.samples_dbm) < _SAMPLES_MAX:
            record = replace(record, samples_dbm=(*record.samples_dbm, rssi_dbm))
        self._keep(record)

    def copy(self, rssi_dbm: int, sealed: bytes) -> None:
        """Another receiver heard the same frame: the stronger counts."""
        try:
            _, device_id, _ = frame.read_header(sealed)
        except frame.FrameError:
            return
        last, record = self._last.get(device_id), self._records.get(device_id)
        if record is None or last is None or last.tag != sealed[-_TAG_LENGTH:]:
            return
        if record.samples_dbm and rssi_dbm > record.samples_dbm[-1]:
            self._keep(replace(record, samples_dbm=(*record.samples_dbm[:-1], rssi_dbm)))

    def commission(self) -> int:
        """Where everything is now is right: begin anew for all. Return for how many bips."""
        for record in list(self._records.values()):
            self._keep(ReachRecord(record.device_id, record.day + 1))
        self._judge()
        return len(self._records)

    def devices_changed(self) -> None:
        """Forget those that are no longer paired."""
        for device_id in [one for one in self._records if self._devices.get(one) is None]:
            del self._records[device_id]
            self._unwritten.discard(device_id)
        self._judge()

    def take_unwritten(self) -> list[ReachRecord]:
        """Return what is new since the last call; `not_written` brings it back."""
        taken = [self._records[device_id] for device_id in sorted(self._unwritten)]
        self._unwritten.clear()
        return taken

    def not_written(self, records: Iterable[ReachRecord]) -> None:
        """The disk refused these: what is newest of them goes with the next batch."""
        self._unwritten |= {one.device_id for one in records if one.device_id in self._records}

    def _keep(self, record: ReachRecord) -> None:
        self._records[record.device_id] = record
        self._unwritten.add(record.device_id)

    def _day_over(self, record: ReachRecord, day: int) -> ReachRecord:
        if len(record.samples_dbm) < _SAMPLES_LEAST:
            return replace(record, day=day)
        value_dbm = round(statistics.median(record.samples_dbm))
        first_dbm = value_dbm if record.first_dbm is None else record.first_dbm
        record = ReachRecord(record.device_id, day, (), first_dbm, value_dbm, record.day_dbm)
        self._records[record.device_id] = record
        self._judge()
        return record

    # What is wrong

    def _judge(self) -> None:
        told = {fault.subject for fault in self._faults.standing() if fault.code is FaultCode.MOVED}
        weaker: dict[int, int] = {}
        known = 0
        for record in self._records.values():
            if record.first_dbm is None or record.day_dbm is None or record.before_dbm is None:
                continue
            known += 1
            by_db = record.first_dbm - max(record.day_dbm, record.before_dbm)
            if by_db >= (_BACK_DB if told & {"", _subject(record.device_id)} else MOVED_DB):
                weaker[record.device_id] = by_db
        wrong: dict[str, str] = {}
        if len(weaker) >= 2 and 2 * len(weaker) >= known:
            # That many bips do not move on one day: the receiver did.
            wrong[""] = f"{len(weaker)} of {known} bips, by {max(weaker.values())} dB at most"
        else:
            for device_id, by_db in weaker.items():
                record = self._records[device_id]
                wrong[_subject(device_id)] = f"{record.day_dbm} dBm, {by_db} dB below its first day"
        for subject in told - wrong.keys():
            self._faults.clear(FaultCode.MOVED, subject)
        for subject, detail in wrong.items():
            self._faults.begin(FaultCode.MOVED, detail, subject)


def _subject(device_id: int) -> str:
    return f"{device_id:08x}"
