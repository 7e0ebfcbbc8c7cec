"""A bench's report: what holds, what is missed, what was not measured."""

import json

import pytest

from vigibip.town.benches import BENCHES, find
from vigibip.town.benches.report import Report, median_figures, percentile


def test_a_target_holds_up_to_its_ceiling_and_no_further() -> None:
    assert Report("x", {"lost": 0, "p50_ms": 50.0}, {"lost": 0, "p50_ms": 50}).holds
    missed = Report("x", {"lost": 1, "p50_ms": 50.1}, {"lost": 0, "p50_ms": 50})
    assert missed.missed == ["lost", "p50_ms"]


@pytest.mark.parametrize("figures", [{}, {"p50_ms": None}, {"p50_ms": "not measured"}])
def test_what_was_not_measured_holds_no_target(figures: dict[str, None]) -> None:
    assert not Report("x", figures, {"p50_ms": 50}).holds


def test_the_json_is_one_object_with_the_agreed_keys() -> None:
    told = json.loads(Report("x", {"p50_ms": 12.5, "wake_ms": None}, {"p50_ms": 50}).to_json())
    assert told == {
        "name": "x",
        "figures": {"p50_ms": 12.5, "wake_ms": None},
        "targets": {"p50_ms": 50},
        "holds": True,
    }


def test_the_text_marks_what_is_missed_and_what_was_not_measured() -> None:
    text = Report("x", {"p50_ms": 61.0, "wake_ms": None}, {"p50_ms": 50}).to_text()
    assert "MISSED" in text
    assert "not measured" in text


@pytest.mark.parametrize(
    ("share", "value"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1), (0.005, 1)]
)
def test_percentiles_are_values_that_were_measured(share: float, value: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == value


def test_percentile_of_one_value_is_that_value() -> None:
    assert percentile([7.0], 0.99) == 7.0
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_the_median_is_taken_key_by_key() -> None:
    runs = [{"a_ms": 1.0, "b_ms": 9.0}, {"a_ms": 3.0, "b_ms": 7.0}, {"a_ms": 2.0, "b_ms": 8.0}]
    assert median_figures(runs) == {"a_ms": 2.0, "b_ms": 8.0}


def test_an_unknown_bench_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match="no-such-bench"):
        find("no-such-bench")


@pytest.mark.parametrize("name", BENCHES)
def test_every_bench_of_the_list_is_there(name: str) -> None:
    assert callable(find(name))
