"""What a bip draws and what its battery holds: hardware/power_profile.toml, read and summed up."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from vigibip.base.config import Settings, load_settings

_NAME = "power_profile.toml"
# Beside this module when it is installed; in a checkout where the hardware is.
_PLACES = (
    Path(__file__).with_name(_NAME),
    Path(__file__).resolve().parents[3] / "hardware" / _NAME,
)
_DAY_H = 24.0
_MC_PER_MAH = 3600.0
_DAYS_PER_MONTH = 30.4

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
State = Literal["measured", "public", "computed", "not measured"]


class Phase(Settings):
    """One thing that a bip does, and what it draws meanwhile."""

    per: Literal["always", "wake", "frame", "status", "press", "poll"]
    current_ma: _Positive
    duration_ms: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    state: State
    source: str

    @property
    def charge_mc(self) -> float:
        """Return what it costs each time, in millicoulombs."""
        return self.current_ma * self.duration_ms / 1000.0


class Battery(Settings):
    """A kind of cell. `curve`: [mV under load, per cent left], falling to nought."""

    capacity_mah: _Positive
    usable_pct: Annotated[float, Field(gt=0, le=100)]
    self_discharge_pct_per_month: Annotated[float, Field(ge=0, le=30)]
    voltage_error_mv: _Positive
    curve: Annotated[tuple[tuple[int, float], ...], Field(min_length=2)]
    state: State
    source: str

    @model_validator(mode="after")
    def _falls(self) -> Self:
        falls = all(one[0] > two[0] and one[1] > two[1] for one, two in pairwise(self.curve))
        if not falls or (self.curve[0][1], self.curve[-1][1]) != (100, 0):
            raise ValueError("the curve does not fall from 100 to 0")
        return self

    @property
    def usable_mah(self) -> float:
        return self.capacity_mah * self.usable_pct / 100

    def left_pct(self, battery_mv: float) -> float:
        """Return how much of the charge is left at this voltage under load, 0 to 100."""
        for (high_mv, high), (low_mv, low) in pairwise(self.curve):
            if battery_mv > high_mv:
                return 100.0
            if battery_mv >= low_mv:
                return low + (high - low) * (battery_mv - low_mv) / (high_mv - low_mv)
        return 0.0

    def error_pct(self, battery_mv: float) -> float:
        """Return by how much `left_pct` may be wrong, for what a voltage may be wrong by."""
        above = self.left_pct(battery_mv + self.voltage_error_mv)
        return max(1.0, (above - self.left_pct(battery_mv - self.voltage_error_mv)) / 2)


class PowerProfile(Settings):
    """The whole file."""

    error_pct: Annotated[float, Field(gt=0, le=100)]
    phase: Mapping[str, Phase]
    battery: Mapping[str, Battery]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if {one.per for one in self.phase.values()} < {"always", "wake", "status", "press", "poll"}:
            raise ValueError("a phase is missing")
        return self

    def day_mah(self, *, statuses: float, presses: float, polls: float, battery: Battery) -> float:
        """Return what a day takes out of `battery`, with so many of each."""
        # The statuses and the presses each begin with a start; polls mostly go on from one.
        times = {
            "wake": statuses + presses,
            "frame": statuses + presses + polls,
            "status": statuses,
            "press": presses,
            "poll": polls,
        }
        charge_mc = sum(
            one.charge_mc * times[one.per] for one in self.phase.values() if one.per != "always"
        )
        always_ma = sum(one.current_ma for one in self.phase.values() if one.per == "always")
        lost_mah = (
            battery.capacity_mah * battery.self_discharge_pct_per_month / 100 / _DAYS_PER_MONTH
        )
        return charge_mc / _MC_PER_MAH + always_ma * _DAY_H + lost_mah


@cache
def power_profile() -> PowerProfile:
    """Return the profile. Raises ConfigurationError when the file is wrong."""
    path = next((place for place in _PLACES if place.is_file()), _PLACES[-1])
    return load_settings(PowerProfile, path)
