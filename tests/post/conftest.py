"""Fixtures of the post's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.post.harness import Site
from tests.post.place import Place
from tests.post.relay_rig import Workers
from vigibip.base.clock import DrivenClock
from vigibip.post.store import Store


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A running post with its broker, in driven time."""
    made = Site(tmp_path)
    try:
        await made.start()
        yield made
    finally:
        await made.close()


@pytest.fixture
def clock() -> DrivenClock:
    return DrivenClock()


@pytest.fixture
def store(tmp_path: Path, clock: DrivenClock) -> Iterator[Store]:
    """An open store whose records are dated by `clock`."""
    made = Store(tmp_path / "post.sqlite", clock=clock)
    made.start()
    yield made
    made.close()


@pytest.fixture
async def workers(store: Store, clock: DrivenClock) -> AsyncIterator[Workers]:
    made = Workers(store, clock)
    yield made
    for worker in made.all:
        await worker.die()
        assert not worker.ended


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    made = Place(tmp_path)
    try:
        await made.start()
        yield made
    finally:
        await made.close()
