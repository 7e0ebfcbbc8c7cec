"""A session with mosquitto."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from tests.mqtt.session_user import DOWN, UP, User, until
from tests.support.paho_peer import PahoPeer, client_context
from vigibip.mqtt.session import EndCause
from vigibip.post.authority import Authority
from vigibip.town.broker import Broker

pytestmark = pytest.mark.requires_program("mosquitto")


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


async def test_hundreds_at_once_arrive_in_order_and_a_thousand_is_the_bound(
    mosquitto: Broker, authority: Authority
) -> None:
    user = User(authority, mosquitto.port)
    session = await user.connected()
    box = "box-00000001"
    with PahoPeer(mosquitto.port, client_context(authority, authority, box), box) as peer:
        peer.connected().subscribe(f"vigibip/1/{box}/down/+")
        taken = [number for number in range(1200) if session.publish(DOWN, b"%d" % number)]
        assert taken == list(range(1000))
        for number in taken:
            assert (await asyncio.to_thread(peer.message)) == (DOWN, b"%d" % number)
        await until(lambda: session.unacknowledged == 0)
    session.close()


async def test_goodbye_is_said_so_that_the_broker_does_not_wait_for_the_next_ping(
    mosquitto: Broker, authority: Authority, tmp_path: Path
) -> None:
    user = User(authority, mosquitto.port)
    session = await user.connected()
    session.close()
    session.close()
    again = await user.connected()
    again.close()
    log = (tmp_path / "logs" / "broker.log").read_text(encoding="utf-8")
    # Neither found dead, nor put out by the next one of its name.
    assert "Client post disconnected." in log
    assert "already connected" not in log
    assert not user.ended()


async def test_a_broker_that_is_killed_ends_the_session_once(
    mosquitto: Broker, authority: Authority
) -> None:
    user = User(authority, mosquitto.port)
    session = await user.connected()
    await mosquitto.kill()
    await until(user.ended)
    assert not session.publish(DOWN, b"x")
    user.pass_time(100)
    session.close()
    assert user.causes == [EndCause.BROKEN]


async def test_the_brokers_certificate_must_be_our_authoritys(
    mosquitto: Broker, tmp_path: Path
) -> None:
    stranger = Authority.create(tmp_path / "stranger")
    user = User(stranger, mosquitto.port)
    user.make().connect()
    await until(user.ended)
    assert user.causes == [EndCause.BROKEN]
    assert "CERTIFICATE_VERIFY_FAILED" in user.reasons[0]
