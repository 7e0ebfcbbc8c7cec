"""What the bips say of themselves, kept in memory, and which of them is silent.

A status binds nothing: what is learned here reaches the disk in batches.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from vigibip.base.clock import Clock
from vigibip.box.bip_status import INTERVAL_UNTOLD_MIN, BipStatus
from vigibip.box.devices import Device, Devices
from vigibip.box.faults import FaultCode, Faults
from vigibip.box.store import DayRecord, StatusRecord
from vigibip.box.store.bips import day_of
from vigibip.box.timers import Timers
from vigibip.box.trust import ClockTrust
from vigibip.wire import frame

_LOOK_EACH_S = 60.0
# Faults that a bip's own word, or its silence, begins and ends.
_OF_A_BIP = (
    FaultCode.BIP_MISSING,
    FaultCode.BIP_BATTERY,
    FaultCode.BIP_BUTTON,
    FaultCode.BIP_CRASHES,
)


class BipWatch:
    """Keeps each bip's last status and what it did, and tells what is wrong with it.

    missing_after: so many intervals without a word make a bip missing.
    """

    def __init__(
        self,
        *,
        devices: Devices,
        faults: Faults,
        clock: Clock,
        trust: ClockTrust,
        timers: Timers,
        missing_after: int,
        receivers: int = 1,
    ) -> None:
        self._receivers = receivers
        self._devices = devices
        self._faults = faults
        self._clock = clock
        self._trust = trust
        self._timers = timers
        self._missing_after = missing_after
        self._statuses: dict[int, StatusRecord] = {}
        self._unwritten: set[int] = set()
        self._days: dict[tuple[int, int], DayRecord] = {}
        self._silent_since_s: dict[int, float] = {}

    def start(self, statuses: Iterable[StatusRecord]) -> None:
        """Go on with what the disk has; silence counts from now."""
        for record in statuses:
            self._statuses[record.device_id] = record
            if (device := self._devices.get(record.device_id)) is not None:
                self._judge(device, BipStatus.read(record.payload), None)
        self.devices_changed()
        self._timers.call_in(_LOOK_EACH_S, self._look_regularly)

    def status_of(self, device_id: int) -> StatusRecord | None:
        """Return its last status, None before the first."""
        return self._statuses.get(device_id)

    # What the intake tells

    def heard(self, device: Device, kind: int, battery_mv: int = 0) -> None:
        """A new frame of it opened; `battery_mv` 0: it told no voltage."""
        self._silent_since_s[device.device_id] = self._clock.monotonic_s()
        self._faults.clear(FaultCode.BIP_MISSING, _subject(device.device_id))
        utc = self._trust.utc_if_sure()
        if utc is None:
            return
        key = device.device_id, day_of(utc)
        day = self._days.get(key, DayRecord(*key))
        self._days[key] = replace(
            day,
            statuses=day.statuses + (kind == frame.STATUS),
            presses=day.presses + (kind == frame.PRESS),
            polls=day.polls + (kind == frame.POLL),
            battery_sum_mv=day.battery_sum_mv + battery_mv,
            battery_count=day.battery_count + (battery_mv > 0),
        )

    def take_status(self, device: Device, payload: bytes, rssi_dbm: int, utc: datetime) -> None:
        """It told how it is."""
        status = BipStatus.read(payload)
        before = self._statuses.get(device.device_id)
        self._statuses[device.device_id] = StatusRecord(device.device_id, utc, payload, rssi_dbm)
        self._unwritten.add(device.device_id)
        self._judge(device, status, None if before is None else BipStatus.read(before.payload))

    # What the disk is given

    def take_unwritten(self) -> tuple[list[StatusRecord], list[DayRecord]]:
        """Return what is new since the last call; `not_written` brings it back."""
        statuses = [self._statuses[one] for one in self._unwritten if one in self._statuses]
        days = list(self._days.values())
        self._unwritten.clear()
        self._days.clear()
        return statuses, days

    def not_written(self, statuses: Iterable[StatusRecord], days: Iterable[DayRecord]) -> None:
        """The disk refused this: it goes with the next batch."""
        self._unwritten |= {one.device_id for one in statuses}
        for day in days:
            key = day.device_id, day.day
            newer = self._days.get(key, DayRecord(*key))
            self._days[key] = replace(
                day,
                statuses=day.statuses + newer.statuses,
                presses=day.presses + newer.presses,
                polls=day.polls + newer.polls,
                battery_sum_mv=day.battery_sum_mv + newer.battery_sum_mv,
                battery_count=day.battery_count + newer.battery_count,
            )

    def devices_changed(self) -> None:
        """Begin with those that are new, and forget those that are no longer paired."""
        now_s = self._clock.monotonic_s()
        self._silent_since_s = {
            device.device_id: self._silent_since_s.get(device.device_id, now_s)
            for device in self._devices
        }
        for device_id in [one for one in self._statuses if self._devices.get(one) is None]:
            del self._statuses[device_id]
        for fault in self._faults.standing():
            if fault.code in _OF_A_BIP and self._devices.get(int(fault.subject, 16)) is None:
                self._faults.clear(fault.code, fault.subject)

    # What is wrong

    def _judge(self, device: Device, status: BipStatus, before: BipStatus | None) -> None:
        self._stands(
            FaultCode.BIP_BATTERY,
            device,
            bool(status.complaints & frame.BATTERY_LOW),
            f"{status.battery_mv} mV under load",
        )
        self._stands(
            FaultCode.BIP_BUTTON,
            device,
            bool(status.complaints & frame.BUTTON_STUCK),
            "the button is held down",
        )
        self._stands(
            FaultCode.BIP_CRASHES,
            device,
            status.falls_in_a_loop(before),
            f"{status.crashes} falls, the last at {status.crash or 'an unknown place'}",
        )

    def _stands(self, code: FaultCode, device: Device, stands: bool, detail: str) -> None:
        subject = _subject(device.device_id)
        if stands:
            self._faults.begin(code, detail, subject)
        else:
            self._faults.clear(code, subject)

    def _look_regularly(self) -> None:
        self._look()
        self._timers.call_in(_LOOK_EACH_S, self._look_regularly)

    def _look(self) -> None:
        now_s = self._clock.monotonic_s()
        deaf = [one for one in self._faults.standing() if one.code is FaultCode.RECEIVER]
        if len(deaf) >= self._receivers:
            # Nobody could be heard: that is told already, and nobody's silence.
            self._silent_since_s = dict.fromkeys(self._silent_since_s, now_s)
            return
        for device_id, since_s in self._silent_since_s.items():
            record = self._statuses.get(device_id)
            interval_min = record and BipStatus.read(record.payload).interval_min
            allowed_min = self._missing_after * (interval_min or INTERVAL_UNTOLD_MIN)
            if now_s - since_s > 60.0 * allowed_min:
                self._faults.begin(
                    FaultCode.BIP_MISSING,
                    f"no word for more than {allowed_min} min",
                    _subject(device_id),
                )


def _subject(device_id: int) -> str:
    return f"{device_id:08x}"
