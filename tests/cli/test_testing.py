"""What `scripts/test` installs, leaves out and tells."""

import json
import shutil
from pathlib import Path

import pytest

from vigibip.cli import programs, testing

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"
INNER_TEST = """
import pytest

@pytest.mark.requires_program("no-such-program")
def test_needs_it(): ...

def test_does_not(): ...
"""


@pytest.fixture
def inner(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(CONFTEST.read_text())
    pytester.makeini("[pytest]\nmarkers = requires_program(name)\nasyncio_mode = auto\n")
    pytester.makepyfile(INNER_TEST)
    return pytester


@pytest.mark.parametrize("jobs", ["0", "2"])
def test_what_is_left_out_is_told_before_the_closing_line(
    jobs: str, inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("VIGIBIP_LEFT_OUT", json.dumps(["chromium: no network"]))
    done = inner.runpytest_subprocess("-n", jobs)
    done.assert_outcomes(passed=1, skipped=1)
    lines = [line for line in done.outlines if line]
    heading = next(index for index, line in enumerate(lines) if "left out" in line)
    assert lines[heading + 1 : heading + 3] == [
        "1 tests: no-such-program is not installed",
        "chromium: no network",
    ]
    assert "1 passed, 1 skipped" in lines[-1]


def test_in_ci_nothing_is_left_out_silently(
    inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    done = inner.runpytest_subprocess("-n", "0")
    done.assert_outcomes(passed=1, errors=1)
    assert done.ret == pytest.ExitCode.TESTS_FAILED


def test_nothing_is_installed_when_all_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "is_there", lambda program: True)
    monkeypatch.setattr(programs, "install", lambda packages: pytest.fail("apt was asked"))
    assert programs.provide() == []


def test_without_root_it_tells_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: "/x" if "apt" in name else None)
    monkeypatch.setattr(programs.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(programs, "_succeeds", lambda command: False)
    told = programs.provide()
    assert [line.split(":")[0] for line in told] == list(programs.PACKAGES)
    assert "sudo apt-get install mosquitto multimon-ng chromium" in told[0]


def test_as_root_apt_is_updated_once_then_asked_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def succeeds(command: list[str]) -> bool:
        asked.append(command)
        return True

    monkeypatch.setattr(shutil, "which", lambda name, path=None: "/x" if "apt" in name else None)
    monkeypatch.setattr(programs.os, "geteuid", lambda: 0)
    monkeypatch.setattr(programs, "_succeeds", succeeds)
    programs.provide()
    assert [command[4:5] for command in asked] == [["update"], ["install"]]
    packages = list(programs.PACKAGES.values())
    assert asked[1][-len(packages) :] == packages


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [([], True), (["tests/wire", "-k", "window"], True), (["-n0"], False), (["--pdb"], False)],
)
def test_tests_run_side_by_side_unless_asked_otherwise(arguments: list[str], wanted: bool) -> None:
    assert ("-n" in testing.parallel(arguments)) is wanted
