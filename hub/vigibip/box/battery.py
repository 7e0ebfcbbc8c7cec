"""How many days a bip's battery has left, from what the box heard of it.

At first the profile says what a day takes, for the wakes that were counted. Once the voltage has
fallen enough since the last charge, its own fall says it: then the profile's error is out of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import linear_regression, mean
from typing import Any, Literal

from vigibip.box.power_profile import Battery, PowerProfile
from vigibip.box.store import DayRecord

# What is left is read off the newest voltages; older than two weeks they tell nothing of today.
_NEWEST_DAYS = 3
_TOO_OLD_DAYS = 14
# The days whose wakes stand for those to come.
_USE_DAYS = 28
# A charge shows as a rise that no warm day makes.
_CHARGED_PCT = 15.0
# Less of a fall, or in fewer days, drowns in what temperature does to a voltage.
_FALLEN_PCT = 10.0
_FALLEN_DAYS = 14
_DAYS_MAX = 3650


@dataclass(frozen=True, slots=True)
class Forecast:
    """`days_left` is off by `error_days` either way; `basis`: what a day's use comes from."""

    left_pct: float
    days_left: int
    error_days: int
    basis: Literal["profile", "history"]


def forecast(
    days: Sequence[DayRecord], today: int, profile: PowerProfile, battery: Battery
) -> Forecast | None:
    """Return the forecast on day `today`, None while no voltage is known.

    days: what is kept of one bip, oldest first.
    """
    told = [one for one in days if one.battery_count and one.day <= today]
    if not told or today - told[-1].day > _TOO_OLD_DAYS:
        return None
    voltages = [(one.day, one.battery_sum_mv / one.battery_count) for one in told]
    newest_mv = mean(mv for _, mv in voltages[-_NEWEST_DAYS:])
    left_pct = battery.left_pct(newest_mv)
    if left_pct <= 0:
        return Forecast(0.0, 0, 0, "history")
    left_error = battery.error_pct(newest_mv) / left_pct
    fall = _fall([(day, battery.left_pct(mv)) for day, mv in voltages])
    if fall is not None:
        pct_per_day, use_error = fall
        basis: Literal["profile", "history"] = "history"
    else:
        use_mah = _use_mah(days, today, profile, battery)
        pct_per_day, use_error = 100 * use_mah / battery.usable_mah, profile.error_pct / 100
        basis = "profile"
    days_left = left_pct / pct_per_day
    error_days = days_left * math.hypot(left_error, use_error)
    return Forecast(
        round(left_pct, 1),
        min(_DAYS_MAX, round(days_left)),
        min(_DAYS_MAX, math.ceil(error_days)),
        basis,
    )


def forecast_facts(one: Forecast | None) -> dict[str, Any] | None:
    """Return the forecast for `vigibip box bips`."""
    if one is None:
        return None
    return {
        "left_pct": one.left_pct,
        "days_left": one.days_left,
        "error_days": one.error_days,
        "basis": one.basis,
    }


def _use_mah(
    days: Sequence[DayRecord], today: int, profile: PowerProfile, battery: Battery
) -> float:
    # Today is not over. Days on which nothing was heard count: it slept, or was out of reach.
    lately = [one for one in days if today - _USE_DAYS <= one.day < today]
    if not lately:
        lately = [one for one in days if one.day == today]
        span = 1
    else:
        span = today - lately[0].day
    return profile.day_mah(
        statuses=sum(one.statuses for one in lately) / span,
        presses=sum(one.presses for one in lately) / span,
        polls=sum(one.polls for one in lately) / span,
        battery=battery,
    )


def _fall(left: Sequence[tuple[int, float]]) -> tuple[float, float] | None:
    """Return (per cent a day, its relative error) since the last charge, None for too little."""
    begin = 0
    for index in range(1, len(left)):
        if left[index][1] - left[index - 1][1] > _CHARGED_PCT:
            begin = index
    days = [float(day) for day, _ in left[begin:]]
    pcts = [pct for _, pct in left[begin:]]
    if days[-1] - days[0] < _FALLEN_DAYS or len(days) < _FALLEN_DAYS // 2:
        return None
    slope, intercept = linear_regression(days, pcts)
    fallen = -slope * (days[-1] - days[0])
    if fallen < _FALLEN_PCT:
        return None
    rest = sum((pct - intercept - slope * day) ** 2 for day, pct in zip(days, pcts, strict=True))
    spread = sum((day - mean(days)) ** 2 for day in days)
    # Twice the standard error of the slope, and never less than the curve deserves.
    error = 2 * math.sqrt(rest / (len(days) - 2) / spread) / -slope
    return -slope, max(0.1, error)
