"""A session with a broker that dies or falls silent at the worst of moments."""

from __future__ import annotations

import asyncio
import ssl
import threading

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode

from tests.mqtt.session_user import DEADLINE_S, DOWN, UP, MakeBroker, User, until
from tests.support.bad_broker import (
    CONNACK,
    CONNECT,
    SUBSCRIBE,
    BadBroker,
    let_in,
    publish,
    read_packet,
    reset,
    suback,
)
from vigibip.mqtt.session import EndCause
from vigibip.post.authority import Authority


async def test_nobody_listens(authority: Authority) -> None:
    gone = BadBroker(authority, lambda _connection: None)
    gone.close()
    user = User(authority, gone.port)
    user.make().connect()
    await until(user.ended)
    assert user.causes == [EndCause.BROKEN]


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
        let_in(connection)
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
        let_in(connection)
        while True:
            read_packet(connection)

    user = User(authority, bad_broker(behave).port)
    session = await user.connected()
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
