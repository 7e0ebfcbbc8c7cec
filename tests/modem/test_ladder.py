"""The ladder: which rung comes next, and what each does to the lines."""

from __future__ import annotations

from vigibip.modem.ladder import Ladder, Rung

ALL = tuple(Rung)


def climbed(ladder: Ladder, count: int, now_s: float = 0.0) -> list[tuple[Rung, float]]:
    steps = [ladder.next_step(now_s) for _ in range(count)]
    return [(step.rung, step.rest_s) for step in steps]


def test_each_rung_follows_without_rest_then_again_with_a_growing_one() -> None:
    ladder = Ladder(ALL)
    assert climbed(ladder, 4) == [(rung, 0.0) for rung in ALL]
    assert not ladder.exhausted
    assert climbed(ladder, 4) == [(Rung.RESYNC, 15.0), *((rung, 0.0) for rung in ALL[1:])]
    assert ladder.exhausted
    assert climbed(ladder, 1) == [(Rung.RESYNC, 30.0)]


def test_the_rest_grows_to_five_minutes_and_no_further() -> None:
    ladder = Ladder(ALL)
    rests = [rest_s for _, rest_s in climbed(ladder, 400) if rest_s]
    assert rests[:6] == [15.0, 30.0, 60.0, 120.0, 240.0, 300.0]
    assert set(rests[6:]) == {300.0}


def test_a_relapse_goes_on_where_it_stood() -> None:
    ladder = Ladder(ALL)
    climbed(ladder, 1)
    ladder.recovered(10.0)
    ladder.recovered(69.0)
    assert ladder.next_step(69.5).rung is Rung.SOFT_RESET
    ladder.recovered(100.0)
    assert ladder.next_step(150.0).rung is Rung.PWRKEY


def test_what_was_well_for_a_while_begins_anew() -> None:
    ladder = Ladder(ALL)
    climbed(ladder, 6)
    assert ladder.exhausted
    ladder.recovered(100.0)
    assert ladder.next_step(161.0).rung is Rung.RESYNC
    assert not ladder.exhausted


def test_rungs_that_cannot_help_are_left_out() -> None:
    ladder = Ladder(ALL)
    assert ladder.next_step(0.0, Rung.PWRKEY).rung is Rung.PWRKEY
    assert ladder.next_step(0.0, Rung.PWRKEY).rung is Rung.POWER
    again = ladder.next_step(0.0, Rung.PWRKEY)
    assert (again.rung, again.rest_s, again.again) == (Rung.PWRKEY, 15.0, True)


def test_without_any_line_the_reset_command_is_the_last_rung() -> None:
    ladder = Ladder((Rung.RESYNC, Rung.SOFT_RESET))
    assert [rung for rung, _ in climbed(ladder, 4)] == [Rung.RESYNC, Rung.SOFT_RESET] * 2
    assert ladder.next_step(0.0, Rung.PWRKEY).rung is Rung.SOFT_RESET
