"""Faults: in memory first, in the store when it takes them, gone when they are over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.post.harness import Site, until
from vigibip.base.clock import DrivenClock
from vigibip.base.errors import StorageError
from vigibip.post.config import PostSettings
from vigibip.post.faults import FaultKind, Faults
from vigibip.post.store import Store
from vigibip.post.store.journal import FAULTS_MAX
from vigibip.radio.contract import Health, RadioState, RelayResult


@pytest.fixture
async def faults(store: Store, clock: DrivenClock) -> AsyncIterator[Faults]:
    made = Faults(store, clock)
    await made.start()
    yield made
    await made.stop()


async def test_a_flood_of_one_fault_is_one_row_with_its_count(
    faults: Faults, store: Store, clock: DrivenClock
) -> None:
    for _ in range(1000):
        faults.raise_fault(FaultKind.MESSAGE_FORGED, "box-00000001", "again")
    await faults.stop()
    (row,) = await store.faults()
    assert (row.kind, row.subject, row.count) == ("message-forged", "box-00000001", 1000)


async def test_a_fault_of_the_store_is_known_and_written_once_it_can_be(
    faults: Faults, store: Store, clock: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(run: Any) -> None:
        raise StorageError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(store, "write", refuse)
        faults.raise_fault(FaultKind.STORE_FAILED, "", "the disk is full")
        await clock.advance(5)
        assert ("store-failed", "") in faults.present
    assert await store.faults() == []
    await faults.stop()
    assert [row.kind for row in await store.faults()] == ["store-failed"]


async def test_what_was_wrong_before_a_restart_can_be_cleared_after_it(
    faults: Faults, store: Store, clock: DrivenClock
) -> None:
    faults.raise_fault(FaultKind.BROKER_LOST, "", "refused")
    await faults.stop()
    after = Faults(store, clock)
    await after.start()
    assert after.present == {("broker-lost", ""): "refused"}
    after.clear_fault(FaultKind.BROKER_LOST)
    await after.stop()
    assert await store.faults() == []


async def test_an_event_is_shown_for_a_day_and_a_condition_until_it_ends(
    faults: Faults, clock: DrivenClock
) -> None:
    faults.raise_fault(FaultKind.PRESS_LATE, "box-00000001")
    faults.raise_fault(FaultKind.BROKER_LOST)
    await clock.advance(24 * 3600 - 1)
    faults.forget_old_events()
    assert len(faults.present) == 2
    await clock.advance(2)
    faults.forget_old_events()
    assert list(faults.present) == [("broker-lost", "")]


@pytest.fixture
async def watched(site: Site) -> Site:
    """A post that looks at its radios as often as it does by itself."""
    site.radio_watch_s = PostSettings().radio_watch_s
    await site.stop_post()
    await site.start_post()
    return site


async def test_an_absent_radio_is_noticed_and_its_return_too(watched: Site) -> None:
    site = watched
    assert site.post is not None
    site.radio.health = Health(RadioState.ABSENT, "no sound card")
    await site.advance(2)
    assert site.post.faults[("radio-absent", "paper")] == "no sound card"
    site.radio.health = Health(RadioState.READY)
    await site.advance(2)
    assert ("radio-absent", "paper") not in site.post.faults
    await site.advance(2)
    await until(lambda: not site.post.busy)
    assert await site.store.faults() == []


async def test_a_radio_that_says_it_is_faulty_is_a_fault_until_it_says_it_is_not(
    watched: Site,
) -> None:
    site = watched
    assert site.post is not None
    fault = ("radio-failed", "paper")
    site.radio.health = Health(RadioState.FAULTY, "the recorder is dead")
    await site.advance(10)
    assert site.post.faults[fault] == "the recorder is dead"
    (row,) = await site.store.faults()
    assert row.count == 1
    site.radio.health = Health(RadioState.READY)
    await site.advance(2)
    assert fault not in site.post.faults


async def test_a_radio_that_did_not_transmit_is_not_called_right_for_saying_so(
    watched: Site,
) -> None:
    site = watched
    assert site.post is not None
    box = await site.add_box()
    site.radio.result = RelayResult.FAILED
    box.press("00000001000000aa")
    await until(lambda: site.post is not None and ("radio-failed", "paper") in site.post.faults)
    await site.advance(4)
    assert ("radio-failed", "paper") in site.post.faults
    site.radio.result = RelayResult.SENT
    await site.advance(4)
    assert ("radio-failed", "paper") not in site.post.faults


async def test_strangers_fill_neither_the_page_nor_the_table(
    faults: Faults, store: Store, clock: DrivenClock
) -> None:
    faults.raise_fault(FaultKind.BROKER_LOST)
    for number in range(5000):
        for kind in (FaultKind.MESSAGE_FORGED, FaultKind.BOX_UNKNOWN, FaultKind.BOX_FLOODS):
            faults.raise_fault(kind, f"box-{number:08d}")
    assert len(faults.present) == 1 + 3 * 21
    assert ("box-unknown", "*") in faults.present
    await faults.stop()
    rows = await store.faults()
    assert len(rows) == 1 + 3 * 21
    assert next(row.count for row in rows if row.subject == "*") == 4980


async def test_what_happened_makes_room_for_what_lasts(
    faults: Faults, store: Store, clock: DrivenClock
) -> None:
    faults.raise_fault(FaultKind.BROKER_LOST)
    for number in range(1500):
        faults.raise_fault(FaultKind.PRESS_LATE, f"box-{number:08d}")
        if number % 500 == 0:
            await clock.advance(2)
    assert ("broker-lost", "") in faults.present
    for number in range(1500):
        await store.raise_fault("press-late", f"box-{number:08d}")
        await store.clear_fault("press-late", f"box-{number:08d}")
    assert "broker-lost" in {row.kind for row in await store.faults()}


async def test_a_store_full_of_what_happened_keeps_what_lasts(store: Store) -> None:
    await store.raise_fault("broker-lost", "")
    for number in range(FAULTS_MAX + 5):
        await store.raise_fault("press-late", f"box-{number:08d}")
    told = await store.faults()
    assert len(told) == FAULTS_MAX
    assert "broker-lost" in {row.kind for row in told}
