"""From a frame off the air to an alert: seal, replay window, and the order of the hot path.

Open the seal; carriers start from memory; then the disk; only then is the bip told "heard".
Nothing that comes off the air raises, and nothing that does not open is answered.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable

from vigibip.alert.ids import AlertId
from vigibip.base.clock import Clock
from vigibip.box.alerts import AlertBook, BoxAlert
from vigibip.box.bip_watch import BipWatch
from vigibip.box.devices import Device, Devices
from vigibip.box.errands import Errands
from vigibip.box.faults import FaultCode, Faults
from vigibip.box.gesture_telling import Gestures
from vigibip.box.reach import Reach
from vigibip.box.replies import Replier
from vigibip.wire import frame, window

_log = logging.getLogger(__name__)

_TAG_LENGTH = 8
_VERSION_TOLD_EACH_S = 60.0
# What the messages to the post allow; outside of it a reading is no reading.
_BATTERY_MAX_MV = 20_000
_RSSI_MAX_DBM = 20


class Intake:
    """Takes every frame of the receiver."""

    def __init__(
        self,
        *,
        devices: Devices,
        book: AlertBook,
        replier: Replier,
        watch: BipWatch,
        reach: Reach,
        errands: Errands,
        gestures: Gestures,
        offer: Callable[[BoxAlert], None],
        faults: Faults,
        clock: Clock,
    ) -> None:
        self._devices = devices
        self._book = book
        self._replier = replier
        self._watch = watch
        self._reach = reach
        self._errands = errands
        self._gestures = gestures
        self._offer = offer
        self._faults = faults
        self._clock = clock
        self.counts: Counter[str] = Counter()
        """Frames by what became of them."""
        self._version_told_s = -math.inf

    def take(self, rssi_dbm: int, mac: bytes, sealed: bytes) -> None:
        """Take one frame off the air, whatever it is."""
        try:
            kind, device_id, counter = frame.read_header(sealed)
            if frame.sender_of(kind) != frame.FROM_BIP:
                raise frame.KindRefused("not from a bip")
            device = self._devices.get(device_id)
            if device is None:
                self._not_paired(kind, device_id, counter, sealed)
                return
            _, _, payload = device.open(sealed)
        except frame.VersionRefused:
            self._other_version(sealed[0])
            return
        except frame.LengthRefused:
            self.counts["length"] += 1
            return
        except frame.KindRefused:
            self.counts["kind"] += 1
            return
        except frame.SealRefused:
            self.counts["seal"] += 1
            return
        tag = sealed[-_TAG_LENGTH:]
        verdict = device.judge(counter)
        if verdict == window.SEEN and device.tag_of(counter) not in (None, tag):
            self.counts["counter_reused"] += 1
            self._faults.tell(FaultCode.COUNTER_REUSED, f"counter {counter}", f"{device_id:08x}")
            return
        if kind == frame.PRESS:
            self._press(device, rssi_dbm, mac, counter, tag, verdict, payload)
        elif verdict == window.OUTSIDE or (verdict == window.SEEN and not device.tag_of(counter)):
            # Nobody waits behind an old poll or status: a bip asks again with a new counter.
            self.counts["old"] += 1
        elif kind == frame.POLL:
            self._poll(device, mac, counter, tag, payload)
        elif kind == frame.ASK:
            self._ask(device, mac, counter, tag, payload)
        else:
            self._status(device, rssi_dbm, mac, counter, tag, payload)

        if verdict == window.NEW:
            self._reach.heard(device_id, sealed, rssi_dbm)

    def _not_paired(self, kind: int, device_id: int, counter: int, sealed: bytes) -> None:
        """Raises SealRefused for a frame that only says that it is of a revoked bip."""
        device = self._devices.revoked(device_id)
        if device is None:
            # Most likely a neighbour's bip. Its id is no secret, but of no use in a log either.
            self.counts["unknown_device"] += 1
            return
        device.open(sealed)
        self.counts["revoked"] += 1
        # A recorded frame shows nobody's hand: only what was never heard before is told.
        if device.judge(counter) == window.NEW:
            device.accept(counter, sealed[-_TAG_LENGTH:], press=False)
            said = "a press" if kind == frame.PRESS else "a sign of life"
            self._faults.tell(FaultCode.BIP_REVOKED, said, f"{device_id:08x}")

    def _other_version(self, version: int) -> None:
        # No seal covers this: anybody near can send it, as often as he likes.
        self.counts["version"] += 1
        now_s = self._clock.monotonic_s()
        if now_s >= self._version_told_s + _VERSION_TOLD_EACH_S:
            self._version_told_s = now_s
            self._faults.tell(FaultCode.FRAME_VERSION, f"version {version}, not authenticated")

    def _press(
        self,
        device: Device,
        rssi_dbm: int,
        mac: bytes,
        counter: int,
        tag: bytes,
        verdict: int,
        payload: bytes,
    ) -> None:
        press, age_s, battery_mv, *_, gesture, gesture_age_s = frame.unpack_press(payload)
        if not 0 < press <= counter:
            # The seal is the bip's own, so its firmware is wrong; a person pressed all the same.
            self._faults.tell(
                FaultCode.BIP_FIRMWARE, "a press names no press", f"{device.device_id:08x}"
            )
            press = counter
        if verdict == window.NEW:
            device.heard(self._clock.utc(), battery_mv)
            self._watch.heard(device, frame.PRESS, battery_mv)
        alert = self._book.get(AlertId(device.device_id, press))
        if verdict != window.OUTSIDE and device.tag_of(counter) is None:
            device.accept(counter, tag, press=True)
        if alert is not None:
            self.counts["press_again"] += 1
            self._press_again(alert, (mac, counter), gesture, gesture_age_s)
            return
        late = verdict != window.NEW
        if late:
            self._faults.tell(FaultCode.LATE_PRESS, f"press {press}", f"{device.device_id:08x}")
        self.counts["press_late" if late else "press"] += 1
        alert = self._book.open(
            AlertId(device.device_id, press),
            age_s=None if age_s == frame.AGE_UNKNOWN else age_s,
            late=late,
            battery_mv=battery_mv if 0 < battery_mv <= _BATTERY_MAX_MV else None,
            rssi_dbm=rssi_dbm if frame.RSSI_UNKNOWN < rssi_dbm <= _RSSI_MAX_DBM else None,
        )
        alert.asked_by = (mac, counter)
        self._gestures.take(alert, gesture, gesture_age_s)
        self._offer(alert)
        self._book.save([alert])

    def _press_again(
        self, alert: BoxAlert, asked_by: tuple[bytes, int], gesture: int, gesture_age_s: int
    ) -> None:
        alert.asked_by = asked_by
        if self._gestures.take(alert, gesture, gesture_age_s):
            self._book.save([alert]).add_done_callback(lambda _: self._answer(alert))
        else:
            self._answer(alert)

    def stored(self, alert: BoxAlert) -> None:
        """The alert is on the disk: whoever pressed is told."""
        self._answer(alert)

    def _answer(self, alert: BoxAlert) -> None:
        # The answer to a gesture says that the box has it: not before the disk has it.
        if alert.written < alert.gesture_revision:
            return
        device = self._devices.get(alert.alert_id.device_id)
        if device is not None and alert.asked_by is not None:
            mac, counter = alert.asked_by
            self._replier.tell_press(device, mac, counter, alert)

    def _poll(self, device: Device, mac: bytes, counter: int, tag: bytes, payload: bytes) -> None:
        self.counts["poll"] += 1
        if device.tag_of(counter) is None:
            self._watch.heard(device, frame.POLL)
        device.accept(counter, tag, press=False)
        press = frame.unpack_poll(payload)
        alert = self._book.get(AlertId(device.device_id, press))
        state = frame.STATE_NONE if alert is None else alert.told
        self._replier.tell(device, mac, counter, press, state)

    def _ask(self, device: Device, mac: bytes, counter: int, tag: bytes, payload: bytes) -> None:
        self.counts["ask"] += 1
        self._watch.heard(device, frame.ASK)
        device.accept(counter, tag, press=False)
        given = self._errands.answer(device, counter, payload)
        if given is None:
            # Nothing is kept for it: it is told so, and asks no further.
            self._replier.tell(device, mac, counter, 0, frame.STATE_NONE)
        else:
            self._replier.give(device, mac, *given)

    def _status(
        self,
        device: Device,
        rssi_dbm: int,
        mac: bytes,
        counter: int,
        tag: bytes,
        payload: bytes,
    ) -> None:
        self.counts["status"] += 1
        if device.tag_of(counter) is None:
            battery_mv = frame.unpack_status(payload)[0]
            device.heard(self._clock.utc(), battery_mv)
            self._watch.heard(device, frame.STATUS, battery_mv)
            self._watch.take_status(device, payload, rssi_dbm, self._clock.utc())
            self._errands.take_status(device, payload)
        device.accept(counter, tag, press=False)
        self._replier.tell(device, mac, counter, 0, frame.STATE_NONE)
