"""A board on the bench for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bench_board import BenchBoard
from tests.workshop.rig import Box, Person


@pytest.fixture
def board(tmp_path: Path) -> Iterator[BenchBoard]:
    found = BenchBoard(tmp_path / "board")
    found.plug()
    yield found
    found.close()


@pytest.fixture
def person(board: BenchBoard) -> Person:
    return Person(board)


@pytest.fixture
def box() -> Box:
    return Box()
