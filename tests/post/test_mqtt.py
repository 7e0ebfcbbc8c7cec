"""The post's session with a broker that dies at the worst of moments."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode

from tests.post.bad_broker import (
    CONNACK,
    CONNECT,
    SUBSCRIBE,
    BadBroker,
    publish,
    read_packet,
    reset,
    suback,
)
from tests.post.harness import until
from vigibip.post import mqtt
from vigibip.post.authority import Authority
from vigibip.post.broker_link import tls_context
from vigibip.post.mqtt import Session, SessionEvents

DEADLINE_S = 10.0
TOPIC = "vigibip/1/box-00000001/up/status"

MakeBroker = Callable[[Callable[[ssl.SSLSocket], None]], BadBroker]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path / "authority")


@pytest.fixture
def broker(authority: Authority) -> Iterator[MakeBroker]:
    made: list[BadBroker] = []

    def make(behave: Callable[[ssl.SSLSocket], None]) -> BadBroker:
        made.append(BadBroker(authority, behave))
        return made[-1]

    yield make
    for one in made:
        one.close()


class Heard:
    """What a session told, and in which thread; every message is answered."""

    def __init__(self) -> None:
        self.ends: list[str] = []
        self.threads: set[int] = set()
        self.session: Session | None = None
        self.before_answer: Callable[[], None] = lambda: None
        self.over = threading.Event()

    @property
    def events(self) -> SessionEvents:
        return SessionEvents(lambda: None, self._message, self._end)

    def _message(self, _topic: str, _payload: bytes) -> None:
        self.before_answer()
        assert self.session is not None
        self.session.publish("vigibip/1/box-00000001/down/x", b"the answer")

    def _end(self, reason: str) -> None:
        self.threads.add(threading.get_ident())
        self.ends.append(reason)
        self.over.set()


def run_to_its_end(authority: Authority, port: int, heard: Heard) -> int:
    """Run one session in an event loop of its own thread: a loop that hangs fails the test.

    Returns the thread's ident.
    """
    tls = tls_context(authority.certificate_path, authority.client_files("post"))

    async def run() -> None:
        heard.session = Session("127.0.0.1", port, tls, heard.events)
        heard.session.start()
        await until(heard.over.is_set)
        # Whoever was told too early or twice shows by now.
        await asyncio.sleep(0.02)

    thread = threading.Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    thread.join(DEADLINE_S)
    assert not thread.is_alive(), "the event loop hangs"
    assert thread.ident is not None
    return thread.ident


def test_a_write_that_fails_while_a_message_is_handled_ends_the_session(
    authority: Authority, broker: MakeBroker
) -> None:
    in_hand, gone = threading.Event(), threading.Event()

    def behave(connection: ssl.SSLSocket) -> None:
        assert read_packet(connection)[0] == CONNECT
        connection.sendall(CONNACK)
        kind, body = read_packet(connection)
        assert kind == SUBSCRIBE
        connection.sendall(suback(body))
        connection.sendall(publish(TOPIC, b"a message that is answered"))
        assert in_hand.wait(DEADLINE_S)
        reset(connection)
        gone.set()

    def while_handled() -> None:
        in_hand.set()
        gone.wait(DEADLINE_S)

    heard = Heard()
    heard.before_answer = while_handled
    run_to_its_end(authority, broker(behave).port, heard)
    assert len(heard.ends) == 1


def test_a_connection_that_dies_while_connect_is_written_is_told_in_the_loop(
    authority: Authority, broker: MakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = threading.Event()

    def behave(connection: ssl.SSLSocket) -> None:
        reset(connection)
        gone.set()

    send_connect = Client._send_connect

    def send_late(client: Client, keepalive: int) -> MQTTErrorCode:
        assert gone.wait(DEADLINE_S)
        return send_connect(client, keepalive)

    monkeypatch.setattr(Client, "_send_connect", send_late)
    heard = Heard()
    ran_in = run_to_its_end(authority, broker(behave).port, heard)
    assert (len(heard.ends), heard.threads) == (1, {ran_in})


@pytest.mark.parametrize("acknowledged", [0, 1])
def test_a_broker_that_falls_silent_before_the_session_is_up_is_left(
    authority: Authority, broker: MakeBroker, monkeypatch: pytest.MonkeyPatch, acknowledged: int
) -> None:
    monkeypatch.setattr(mqtt, "_UP_TIMEOUT_S", 0.05)
    left = threading.Event()

    def behave(connection: ssl.SSLSocket) -> None:
        assert read_packet(connection)[0] == CONNECT
        connection.sendall(CONNACK * acknowledged)
        try:
            while True:
                read_packet(connection)
        finally:
            left.set()

    heard = Heard()
    run_to_its_end(authority, broker(behave).port, heard)
    assert heard.ends == ["the broker took the connection and says nothing"]
    assert left.wait(DEADLINE_S)
