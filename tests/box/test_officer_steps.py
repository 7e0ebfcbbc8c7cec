"""When the officer is called, when again, and when no more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.box.officer_phone import call, word_in
from tests.box.peers import Bip
from tests.box.sms_town import CODES, OFFICER, SmsBox
from vigibip.box.config import BoxSettings
from vigibip.wire import frame

HOUR_S = 3600


@pytest.fixture
def box(sms_box: SmsBox) -> SmsBox:
    return sms_box


@pytest.fixture
async def clockless(
    sms_settings: BoxSettings, bip: Bip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[SmsBox]:
    """The same without a battery for its clock, and a time server that was heard."""
    (tmp_path / "synchronized").touch()
    monkeypatch.setattr("vigibip.box.trust.SYNCHRONISED", tmp_path / "synchronized")
    box = SmsBox(sms_settings.model_copy(update={"has_rtc": False}))
    await box.start()
    await box.give_contacts(officer=True)
    yield box
    await box.daemon.stop()


async def cut_power(box: SmsBox, mark: Path, *, off_s: float, clock_s: float) -> None:
    """Be without power for `off_s`; the clock then shows `clock_s` more, unless it is told."""
    await box.daemon.stop()
    mark.unlink(missing_ok=True)
    box.clock._now_s += off_s
    box.clock._start_utc += timedelta(seconds=clock_s - off_s)
    box.daemon = box._build()
    await box.start()


async def calls_within(box: SmsBox, seconds: int) -> list[float]:
    """Return when he was called, from now on."""
    start_s, calls = box.clock.monotonic_s(), []
    for _ in range(seconds // 30):
        await box.clock.advance(30)
        calls += [box.clock.monotonic_s() - start_s for _ in box.to_officer()]
    return calls


async def test_a_press_that_joins_begins_the_steps_anew(box: SmsBox, bip: Bip) -> None:
    await call(box, bip)
    # Now it would be ten minutes until the third time.
    await box.clock.advance(61)
    assert len(box.to_officer()) == 1
    await box.press(bip)
    await box.clock.advance(91)
    assert len(box.to_officer()) == 1
    assert [round(at_s, -1) for at_s in await calls_within(box, 400)] == [60, 300]


async def test_who_does_not_answer_for_two_hours_is_called_no_more(box: SmsBox, bip: Bip) -> None:
    _, word = await call(box, bip)
    calls = await calls_within(box, 6 * HOUR_S)
    assert len(calls) == 6
    assert max(calls) < 2 * HOUR_S
    # The alert goes on waiting, and a new press is called for.
    assert box.sql("SELECT count(*) FROM outbox") == [(1,)]
    assert box.sql("SELECT count(*) FROM officer_calls") == [(0,)]
    await box.press(bip)
    await box.clock.advance(91)
    (text,) = box.to_officer()
    assert "appuis" not in text
    await box.bring(OFFICER, f"{word_in(text)} {CODES[0]}")
    assert await box.state(bip, 2) == frame.STATE_COMING
    assert word


async def test_he_is_called_after_a_short_power_cut_though_the_hour_is_not_known(
    clockless: SmsBox, bip: Bip, tmp_path: Path
) -> None:
    box = clockless
    await box.press(bip)
    await box.clock.advance(30)
    await cut_power(box, tmp_path / "synchronized", off_s=60, clock_s=0)
    await box.clock.advance(91)
    (text,) = box.to_officer()
    assert "heure d'appui inconnue" in text


@pytest.mark.parametrize("clock_s", [0, -5 * 86_400])
async def test_nobody_is_called_for_what_was_pressed_days_before_a_power_cut(
    clockless: SmsBox, bip: Bip, tmp_path: Path, clock_s: float
) -> None:
    box = clockless
    # No officer then: nobody was called for it.
    box.carrier.say_contacts(box.contacts(2))
    await box.settle()
    await box.press(bip)
    await box.clock.advance(30 * HOUR_S)
    # The clock stands still, or shows a time that is certainly past.
    await cut_power(box, tmp_path / "synchronized", off_s=60, clock_s=clock_s)
    await box.give_contacts(officer=True, edition=3)
    assert await calls_within(box, HOUR_S) == []


async def test_a_clock_that_is_told_the_time_late_ends_the_calls_for_what_is_old(
    clockless: SmsBox, bip: Bip, tmp_path: Path
) -> None:
    box = clockless
    await call(box, bip)
    await cut_power(box, tmp_path / "synchronized", off_s=3 * 86_400, clock_s=0)
    box.clock._start_utc += timedelta(days=3)
    assert await calls_within(box, HOUR_S) == []
