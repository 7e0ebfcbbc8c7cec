"""Faults: in memory first, in the store when it takes them, gone when they are over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.post.harness import Site, until
from vigibip.base.clock import DrivenClock
from vigibip.base.errors import StorageError
from vigibip.post.faults import FaultKind, Faults
from vigibip.post.store import Store
from vigibip.radio.contract import Health, RadioState


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


async def test_an_absent_radio_is_noticed_and_its_return_too(site: Site) -> None:
    assert site.post is not None
    site.radio.health = Health(RadioState.ABSENT, "no sound card")
    await site.advance(31)
    assert site.post.faults[("radio-absent", "paper")] == "no sound card"
    site.radio.health = Health(RadioState.READY)
    await site.advance(31)
    assert ("radio-absent", "paper") not in site.post.faults
    await site.advance(2)
    await until(lambda: not site.post.busy)
    assert await site.store.faults() == []
