"""The power budget of hardware/README.md, as hardware/power_profile.toml says it.

`python -m tests.hardware.power_budget` prints it; with --write it goes into the README.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from vigibip.box.power_profile import PowerProfile, power_profile

README = Path(__file__).parents[2] / "hardware" / "README.md"
_BEGIN = "<!-- power budget: python -m tests.hardware.power_budget --write -->\n"
_END = "<!-- end of the power budget -->\n"
# A press a week that an officer answers within a minute, polled for each second until then.
_PRESSES_PER_DAY = 1 / 7
_POLLS_PER_PRESS = 60
_DAY_MIN = 1440
_YEAR_DAYS = 365.25


def table(profile: PowerProfile) -> str:
    """Return the README's part."""
    lines = [
        "| phase | per | current | time | charge | state | source |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in profile.phase.items():
        always = one.per == "always"
        time = "all the time" if always else f"{one.duration_ms:g} ms"
        charge = f"{one.current_ma * 24:.2f} mAh a day" if always else f"{one.charge_mc:.1f} mC"
        lines.append(
            f"| {name} | {one.per} | {one.current_ma:g} mA | {time} | {charge} | {one.state} "
            f"| {one.source} |"
        )
    lines += ["", "| battery | status each hour | each 6 h | each day |", "|---|---|---|---|"]
    for name, battery in profile.battery.items():
        years = []
        for status_min in (60, 360, 1440):
            day_mah = profile.day_mah(
                statuses=_DAY_MIN / status_min,
                presses=_PRESSES_PER_DAY,
                polls=_PRESSES_PER_DAY * _POLLS_PER_PRESS,
                battery=battery,
            )
            years.append(f"{battery.usable_mah / day_mah / _YEAR_DAYS:.1f} years")
        lines.append(f"| {name} | {' | '.join(years)} |")
    return "\n".join(lines) + "\n"


def written(readme: str) -> str:
    """Return `readme` with the table in its place."""
    made = _BEGIN + table(power_profile()) + _END
    changed, count = re.subn(
        f"{re.escape(_BEGIN)}.*?{re.escape(_END)}", lambda _: made, readme, flags=re.DOTALL
    )
    if count != 1:
        raise ValueError("the README has no place for the power budget")
    return changed


if __name__ == "__main__":
    if "--write" in sys.argv:
        README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(table(power_profile()), end="")
