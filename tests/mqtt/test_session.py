"""A session with mosquitto, and with a broker that dies or falls silent at the worst of moments."""

from __future__ import annotations

import asyncio
import os
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
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
from tests.support.paho_peer import PahoPeer, client_context
from vigibip.base.clock import DrivenClock
from vigibip.mqtt.session import EndCause, Session, SessionSettings
from vigibip.post.authority import Authority
from vigibip.town.broker import Broker
from vigibip.town.children import Children

DEADLINE_S = 10.0
UP = "vigibip/1/box-00000001/up/status"
DOWN = "vigibip/1/box-00000001/down/x"
MESSAGE_MAX_BYTES = 16384

MakeBroker = Callable[[Callable[[ssl.SSLSocket], None]], BadBroker]


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


async def until(met: Callable[[], object]) -> None:
    end_s = time.monotonic() + DEADLINE_S
    while not met():
        assert time.monotonic() < end_s, "the condition was not met in time"
        await asyncio.sleep(0.002)


class User:
    """Whoever uses a session: notes what it tells, and in which thread."""

    def __init__(
        self, authority: Authority, port: int, *, identity: str = "post", host: str = "127.0.0.1"
    ) -> None:
        self.told: list[str] = []
        self.messages: list[tuple[str, bytes]] = []
        self.causes: list[EndCause] = []
        self.reasons: list[str] = []
        self.threads: set[int] = set()
        self.when_connected: Callable[[], None] = lambda: None
        self.when_told: Callable[[], None] = lambda: None
        self.clock = DrivenClock()
        self._settings = SessionSettings(
            host=host,
            port=port,
            tls=client_context(authority, authority, identity),
            identity=identity,
            subscription="vigibip/1/+/up/+" if identity == "post" else f"vigibip/1/{identity}/#",
            message_max_bytes=MESSAGE_MAX_BYTES,
            keepalive_s=15,
            connect_timeout_s=5.0,
            up_within_s=30.0,
            acknowledged_within_s=10.0,
        )

    def make(self) -> Session:
        self.session = Session(self._settings, self, self.clock)
        return self.session

    def session_connected(self) -> None:
        self._tell("connected")
        self.when_connected()

    def session_subscribed(self) -> None:
        self._tell("subscribed")

    def session_message(self, topic: str, payload: bytes) -> None:
        self._tell("message")
        self.messages.append((topic, payload))
        self.when_told()

    def session_ended(self, cause: EndCause, reason: str) -> None:
        self._tell("ended")
        self.causes.append(cause)
        self.reasons.append(reason)

    def ended(self) -> bool:
        return "ended" in self.told

    def pass_time(self, duration_s: float) -> None:
        """Let it be so much later, and be looked after."""
        self.clock._now_s += duration_s
        self.session.keep_alive()

    def _tell(self, what: str) -> None:
        self.threads.add(threading.get_ident())
        self.told.append(what)


# With mosquitto


@pytest.mark.requires_program("mosquitto")
async def test_messages_go_both_ways_each_acknowledged(
    mosquitto: Broker, authority: Authority
) -> None:
    user = User(authority, mosquitto.port)
    session = user.make()
    assert not session.publish(DOWN, b"too early")
    session.connect()
    await until(lambda: "subscribed" in user.told)
    assert user.told == ["connected", "subscribed"]
    with PahoPeer(
        mosquitto.port, client_context(authority, authority, "box-00000001"), "box-00000001"
    ) as peer:
        peer.connected().subscribe("vigibip/1/box-00000001/down/+")
        assert peer.publish(UP, b"up") == "Success"
        await until(lambda: user.messages == [(UP, b"up")])
        assert session.publish(DOWN, b"down")
        assert session.unacknowledged == 1
        assert (await asyncio.to_thread(peer.message)) == (DOWN, b"down")
    await until(lambda: session.unacknowledged == 0)
    session.close()
    assert not session.publish(DOWN, b"too late")
    assert user.threads == {threading.get_ident()}
    assert "ended" not in user.told


@pytest.mark.requires_program("mosquitto")
async def test_hundreds_at_once_arrive_in_order_and_a_thousand_is_the_bound(
    mosquitto: Broker, authority: Authority
) -> None:
    user = User(authority, mosquitto.port)
    session = user.make()
    session.connect()
    await until(lambda: "subscribed" in user.told)
    box = "box-00000001"
    with PahoPeer(mosquitto.port, client_context(authority, authority, box), box) as peer:
        peer.connected().subscribe(f"vigibip/1/{box}/down/+")
        taken = [number for number in range(1200) if session.publish(DOWN, b"%d" % number)]
        assert taken == list(range(1000))
        for number in taken:
            assert (await asyncio.to_thread(peer.message)) == (DOWN, b"%d" % number)
        await until(lambda: session.unacknowledged == 0)
    session.close()


@pytest.mark.requires_program("mosquitto")
async def test_goodbye_is_said_so_that_the_broker_does_not_wait_for_the_next_ping(
    mosquitto: Broker, authority: Authority, tmp_path: Path
) -> None:
    user = User(authority, mosquitto.port)
    session = user.make()
    session.connect()
    await until(lambda: "subscribed" in user.told)
    session.close()
    session.close()
    again = user.make()
    again.connect()
    await until(lambda: user.told.count("subscribed") == 2)
    again.close()
    log = (tmp_path / "logs" / "broker.log").read_text(encoding="utf-8")
    # Neither found dead, nor put out by the next one of its name.
    assert "Client post disconnected." in log
    assert "already connected" not in log
    assert not user.ended()


@pytest.mark.requires_program("mosquitto")
async def test_a_broker_that_is_killed_ends_the_session_once(
    mosquitto: Broker, authority: Authority
) -> None:
    user = User(authority, mosquitto.port)
    session = user.make()
    session.connect()
    await until(lambda: "subscribed" in user.told)
    await mosquitto.kill()
    await until(user.ended)
    assert not session.publish(DOWN, b"x")
    user.pass_time(100)
    session.close()
    assert user.causes == [EndCause.BROKEN]


@pytest.mark.requires_program("mosquitto")
async def test_the_brokers_certificate_must_be_our_authoritys(
    mosquitto: Broker, tmp_path: Path
) -> None:
    stranger = Authority.create(tmp_path / "stranger")
    user = User(stranger, mosquitto.port)
    user.make().connect()
    await until(user.ended)
    assert user.causes == [EndCause.BROKEN]
    assert "CERTIFICATE_VERIFY_FAILED" in user.reasons[0]


async def test_nobody_listens(authority: Authority) -> None:
    gone = BadBroker(authority, lambda _connection: None)
    gone.close()
    user = User(authority, gone.port)
    user.make().connect()
    await until(user.ended)
    assert user.causes == [EndCause.BROKEN]


# With a broker that misbehaves


def run_to_its_end(user: User) -> int:
    """Run one session in an event loop of its own thread: a loop that hangs fails the test.

    Returns the thread's ident.
    """

    async def run() -> None:
        user.make().connect()
        await until(user.ended)
        # Whoever was told too early or twice shows by now.
        await asyncio.sleep(0.02)

    thread = threading.Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    thread.join(2 * DEADLINE_S)
    assert not thread.is_alive(), "the event loop hangs"
    assert thread.ident is not None
    return thread.ident


def test_a_write_that_fails_while_a_message_is_handled_ends_the_session(
    authority: Authority, bad_broker: MakeBroker
) -> None:
    in_hand, gone = threading.Event(), threading.Event()

    def behave(connection: ssl.SSLSocket) -> None:
        assert read_packet(connection)[0] == CONNECT
        connection.sendall(CONNACK)
        kind, body = read_packet(connection)
        assert kind == SUBSCRIBE
        connection.sendall(suback(body))
        connection.sendall(publish(UP, b"a message that is answered"))
        assert in_hand.wait(DEADLINE_S)
        reset(connection)
        gone.set()

    def answer() -> None:
        in_hand.set()
        gone.wait(DEADLINE_S)
        user.session.publish(DOWN, b"the answer")

    user = User(authority, bad_broker(behave).port)
    user.when_told = answer
    run_to_its_end(user)
    assert user.causes == [EndCause.BROKEN]


def test_what_is_published_on_connection_stands_behind_the_subscription(
    authority: Authority, bad_broker: MakeBroker
) -> None:
    seen: list[int] = []

    def behave(connection: ssl.SSLSocket) -> None:
        read_packet(connection)
        connection.sendall(CONNACK)
        seen.extend(read_packet(connection)[0] for _ in range(2))
        reset(connection)

    user = User(authority, bad_broker(behave).port)
    user.when_connected = lambda: user.session.publish(DOWN, b"waited for this") or None
    run_to_its_end(user)
    assert seen == [SUBSCRIBE, 3]


def test_a_connection_that_dies_while_connect_is_written_is_told_in_the_loop(
    authority: Authority, bad_broker: MakeBroker, monkeypatch: pytest.MonkeyPatch
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
    user = User(authority, bad_broker(behave).port)
    ran_in = run_to_its_end(user)
    assert (user.causes, user.threads) == ([EndCause.BROKEN], {ran_in})


@pytest.mark.parametrize("acknowledged", [0, 1])
async def test_a_broker_that_falls_silent_before_the_session_is_up_is_left(
    authority: Authority, bad_broker: MakeBroker, acknowledged: int
) -> None:
    asked, left = threading.Event(), threading.Event()

    def behave(connection: ssl.SSLSocket) -> None:
        assert read_packet(connection)[0] == CONNECT
        connection.sendall(CONNACK * acknowledged)
        if acknowledged:
            assert read_packet(connection)[0] == SUBSCRIBE
        asked.set()
        try:
            read_packet(connection)
        finally:
            left.set()

    user = User(authority, bad_broker(behave).port)
    user.make().connect()
    await until(asked.is_set)
    await until(lambda: user.told == ["connected"] * acknowledged)
    user.pass_time(29.9)
    assert not user.ended()
    user.pass_time(0.1)
    assert user.causes == [EndCause.HUNG]
    await until(left.is_set)


async def test_a_name_that_is_never_resolved_is_given_up_and_closed_when_it_is(
    authority: Authority, bad_broker: MakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved, left = threading.Event(), threading.Event()

    def behave(connection: ssl.SSLSocket) -> None:
        try:
            while True:
                read_packet(connection)
        finally:
            left.set()

    create = Client._create_socket_connection

    def create_late(client: Client) -> object:
        assert resolved.wait(DEADLINE_S)
        return create(client)

    monkeypatch.setattr(Client, "_create_socket_connection", create_late)
    user = User(authority, bad_broker(behave).port)
    user.make().connect()
    user.pass_time(30)
    assert user.causes == [EndCause.HUNG]
    resolved.set()
    await until(left.is_set)
    assert user.told == ["ended"]


async def test_a_broker_that_acknowledges_no_message_is_a_dead_link(
    authority: Authority, bad_broker: MakeBroker
) -> None:
    def behave(connection: ssl.SSLSocket) -> None:
        read_packet(connection)
        connection.sendall(CONNACK)
        connection.sendall(suback(read_packet(connection)[1]))
        while True:
            read_packet(connection)

    user = User(authority, bad_broker(behave).port)
    session = user.make()
    session.connect()
    await until(lambda: "subscribed" in user.told)
    user.pass_time(3600)
    assert session.publish(DOWN, b"x")
    user.pass_time(9.9)
    assert not user.ended()
    user.pass_time(0.1)
    assert user.causes == [EndCause.DEAD]
    assert session.unacknowledged == 0


async def test_a_refused_subscription_ends_the_session(
    authority: Authority, bad_broker: MakeBroker
) -> None:
    def behave(connection: ssl.SSLSocket) -> None:
        read_packet(connection)
        connection.sendall(CONNACK)
        body = read_packet(connection)[1]
        connection.sendall(suback(body)[:-1] + b"\x87")
        read_packet(connection)

    user = User(authority, bad_broker(behave).port)
    user.make().connect()
    await until(user.ended)
    assert user.told == ["connected", "ended"]
    assert user.reasons == ["the broker refused our subscription"]


async def test_nothing_is_told_after_close_however_much_arrives(
    authority: Authority, bad_broker: MakeBroker
) -> None:
    def behave(connection: ssl.SSLSocket) -> None:
        read_packet(connection)
        connection.sendall(CONNACK)
        body = read_packet(connection)[1]
        # In one piece: all of it is decrypted when the first of them is told.
        connection.sendall(suback(body) + publish(UP, b"1") + publish(UP, b"2"))
        read_packet(connection)

    user = User(authority, bad_broker(behave).port)
    session = user.make()
    user.when_told = session.close
    session.connect()
    await until(lambda: user.messages)
    await asyncio.sleep(0.02)
    assert user.messages == [(UP, b"1")]
    assert not user.ended()
