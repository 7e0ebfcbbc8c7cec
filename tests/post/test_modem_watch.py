"""The post's modems are looked at whatever the disk does."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from vigibip.base.clock import DrivenClock
from vigibip.post.faults import Faults
from vigibip.post.modem_watch import ModemWatch
from vigibip.post.store import Store
from vigibip.post.store.second_path import SecondPathStore
from vigibip.sms.contract import Capabilities, SmsProvider


def provider(**fields: Any) -> SmsProvider:
    told = SimpleNamespace(
        name="modem-1",
        up=False,
        health={"state": "absent", "advice": "le brancher"},
        capabilities=Capabilities(
            rate_per_min=20, two_way=True, delivery_reports=True, sender="number"
        ),
        waiting=0,
        minutes_to_empty=0.0,
        **fields,
    )
    return cast(SmsProvider, told)


async def test_a_disk_that_hangs_hides_no_modems_fault(
    store: Store, clock: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = Faults(store, clock)
    await faults.start()
    second = SecondPathStore(store, clock)
    asked = []

    async def hang(views: object) -> None:
        asked.append(views)
        await asyncio.Event().wait()

    monkeypatch.setattr(second, "record_modems", hang)
    watching = asyncio.create_task(ModemWatch([provider()], second, faults, clock).run())
    for _ in range(30):
        await clock.advance(5)
    assert faults.present == {("modem-absent", "modem-1"): "absent ; le brancher"}
    assert len(asked) == 1
    watching.cancel()
    await faults.stop()
