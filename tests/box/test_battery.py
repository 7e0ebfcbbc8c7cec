"""Days left: from the counted wakes at first, then from the voltage's own fall."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import get_args

import pytest

from tests.box.driven import DrivenBox
from tests.box.peers import Bip
from vigibip.box.battery import forecast
from vigibip.box.config import BoxSettings
from vigibip.box.power_profile import Battery, power_profile
from vigibip.box.store import DayRecord

PROFILE = power_profile()
LIPO = PROFILE.battery["lipo-450"]
TODAY = 20_000


def mv_at(battery: Battery, pct: float) -> int:
    """Return the voltage at which `pct` is left."""
    high, low = battery.curve[0][0], battery.curve[-1][0]
    return min(range(low, high + 1), key=lambda mv: abs(battery.left_pct(mv) - pct))


def day(ago: int, mv: int, *, statuses: int = 24, polls: int = 0, presses: int = 0) -> DayRecord:
    return DayRecord(1, TODAY - ago, statuses, presses, polls, mv * statuses, statuses)


def test_the_settings_name_what_the_profile_has() -> None:
    names = get_args(BoxSettings.model_fields["bip_battery"].annotation)
    assert set(names) == set(PROFILE.battery)


def test_without_a_voltage_of_these_days_nothing_is_told() -> None:
    assert forecast([], TODAY, PROFILE, LIPO) is None
    assert forecast([DayRecord(1, TODAY, 24)], TODAY, PROFILE, LIPO) is None
    assert forecast([day(15, 3900)], TODAY, PROFILE, LIPO) is None
    assert forecast([day(14, 3900)], TODAY, PROFILE, LIPO) is not None


def test_at_first_the_profile_tells_and_says_how_wrong_it_may_be() -> None:
    told = forecast([day(ago, 4150) for ago in (3, 2, 1)], TODAY, PROFILE, LIPO)
    assert told is not None
    use_mah = PROFILE.day_mah(statuses=24, presses=0, polls=0, battery=LIPO)
    assert told.basis == "profile"
    assert told.days_left == round(LIPO.usable_mah / use_mah)
    # No figure of the profile is measured: nobody may take it for sure.
    assert told.error_days >= 0.4 * told.days_left


@pytest.mark.parametrize("more", [{"statuses": 288}, {"polls": 500}, {"presses": 50}])
def test_what_a_bip_does_more_costs_days(more: dict[str, int]) -> None:
    calm = forecast([day(ago, 3900) for ago in range(20, 0, -1)], TODAY, PROFILE, LIPO)
    busy = forecast([day(ago, 3900, **more) for ago in range(20, 0, -1)], TODAY, PROFILE, LIPO)
    assert calm is not None
    assert busy is not None
    assert busy.days_left < 0.8 * calm.days_left


@pytest.mark.parametrize("battery", PROFILE.battery.values(), ids=list(PROFILE.battery))
@pytest.mark.parametrize("pct_per_day", [0.2, 0.5, 2.0])
def test_a_fall_that_is_long_enough_tells_itself_within_its_error(
    battery: Battery, pct_per_day: float
) -> None:
    """The truth is a cell of this curve; its voltages are off as a converter's are."""
    chance = random.Random(5)
    passed = round(40 / pct_per_day)
    days = []
    for ago in range(passed, -1, -1):
        left = 50 + pct_per_day * ago
        mv = mv_at(battery, left) + round(chance.uniform(-15, 15))
        days.append(day(ago, mv))
    told = forecast(days, TODAY, PROFILE, battery)
    assert told is not None
    assert told.basis == "history"
    truth = 50 / pct_per_day
    assert abs(told.days_left - truth) <= told.error_days
    # An error that says nothing would be as true.
    assert told.error_days < 0.7 * truth


def test_a_charge_begins_anew() -> None:
    falling = [day(ago, mv_at(LIPO, 30 + ago)) for ago in range(40, 5, -1)]
    charged = [day(ago, 4150) for ago in range(5, -1, -1)]
    before = forecast(falling, TODAY - 6, PROFILE, LIPO)
    assert before is not None
    assert before.basis == "history"
    after = forecast(falling + charged, TODAY, PROFILE, LIPO)
    assert after is not None
    assert (after.basis, after.left_pct) == ("profile", 100.0)


def test_an_empty_cell_has_no_days_left() -> None:
    told = forecast([day(ago, 3250) for ago in (2, 1, 0)], TODAY, PROFILE, LIPO)
    assert told is not None
    assert (told.days_left, told.left_pct) == (0, 0.0)


def test_the_curve_is_read_between_its_points_and_ends_at_them() -> None:
    assert LIPO.left_pct(5000) == LIPO.left_pct(4150) == 100
    assert LIPO.left_pct(3300) == LIPO.left_pct(0) == 0
    assert LIPO.left_pct(3850) == pytest.approx((72 + 55) / 2)


async def test_a_box_forecasts_from_what_it_wrote(box: DrivenBox, bip: Bip) -> None:
    async def battery() -> object:
        (facts,) = (await box.daemon._describe_bips({}))["bips"]
        return facts["battery"]

    assert await battery() is None
    for _ in range(3):
        await box.hear(bip, bip.status(battery_mv=3900, interval_min=1440))
        await box.clock.advance(timedelta(days=1).total_seconds())
    told = await battery()
    assert isinstance(told, dict)
    assert (told["left_pct"], told["basis"]) == (72.0, "profile")
    assert 100 < told["days_left"] < 400
