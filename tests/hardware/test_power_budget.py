"""The power budget's table says what the profile says, and the profile says where it is from."""

from __future__ import annotations

import tomllib

from tests.hardware import power_budget
from vigibip.box.power_profile import power_profile


def test_the_readme_holds_the_table_of_the_profile() -> None:
    readme = power_budget.README.read_text(encoding="utf-8")
    assert power_budget.written(readme) == readme


def test_every_figure_has_a_source_and_none_is_called_measured_yet() -> None:
    profile = power_profile()
    entries = [*profile.phase.values(), *profile.battery.values()]
    assert all(one.source for one in entries)
    assert "measured" not in {one.state for one in entries}


def test_the_profile_installed_is_the_one_of_the_hardware() -> None:
    project = power_budget.README.parents[1] / "pyproject.toml"
    build = tomllib.loads(project.read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    included = build["targets"]["wheel"]["force-include"]
    assert included == {"hardware/power_profile.toml": "vigibip/box/power_profile.toml"}
