"""Whose updates a bip takes: given by cable, kept as its own program reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.firmware.images import public_key
from tests.support.bench_board import BenchBoard
from tests.workshop.rig import Person, do, order
from vigibip.base.errors import UsageError
from vigibip.cli.main import main
from vigibip.workshop import signers
from vigibip.workshop.line import Line

_ASK = """
import json, trial
print(json.dumps(trial.signers().hex()))
"""


def told(board: BenchBoard) -> str:
    line = Line.open(str(board.port), patience_s=20)
    try:
        return str(line.ask(_ASK))
    finally:
        line.close()


def test_a_bip_takes_whose_keys_it_was_given_until_others_are(
    board: BenchBoard, person: Person
) -> None:
    keys = public_key(0), public_key(1)
    do(order(board, self_test=False, signers=keys[:1]), person)
    assert told(board) == keys[0].hex()
    do(order(board, self_test=False), person)
    assert told(board) == keys[0].hex(), "flashing it again says nothing of signers"
    do(order(board, self_test=False, signers=keys), person)
    assert told(board) == (keys[0] + keys[1]).hex()


@pytest.mark.parametrize("keys", [(), (b"x",), (bytes(56),), (public_key(0),) * 3])
def test_what_is_no_signer_s_key_is_refused(keys: tuple[bytes, ...]) -> None:
    with pytest.raises(UsageError):
        signers.checked(keys)


def test_the_command_refuses_a_file_that_is_no_key(tmp_path: Path) -> None:
    file = tmp_path / "town.key.pub"
    file.write_text("00" * 56)
    assert main(["workshop", "flash", "bip", "--port", "/dev/null", "--signer", str(file)]) == 2
