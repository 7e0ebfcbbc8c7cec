"""What a box goes on with after a power cut, and what it must not claim to know."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from tests.box.driven import DrivenBox
from tests.box.peers import Bip
from vigibip.alert.ids import AlertId
from vigibip.alert.life import AlertState
from vigibip.box.config import BoxSettings
from vigibip.box.faults import FaultCode
from vigibip.wire import frame

OLD_STORE = Path(__file__).parent / "old_stores" / "0001.sql"


async def come_back(box: DrivenBox, *, off_s: float, clock_s: float) -> list[int | None]:
    """Be without power for `off_s`, in which the clock goes on by `clock_s`; return told ages."""
    await box.daemon.stop()
    box.clock._now_s += off_s
    box.clock._start_utc += timedelta(seconds=clock_s - off_s)
    box.daemon = box._build()
    await box.start()
    box.carrier.connect()
    return [alert.age_s for alert in box.carrier.sent]


@pytest.mark.parametrize(
    ("opened_known", "restored_known", "told"),
    [(True, True, 1), (True, False, None), (False, True, None), (False, False, None)],
)
async def test_an_age_over_a_power_cut_is_known_only_from_a_clock_that_counts_on(
    settings: BoxSettings,
    bip: Bip,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    opened_known: bool,
    restored_known: bool,
    told: int | None,
) -> None:
    mark = tmp_path / "synchronized"
    monkeypatch.setattr("vigibip.box.trust.SYNCHRONISED", mark)
    if opened_known:
        mark.touch()
    box = DrivenBox(settings.model_copy(update={"has_rtc": False}))
    await box.start()
    await box.press(bip)
    mark.unlink(missing_ok=True)
    if restored_known:
        mark.touch()
    assert await come_back(box, off_s=3 * 3600, clock_s=1) == [told]
    # What is pressed now is as old as the box counts, whatever the time is.
    box.carrier.take()
    await box.press(bip, age_s=3)
    assert [alert.age_s for alert in box.carrier.sent] == [3]
    await box.daemon.stop()


async def test_with_a_clock_that_has_a_battery_the_age_is_known(
    settings: BoxSettings, bip: Bip
) -> None:
    box = DrivenBox(settings)
    await box.start()
    await box.press(bip)
    assert await come_back(box, off_s=10_800, clock_s=10_800) == [10_800]
    await box.daemon.stop()


async def test_after_an_update_a_box_whose_disk_refuses_still_starts(settings: BoxSettings) -> None:
    with closing(sqlite3.connect(settings.store_path)) as connection:
        connection.executescript(OLD_STORE.read_text(encoding="utf-8"))
    # SQLite needs this file for its log; a full disk cannot give it.
    in_the_way = settings.store_path.with_name("box.sqlite-shm")
    in_the_way.mkdir()
    box = DrivenBox(settings)
    box.carrier.up = True
    await box.start()
    assert [alert.alert for alert in box.carrier.sent] == ["1a2b3c4d00000002"]
    in_the_way.rmdir()
    await box.daemon.stop()


@pytest.mark.parametrize("state", [AlertState.HEARD, AlertState.NOT_REACHED, AlertState.PARKED])
async def test_what_only_a_copy_holds_is_told_once_it_was_written_again(
    settings: BoxSettings, bip: Bip, state: AlertState
) -> None:
    box = DrivenBox(settings)
    box.carrier.up = True
    await box.start()
    alert = await box.press(bip)
    if state is AlertState.NOT_REACHED:
        await box.clock.advance(31)
    elif state is AlertState.PARKED:
        box.carrier.receipt(alert, "refused", "unknown device")
    await box.settle()
    assert box.sql("SELECT state FROM alerts") == [(state.value,)]
    await box.daemon.stop()
    in_the_way = settings.store_path.with_name("box.sqlite-shm")
    in_the_way.mkdir()
    box.daemon = box._build()
    await box.start()
    restored = box.daemon._book.get(AlertId.parse(alert))
    assert restored is not None
    assert restored.told == frame.STATE_NONE
    await box.clock.advance(2)
    assert FaultCode.STORAGE in box.codes()
    in_the_way.rmdir()
    await box.clock.advance(40)
    # No counter could be kept for replies either: the first poll has them kept again.
    await box.hear(bip, bip.poll(1))
    assert await box.state(bip, 1) == frame.STATE_NOT_REACHED
    assert FaultCode.STORAGE not in box.codes()
    assert box.sql("SELECT count(*) FROM alerts") == [(1,)]
    await box.daemon.stop()
