"""Thirty days of one bip on the firmware's own storage, in driven time: nothing lost or grown.

Each sleep ends the program: only what NVS and RTC memory hold goes on. What one wake takes of the
heap is looked at in the real interpreter, by test_budget.
"""

from __future__ import annotations

import random
from typing import Any

from tests.firmware.honest_box import Bip, Box, Flash
from tests.firmware.test_storage import FakeNvs, FakeRtc, provisioned
from vigibip.town import device_tree
from vigibip.wire import counter, frame

storage: Any = device_tree.load("bip", "storage")
settings: Any = device_tree.load("bip", "settings")

DAYS = 30
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
# Of the 24 KB that an ESP32's NVS usually has.
_NVS_MAX_BYTES = 1024
# Each wake that sends reserves a block of counters. About 40 such writes fill a page, five pages
# take turns, and a page bears 100,000 erasures: 50 years of such days.
_WRITES_A_DAY_MAX = 1000


class CountingNvs(FakeNvs):
    """Counts what is written, as the flash wears by it."""

    writes = 0

    def commit(self) -> None:
        self.writes += len(self.pending)
        super().commit()

    def size(self) -> int:
        return sum(len(key) + len(blob) for key, blob in self.committed.items())


class StoredFlash(Flash):
    """The bip's own storage in the place of what tests keep for it."""

    def __init__(self, nvs: CountingNvs, rtc: FakeRtc) -> None:
        self.nvs, self.rtc = nvs, rtc
        self.kept: Any = None
        super().__init__()
        self.open()

    def open(self) -> None:
        self.kept = storage.Storage(self.nvs, self.rtc, lambda: 0xFFFFFFFF)

    def counter(self) -> Any:
        return counter.ReservedCounter(self.kept.reserved, self.kept.reserve)


class StoredBip(Bip):
    """Sleeps as the firmware does: RTC memory takes the record, and the next wake reads it."""

    flash: StoredFlash

    def wake(self, *, known_time: bool, record: bytes | None = None) -> None:
        if record is not None:
            self.flash.kept.save_light(record)
        self.flash.open()
        self.home = self.flash.kept.settings()[2:]
        super().wake(known_time=self.flash.kept.time_is_known, record=self.flash.kept.record)
        self.sender.voice.rssi_dbm = self.flash.kept.rssi_dbm

    def do(self, actions: list[tuple[Any, ...]]) -> None:
        super().do(actions)
        for action in actions:
            if action[0] == 0:
                self.flash.kept.save(action[1])
            elif action[0] == 4:
                self.flash.kept.save_link(action[1], action[2])


class Month:
    """A bip, its box, and what happens to them."""

    def __init__(self) -> None:
        made, rtc = provisioned()
        nvs = CountingNvs()
        nvs.committed = made.committed
        self.nvs = nvs
        self.bip = StoredBip(StoredFlash(nvs, rtc))
        self.box = Box()
        self.chance = random.Random(30)
        self.pressed: set[int] = set()
        self.counters: dict[int, bytes] = {}

    def live(self, duration_ms: int, loss: float) -> None:
        """Let time pass beside a box that hears what the air leaves over."""
        bip = self.bip
        end_ms = bip.now_ms + duration_ms
        while bip.now_ms < end_ms:
            bip.advance(max(1, min(bip.sender.deadline_ms(bip.now_ms), end_ms) - bip.now_ms))
            for _, sealed, _ in bip.sent():
                number = frame.read_header(sealed)[2]
                assert self.counters.setdefault(number, sealed) == sealed, "a counter again"
                if self.chance.random() >= loss:
                    reply = self.box.take(sealed)
                    if self.chance.random() >= loss:
                        bip.receive(reply)

    def day(self, number: int) -> None:
        """Up to three presses at any hour, an outage some days, a fall and a power cut others."""
        hours = sorted(self.chance.sample(range(24), 3))
        outage = self.chance.randrange(24) if number % 4 == 0 else None
        for hour in range(24):
            if hour in hours:
                press = self.bip.press()
                assert press not in self.pressed
                self.pressed.add(press)
            self.live(_HOUR_MS // 2, 1.0 if hour == outage else 0.3)
            for heard in self.box.states:
                self.box.raise_to(heard, frame.STATE_COMING)
            self.live(_HOUR_MS // 2, 0.3)
        kept = self.bip.flash.kept
        if number % 5 == 0:
            kept.count_crash(number, 0x77616B65, number)
        if number % 7 == 0:
            kept.save_options(settings.pack(number, 50, 0, 60, 0, 0, 0))
        if number % 6 == 0:
            self.bip.flash.rtc.content = b""
            self.bip.wake(known_time=False)


def test_thirty_days_lose_nothing_and_fill_nothing() -> None:
    month = Month()
    keys: set[str] = set()
    sizes = []
    for number in range(DAYS):
        writes = month.nvs.writes
        month.day(number)
        sizes.append(month.nvs.size())
        assert month.nvs.writes - writes <= _WRITES_A_DAY_MAX, number
        if number == 7:
            keys = set(month.nvs.committed)
    month.live(_HOUR_MS, 0.0)
    assert len(month.pressed) == 3 * DAYS
    assert set(month.box.states) == month.pressed, "lost, or doubled"
    assert month.bip.open_presses() == []
    assert set(month.nvs.committed) == keys
    assert max(sizes[7:]) <= max(sizes[:8]), sizes
    assert max(sizes) <= _NVS_MAX_BYTES
