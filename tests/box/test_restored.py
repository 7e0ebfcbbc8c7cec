"""What a box goes on with after a power cut, and what it must not claim to know."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.box.driven import DrivenBox
from tests.box.peers import Bip
from vigibip.box.config import BoxSettings


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
