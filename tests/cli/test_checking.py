"""`scripts/check`: every step runs, one that fails is told, and the device's code is checked."""

import sys
from pathlib import Path

import pytest

from vigibip.cli import checking
from vigibip.cli.bootstrap import STUBS
from vigibip.cli.checking import Step


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing() -> None:
        raise FileNotFoundError("no firmware here")

    monkeypatch.setattr(sys, "argv", ["check"])
    monkeypatch.setattr(
        checking,
        "STEPS",
        (
            Step("good", ("-c", "print('well')")),
            Step("bad", ("-c", "raise SystemExit('line 7 is wrong')"), tmp_path),
            Step("lost", ("-c", ""), tmp_path, missing),
            Step("last", ("-c", "")),
        ),
    )


def test_every_step_runs_and_failures_are_told(
    steps: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checking.main() == 1
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert [line.split()[:2] for line in lines if line.endswith(" s")] == [
        ["good", "ok"],
        ["bad", "FAILED"],
        ["lost", "FAILED"],
        ["last", "ok"],
    ]
    assert "line 7 is wrong" in lines
    assert "no firmware here" in lines
    assert "well" not in lines
    assert "failed: bad, lost" in told.err


def test_named_steps_run_alone(
    steps: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["check", "last", "good"])
    assert checking.main() == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["good", "last"]


def test_an_unknown_step_is_refused_with_the_names_there_are(
    steps: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["check", "typos"])
    assert checking.main() == 2
    assert "typos; there are: good, bad" in capsys.readouterr().err


@pytest.mark.skipif(not STUBS.is_dir(), reason="the stubs come with scripts/check and scripts/test")
def test_mistakes_of_micropython_s_own_are_seen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wrong.py").write_text(
        "import dataclasses\n"
        "from machine import Pin\n"
        "import esp32, espnow\n"
        "pin = Pin(4, Pin.INN)\n"
        "esp32.wake_on_gpio(pin)\n"
        "espnow.ESPNow().sendd(b'x')\n"
    )
    step = checking.device_types("wrong", lambda: None)
    assert not checking.passes(Step(step.name, step.command, tmp_path))
    told = capsys.readouterr().out
    for line in (1, 4, 5, 6):
        assert f"wrong.py:{line}: error" in told
