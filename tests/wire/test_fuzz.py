"""Twenty thousand seeded inputs for each parser; what each must hold is told in both.py."""

from __future__ import annotations

from tests.wire import both
from tests.wire.host import VECTORS, Wire
from vigibip.wire import ccm

INPUTS = 20_000


def test_frames() -> None:
    assert both.fuzz_frames(Wire, VECTORS["frames"], INPUTS) < INPUTS / 10


def test_payloads() -> None:
    assert 0 < both.fuzz_payloads(Wire, INPUTS) < INPUTS


def test_line() -> None:
    heard, dropped = both.fuzz_line(Wire, VECTORS["serial"], INPUTS)
    assert heard > 100
    assert dropped > INPUTS / 2


def test_cobs() -> None:
    both.fuzz_cobs(Wire, INPUTS)


def test_sealed_messages() -> None:
    dice = both.Dice(5)
    encrypt = Wire.cipher(bytes(16))
    for _ in range(INPUTS):
        sealed = dice.bytes(dice.below(40))
        assert ccm.open_sealed(encrypt, dice.bytes(13), dice.bytes(dice.below(20)), sealed) is None
