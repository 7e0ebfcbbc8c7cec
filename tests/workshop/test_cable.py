"""The cable is pulled at every step, and the same command run again: one bip, one key."""

from __future__ import annotations

import secrets

import pytest

from tests.support.bench_board import BenchBoard
from tests.workshop.rig import BOARD, Box, Person, do, order
from vigibip.workshop import bytecode, files, identity
from vigibip.workshop.errors import Cause, StepError
from vigibip.workshop.firmware_files import sources
from vigibip.workshop.line import Line
from vigibip.workshop.words import Step

# At which step, and how many bytes of what the computer says in it still arrive.
PULLS = (
    (Step.PORT, 0),
    (Step.PORT, 2),
    (Step.VERSION, 0),
    (Step.VERSION, 100),
    (Step.FILES, 0),
    (Step.FILES, 900),
    (Step.FILES, 9_000),
    (Step.FILES, 25_000),
    (Step.IDENTITY, 0),
    (Step.IDENTITY, 700),
    (Step.SELF_TEST, 0),
    (Step.SELF_TEST, 300),
    (Step.PAIRING, 0),
    (Step.START, 0),
    (Step.START, 20),
)


class Puller:
    """Pulls the cable once so many bytes have passed since it was told to."""

    def __init__(self, board: BenchBoard) -> None:
        self._board = board
        self._left: int | None = None
        board.on_bytes = self._passed

    def after(self, count: int) -> None:
        self._left = count or None
        if count == 0:
            self._board.pull()

    def rest(self) -> None:
        self._left = None

    def _passed(self, said: bytes) -> None:
        if self._left is not None:
            self._left -= len(said)
            if self._left <= 0:
                self._left = None
                self._board.pull()


@pytest.mark.slow
def test_pulled_at_every_step_it_completes_as_one_bip_with_one_key(
    board: BenchBoard, box: Box
) -> None:
    puller = Puller(board)
    for step, count in PULLS:
        person = Person(board)

        def at(now: Step, step: Step = step, count: int = count) -> None:
            if now is step:
                puller.after(count)

        person.at = at
        with pytest.raises(StepError) as failed:
            do(order(board, pairing=box), person)
        assert failed.value.cause in (Cause.CABLE, Cause.NO_ANSWER)
        board.tap(False)
        board.plug()
        assert len(box.keys) <= 1
    done = do(order(board, pairing=box), Person(board))
    [(device_id, key)] = box.keys.items()
    assert done.bip == f"{device_id:08x}"
    assert not done.identity_made
    line = Line.open(str(board.port), patience_s=20)
    assert identity.read(line) == identity.Identity(device_id, key)
    line.close()


@pytest.fixture
def line(board: BenchBoard) -> Line:
    """A board with its firmware, its program not started."""
    opened = Line.open(str(board.port), patience_s=20)
    files.bring(opened, bytecode.compiled(sources("bip", BOARD)), lambda _: None)
    opened.close()
    return opened


def again(board: BenchBoard) -> Line:
    return Line.open(str(board.port), patience_s=20)


def test_pulled_while_the_identity_is_written_it_is_that_one_or_none(
    board: BenchBoard, line: Line
) -> None:
    puller = Puller(board)
    spent = 0
    whole = 0
    for count in range(40, 2_000, 120):
        made = identity.Identity(secrets.randbelow(1000) + 1, secrets.token_bytes(16))
        line = again(board)
        identity.erase(line)
        puller.after(count)
        try:
            identity.write(line, made, 6, b"\xff" * 6)
            whole += 1
            puller.rest()
        except StepError:
            spent += 1
            board.plug()
        line.close()
        line = again(board)
        found = identity.read(line)
        assert found in (None, made)
        line.close()
    assert spent
    assert whole


def test_pulled_while_the_identity_is_erased_it_is_the_old_one_or_none(
    board: BenchBoard, line: Line
) -> None:
    puller = Puller(board)
    line = again(board)
    for count in (20, 100, 150, 200):
        old = identity.new_identity()
        identity.erase(line)
        identity.write(line, old, 6, b"\xff" * 6)
        puller.after(count)
        with pytest.raises(StepError):
            identity.erase(line)
        board.plug()
        line = again(board)
        assert identity.read(line) in (None, old)


def test_a_new_identity_that_was_interrupted_leaves_no_second_bip_at_the_box(
    board: BenchBoard, box: Box
) -> None:
    first = do(order(board, pairing=box, self_test=False), Person(board))
    puller = Puller(board)
    for step, count in ((Step.IDENTITY, 400), (Step.IDENTITY, 800), (Step.PAIRING, 0)):
        person = Person(board)
        person.at = lambda now, step=step, count=count: puller.after(count) if now is step else None
        with pytest.raises(StepError):
            do(order(board, pairing=box, self_test=False, new_identity=True), person)
        board.plug()
    last = do(order(board, pairing=box, self_test=False), Person(board))
    in_force = set(box.keys) - box.revoked
    assert in_force == {int(last.bip or "", 16)}
    assert int(first.bip or "", 16) in box.revoked
