"""Relayed from memory: however many shops, however many presses, one voice each."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.post.harness import PaperRadio
from vigibip.alert.messages import Alert
from vigibip.base.clock import DrivenClock
from vigibip.base.trace import Trace
from vigibip.post.config import RelaySettings
from vigibip.post.faults import Faults
from vigibip.post.relay import Relay
from vigibip.post.store import Store
from vigibip.post.store.records import KnownBox
from vigibip.post.unstored import BySms, Committed, Unstored

KEY = bytes(32)


class Memory:
    """A relay without a store, and what it is given."""

    def __init__(self, store: Store, clock: DrivenClock) -> None:
        self.clock = clock
        self.radio = PaperRadio(clock, takes_s=0.1)
        settings = RelaySettings(listen_gap_s=0)
        faults = Faults(store, clock)
        self.relay = Relay(
            store, [self.radio], settings, clock, faults, Trace(), lambda task: task.result()
        )
        self.unstored = Unstored(self.relay, clock, self.refuse)

    async def refuse(self, _box_id: str, _alert: Alert, _sms: BySms | None) -> Committed:
        return Committed.NOT_NOW

    def press(self, box: int, press: int, age_s: int = 0) -> None:
        known = KnownBox(KEY, KEY, f"Commerce {box}", "12 rue des Lilas")
        alert = Alert(alert=f"{box:08x}{press:08x}", age_s=age_s)
        self.unstored.keep(f"box-{box:08d}", known, alert)


@pytest.fixture
async def memory(store: Store, clock: DrivenClock) -> AsyncIterator[Memory]:
    made = Memory(store, clock)
    await made.relay.start()
    yield made
    await made.relay.stop()


async def test_more_shops_than_numbers_are_told_in_counts(memory: Memory) -> None:
    for box in range(130):
        memory.press(box, 1)
    await memory.clock.advance(25)
    assert set(memory.radio.numbers) == {0, *range(900, 1000)}
    counts = [one.announcement.digest_of for one in memory.radio.said]
    assert 129 in counts, "all that wait, after the first"
    assert 30 in counts, "those without a number"


async def test_one_shop_s_presses_leave_room_for_every_other(memory: Memory) -> None:
    for press in range(600):
        memory.press(1, press)
    memory.press(2, 1)
    await memory.clock.advance(5)
    assert 998 in memory.radio.numbers
    assert len(memory.unstored) == 65


async def test_many_presses_of_a_shop_are_one_voice(memory: Memory) -> None:
    for press in range(5):
        memory.press(1, press)
        await memory.clock.advance(7)
    said = len(memory.radio.said)
    await memory.clock.advance(300)
    assert 8 <= len(memory.radio.said) - said <= 10, "one round each 30 s"


async def test_it_is_silent_once_stored(memory: Memory) -> None:
    memory.press(1, 1)
    memory.press(1, 2)
    await memory.clock.advance(40)
    memory.unstored.stored("box-00000001", f"{1:08x}{1:08x}")
    memory.press(1, 3)
    await memory.clock.advance(40)
    said = len(memory.radio.said)
    await memory.clock.advance(40)
    assert len(memory.radio.said) > said, "one of them is not"
    for press in (2, 3):
        memory.unstored.stored("box-00000001", f"{1:08x}{press:08x}")
    said = len(memory.radio.said)
    await memory.clock.advance(100)
    assert len(memory.radio.said) == said
