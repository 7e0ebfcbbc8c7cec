"""The benches' own arithmetic, and their commands' exit codes."""

import json

import pytest

from vigibip.cli.main import main
from vigibip.town import benches
from vigibip.town.benches import press
from vigibip.town.benches.report import Report
from vigibip.town.errors import TownError

MS = 1_000_000


def test_a_stage_is_measured_from_the_button_of_its_own_press() -> None:
    pressed = [
        {"press": start * MS, **dict.fromkeys(press._MEASURED, (start + taken) * MS)}
        for start, taken in ((0, 10), (1000, 20), (5000, 300))
    ]
    figures = press.stage_figures("calm", pressed)
    assert figures["calm_button_to_radio_ptt_p50_ms"] == 20
    assert figures["calm_button_to_radio_ptt_p99_ms"] == 300
    assert set(press._TARGETS) - {key.replace("calm", "rough") for key in figures} <= set(figures)


def test_a_palm_that_felt_delivered_first_is_left_out_of_heard_alone() -> None:
    whole = {"press": 0, **dict.fromkeys(press._MEASURED, 10 * MS)}
    without = {stage: at for stage, at in whole.items() if stage != "bip.heard"} | {
        "radio.ptt": 90 * MS
    }
    figures = press.stage_figures("calm", [whole, without])
    assert figures["calm_button_to_bip_heard_p99_ms"] == 10
    assert figures["calm_button_to_radio_ptt_p99_ms"] == 90


async def _holds(progress: benches.Progress) -> Report:
    progress("working")
    return Report("x", {"lost": 0}, {"lost": 0})


async def _misses(progress: benches.Progress) -> Report:
    return Report("x", {"lost": 1}, {"lost": 0})


async def _cannot(progress: benches.Progress) -> Report:
    raise TownError("no town")


@pytest.mark.parametrize(("measure", "code"), [(_holds, 0), (_misses, 1), (_cannot, 2)])
def test_the_exit_code_says_held_missed_or_not_measured(
    measure: benches.Measure,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(benches, "find", lambda name: measure)
    assert main(["town", "bench", "x", "--json"]) == code
    told = capsys.readouterr()
    if code == 2:
        assert told.out == ""
        assert "no town" in told.err
    else:
        assert json.loads(told.out)["holds"] is (code == 0)


def test_the_list_names_every_bench_and_nothing_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["town", "bench", "--list"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == list(benches.BENCHES)


@pytest.mark.parametrize("arguments", [["town", "bench"], ["town", "bench", "no-such-bench"]])
def test_a_wrong_name_is_a_usage_error(arguments: list[str]) -> None:
    assert main(arguments) == 2
