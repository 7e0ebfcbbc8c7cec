"""The paired bips in memory: key, replay window, tags of what was accepted, down counters."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from vigibip.box.store import DeviceRecord, HeardRecord, WindowRecord
from vigibip.wire import counter as wire_counter
from vigibip.wire import frame, window

_log = logging.getLogger(__name__)

# Down counters are reserved so many at a time, and again when half are used: with a disk that
# refuses, polls every second are still answered for two minutes.
DOWN_BLOCK = 256


class Device:
    """One paired bip."""

    def __init__(self, record: DeviceRecord, tags: dict[int, bytes]) -> None:
        self.device_id = record.device_id
        self.name = record.name
        self.highest = record.highest
        self.bits = record.bits
        self.heard_utc = record.heard_utc
        self.battery_mv = record.battery_mv
        self._heard_unwritten = False
        # ECB of one block is what CCM is built from; it never sees more than a block at a time.
        cipher = Cipher(algorithms.AES(record.key), modes.ECB())  # noqa: S305
        self.encrypt_block = cipher.encryptor().update
        self._tags = dict(tags)
        self._unwritten: dict[int, bytes] = {}
        self._down_next = record.down_reserved
        self._down_end = record.down_reserved
        self.down_reserving = False

    def judge(self, counter: int) -> int:
        """Return NEW, SEEN or OUTSIDE of wire.window."""
        return int(window.judge(self.highest, self.bits, counter))

    def tag_of(self, counter: int) -> bytes | None:
        """Return the tag of the accepted frame with this counter, None when it is not known."""
        return self._tags.get(counter)

    def accept(self, counter: int, tag: bytes, *, press: bool) -> None:
        """Mark the counter as seen; a press's tag is also due for the disk."""
        self.highest, self.bits = window.accept(self.highest, self.bits, counter)
        self._tags[counter] = tag
        if press:
            self._unwritten[counter] = tag
        low = self.highest - window.WIDTH
        for old in [known for known in self._tags if known <= low]:
            del self._tags[old]

    def heard(self, utc: datetime, battery_mv: int) -> None:
        """It spoke, and its seal opened; `battery_mv` 0: it did not say."""
        self.heard_utc = utc
        self.battery_mv = battery_mv or self.battery_mv
        self._heard_unwritten = True

    def take_heard(self) -> HeardRecord | None:
        """Return what is new since the last call, None when it said nothing."""
        if not self._heard_unwritten or self.heard_utc is None:
            return None
        self._heard_unwritten = False
        return HeardRecord(self.device_id, self.heard_utc, self.battery_mv)

    def window_record(self) -> WindowRecord:
        """Return what the disk must hold of the window now."""
        return WindowRecord(
            device_id=self.device_id,
            highest=self.highest,
            bits=self.bits,
            tags=tuple(self._unwritten.items()),
        )

    def window_written(self, record: WindowRecord) -> None:
        """The disk holds `record`."""
        for counter, _ in record.tags:
            self._unwritten.pop(counter, None)

    def take_down_counter(self) -> int | None:
        """Return a counter for a reply, never the same twice; None when none is reserved."""
        if self._down_next >= self._down_end or self._down_next > wire_counter.HIGHEST:
            return None
        self._down_next += 1
        return self._down_next - 1

    def down_wanted(self) -> int | None:
        """Return the end that must be reserved on the disk now, None while enough are left."""
        if self.down_reserving or self._down_end - self._down_next > DOWN_BLOCK // 2:
            return None
        return self._down_end + DOWN_BLOCK

    def down_reserved(self, end: int) -> None:
        """The disk holds the reservation up to `end`."""
        self._down_end = max(self._down_end, end)

    def open(self, sealed: bytes) -> tuple[int, int, bytes]:
        """Return (kind, counter, payload). Raises wire.frame's FrameError."""
        kind, _, counter, payload = frame.open_frame(self.encrypt_block, sealed, frame.FROM_BIP)
        return int(kind), int(counter), bytes(payload)


class Devices:
    """Every device that may speak here."""

    def __init__(self) -> None:
        self._devices: dict[int, Device] = {}
        self._revoked: dict[int, Device] = {}

    def __iter__(self) -> Iterator[Device]:
        return iter(self._devices.values())

    def __len__(self) -> int:
        return len(self._devices)

    def get(self, device_id: int) -> Device | None:
        return self._devices.get(device_id)

    def revoked(self, device_id: int) -> Device | None:
        """Return a device that was paired here once and may speak no more."""
        return self._revoked.get(device_id)

    def update(self, records: Iterable[DeviceRecord], tags: dict[int, dict[int, bytes]]) -> None:
        """Take in new devices and drop revoked ones; those that stay keep what memory knows."""
        known = list(records)
        wanted = {record.device_id: record for record in known if not record.revoked}
        for record in known:
            if record.revoked and record.device_id not in self._revoked:
                before = self._devices.get(record.device_id)
                self._revoked[record.device_id] = before or Device(record, {})
        for device_id in [known for known in self._devices if known not in wanted]:
            del self._devices[device_id]
            _log.info("device %08x is no longer paired", device_id)
        for device_id, record in wanted.items():
            if device_id not in self._devices:
                self._devices[device_id] = Device(record, tags.get(device_id, {}))
                _log.info("device %08x is paired", device_id)
