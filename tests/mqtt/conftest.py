"""The brokers that a session meets."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.mqtt.session_user import MakeBroker
from tests.support.bad_broker import BadBroker
from vigibip.post.authority import Authority
from vigibip.town.broker import Broker
from vigibip.town.children import Children


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path / "authority")


@pytest.fixture
def bad_broker(authority: Authority) -> Iterator[MakeBroker]:
    made: list[BadBroker] = []

    def make(behave: Callable[[ssl.SSLSocket], None]) -> BadBroker:
        made.append(BadBroker(authority, behave))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
async def mosquitto(authority: Authority, tmp_path: Path) -> AsyncIterator[Broker]:
    logs = tmp_path / "logs"
    logs.mkdir()
    children = Children(logs, os.environ)
    broker = Broker(children, tmp_path / "broker", authority)
    await broker.start()
    yield broker
    await broker.stop()
    await children.close()
