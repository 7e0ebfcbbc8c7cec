"""The fuzz bench: short, on every parser; and that it would see a crash and a leak."""

import random

import pytest

from vigibip.town.benches import fuzz
from vigibip.town.benches.fuzz import Target


@pytest.mark.parametrize("target", fuzz.targets(), ids=lambda target: target.name)
async def test_no_input_makes_a_parser_do_anything_but_refuse(target: Target) -> None:
    outcome = await fuzz._run(target, 6_000, random.Random(f"short {target.name}"))
    assert outcome.first_crash == ""
    assert outcome.growth_mb < fuzz._GROWTH_MAX_MB


@pytest.mark.parametrize("target", fuzz.targets(), ids=lambda target: target.name)
def test_the_inputs_it_begins_with_are_sound(target: Target) -> None:
    for data in target.sound:
        assert len(data) <= target.length_max
        target.attack(data)


async def test_a_parser_that_crashes_is_told_with_its_input() -> None:
    def attack(data: bytes) -> None:
        if data.startswith(b"\xff"):
            raise IndexError

    target = Target("x", [b"\xffsound"], attack)
    outcome = await fuzz._run(target, 100, random.Random(1))
    assert outcome.crashes > 50
    assert "IndexError: ff" in outcome.first_crash


async def test_a_parser_that_keeps_what_it_is_fed_is_seen() -> None:
    kept = bytearray()
    target = Target("x", [bytes(300)], kept.extend)
    outcome = await fuzz._run(target, 10_000, random.Random(1))
    assert outcome.growth_mb > fuzz._GROWTH_MAX_MB


async def test_every_parser_has_its_figures_and_its_ceilings() -> None:
    report = await fuzz.measure_with(lambda _words: None, 200)
    assert report.holds
    for target in fuzz.targets():
        assert report.figures[f"{target.name}_crashes"] == 0
        assert report.targets[f"{target.name}_crashes"] == 0
    assert report.figures["at_grammar_inputs"] == 200
    assert report.figures["frame_inputs"] == 20


def test_the_same_seed_makes_the_same_inputs() -> None:
    (target, *_) = fuzz.targets()

    def first_ones() -> list[bytes]:
        chance = random.Random("one")
        return [fuzz._spoiled(target, chance) for _ in range(50)]

    assert first_ones() == first_ones()
    assert len(set(first_ones())) > 40
