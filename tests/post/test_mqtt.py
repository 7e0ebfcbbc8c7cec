"""The post's way to the broker: connected once messages flow, back after every end."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.post.harness import until
from tests.support.bad_broker import CONNACK, BadBroker, publish, read_packet, reset, suback
from vigibip.base.clock import SystemClock
from vigibip.post import broker_link
from vigibip.post.authority import Authority
from vigibip.post.broker_link import BrokerLink, tls_context
from vigibip.post.config import BrokerSettings

DEADLINE_S = 10.0
TOPIC = "vigibip/1/box-00000001/up/status"


class Far:
    """A broker that serves each connection as `next` says."""

    def __init__(self, authority: Authority) -> None:
        self.connections = 0
        self.subscribes = True
        self.dies = threading.Event()
        self.broker = BadBroker(authority, self._serve)

    def _serve(self, connection: ssl.SSLSocket) -> None:
        self.connections += 1
        read_packet(connection)
        connection.sendall(CONNACK)
        subscribe = read_packet(connection)[1]
        if self.subscribes:
            connection.sendall(suback(subscribe) + publish(TOPIC, b"hello"))
        self.dies.wait(DEADLINE_S)
        self.dies.clear()
        reset(connection)


class Post:
    def __init__(self, authority: Authority, port: int) -> None:
        self.told: list[tuple[bool, str]] = []
        self.messages: list[tuple[str, bytes]] = []
        self.link = BrokerLink(
            BrokerSettings(host="127.0.0.1", port=port),
            tls_context(authority.certificate_path, authority.client_files("post")),
            SystemClock(),
            on_message=lambda topic, payload: self.messages.append((topic, payload)),
            on_connection=lambda up, reason: self.told.append((up, reason)),
        )

    def ups(self) -> list[bool]:
        return [up for up, _ in self.told]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path / "authority")


@pytest.fixture
def far(authority: Authority) -> Iterator[Far]:
    far = Far(authority)
    yield far
    far.dies.set()
    far.broker.close()


async def test_connected_is_told_with_the_subscription_and_again_after_an_end(
    authority: Authority, far: Far
) -> None:
    post = Post(authority, far.broker.port)
    post.link.start()
    assert post.link.busy
    await until(lambda: post.messages)
    assert post.ups() == [True]
    assert post.link.connected
    far.dies.set()
    await until(lambda: post.ups() == [True, False, True])
    assert post.told[1][1] != ""
    assert far.connections == 2
    await post.link.stop()
    assert post.ups() == [True, False, True]


async def test_a_broker_that_never_acknowledges_the_subscription_is_left_for_another_attempt(
    authority: Authority, far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_link, "_UP_WITHIN_S", 0.2)
    monkeypatch.setattr(broker_link, "_KEEP_ALIVE_EACH_S", 0.02)
    far.subscribes = False
    post = Post(authority, far.broker.port)
    post.link.start()
    await until(lambda: post.told)
    assert post.told == [(False, "the broker does not answer")]
    assert not post.link.connected
    assert not post.link.publish(TOPIC, b"x")
    far.subscribes = True
    monkeypatch.setattr(broker_link, "_UP_WITHIN_S", DEADLINE_S)
    far.dies.set()
    await until(lambda: post.link.connected)
    await post.link.stop()
