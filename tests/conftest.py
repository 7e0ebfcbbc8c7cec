"""What all tests share: third-party programs, and an honest account of what was left out."""

import json
import os
import shutil
import sys
from collections import Counter
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[1]
# Processes that the tests start find the checkout's own package.
os.environ["PYTHONPATH"] = str(ROOT / "hub")
# Daemons stand in sbin, and the environment's own programs beside its Python.
os.environ["PATH"] = os.pathsep.join(
    [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]
)
CI = os.environ.get("CI", "").lower() not in ("", "0", "false", "no")
# A machine that is busy makes no test wrong; and CI tries the same inputs each time.
hypothesis.settings.register_profile("vigibip", deadline=None, derandomize=CI)
hypothesis.settings.load_profile("vigibip")
pytest_plugins = ["pytester"]


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("requires_program"):
        for program in marker.args:
            if shutil.which(program) is not None:
                continue
            reason = f"{program} is not installed"
            if CI:
                pytest.fail(f"{reason}: in CI nothing is left out silently", pytrace=False)
            pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Before the closing line: what was left out, how often, and why."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        told = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[told.removeprefix("Skipped: ")] += 1
    lines = [f"{count} tests: {reason}" for reason, count in sorted(reasons.items())]
    lines += json.loads(os.environ.get("VIGIBIP_LEFT_OUT", "[]"))
    if lines:
        terminalreporter.section("left out")
        for line in lines:
            terminalreporter.write_line(line)
