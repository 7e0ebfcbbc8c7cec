"""Both brokers of the town keep the same rules; each box stays in its own topics."""

import asyncio
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.paho_peer import PahoPeer, client_context, refused
from vigibip.post.authority import Authority
from vigibip.town.broker import Broker, BrokerKind
from vigibip.town.children import Children
from vigibip.town.errors import TownError

BOX, OTHER = "box-00000001", "box-00000002"
UP, OTHER_UP = f"vigibip/1/{BOX}/up/alert", f"vigibip/1/{OTHER}/up/alert"
DOWN, OTHER_DOWN = f"vigibip/1/{BOX}/down/receipt", f"vigibip/1/{OTHER}/down/receipt"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path / "authority")


@pytest.fixture(
    params=[
        BrokerKind.IOTCORE,
        pytest.param(BrokerKind.MOSQUITTO, marks=pytest.mark.requires_program("mosquitto")),
    ],
    ids=lambda kind: kind.value,
)
async def broker(
    request: pytest.FixtureRequest, tmp_path: Path, authority: Authority
) -> AsyncIterator[Broker]:
    if request.param is BrokerKind.IOTCORE:
        pytest.importorskip("iotcore")
    children = Children(tmp_path, os.environ)
    broker = Broker(children, tmp_path / "broker", authority, request.param)
    await broker.start()
    yield broker
    await children.close()


def peer(broker: Broker, authority: Authority, identity: str) -> PahoPeer:
    return PahoPeer(broker.port, client_context(authority, authority, identity), identity)


async def test_box_and_post_hear_each_other(broker: Broker, authority: Authority) -> None:
    with peer(broker, authority, "post") as post, peer(broker, authority, BOX) as box:
        post.connected().subscribe("vigibip/1/+/up/+")
        box.connected().subscribe(f"vigibip/1/{BOX}/down/+")
        assert box.publish(UP, b"press") == "Success"
        assert post.message() == (UP, b"press")
        assert post.publish(DOWN, b"receipt") == "Success"
        assert box.message() == (DOWN, b"receipt")


async def test_without_a_certificate_nobody_gets_in(broker: Broker, authority: Authority) -> None:
    assert refused(broker.port, client_context(authority, None), BOX)


async def test_another_authority_counts_for_nothing(
    broker: Broker, authority: Authority, tmp_path: Path
) -> None:
    foreign = Authority.create(tmp_path / "foreign")
    assert refused(broker.port, client_context(authority, foreign, "post"), "post")
    assert refused(broker.port, client_context(authority, foreign, BOX), BOX)


async def test_a_server_certificate_does_not_open_the_broker(
    broker: Broker, authority: Authority
) -> None:
    context = client_context(authority, None)
    files = authority.server_files("broker", ["localhost", "127.0.0.1"])
    context.load_cert_chain(files.certificate, files.key)
    assert refused(broker.port, context, "localhost")


@pytest.mark.parametrize("topic", [OTHER_UP, DOWN, OTHER_DOWN, "vigibip/1/up/alert", "other"])
async def test_a_box_writes_in_its_own_topics_alone(
    broker: Broker, authority: Authority, topic: str
) -> None:
    with peer(broker, authority, "post") as post, peer(broker, authority, OTHER) as other:
        post.connected().subscribe("vigibip/1/+/up/+")
        other.connected().subscribe(f"vigibip/1/{OTHER}/down/+")
        with peer(broker, authority, BOX) as box:
            box.connected().publish_unanswered(topic, b"forged")
            # What comes after it on the same way shows that it was not merely late.
            with peer(broker, authority, "box-00000003") as witness:
                witness.connected().publish("vigibip/1/box-00000003/up/alert", b"witness")
                assert post.message() == ("vigibip/1/box-00000003/up/alert", b"witness")
                post.publish(OTHER_DOWN, b"witness")
                assert other.message() == (OTHER_DOWN, b"witness")


@pytest.mark.parametrize("topic_filter", ["#", "vigibip/#", "vigibip/1/+/down/+", OTHER_DOWN, UP])
async def test_a_box_reads_its_own_topics_alone(
    broker: Broker, authority: Authority, topic_filter: str
) -> None:
    with peer(broker, authority, "post") as post, peer(broker, authority, BOX) as box:
        post.connected()
        box.connected().subscribe_unanswered(topic_filter)
        if broker.kind is BrokerKind.IOTCORE:  # the gate puts it out; mosquitto delivers nothing
            box.disconnects.get(timeout=10)
            return
        box.subscribe(f"vigibip/1/{BOX}/down/+")
        post.publish(OTHER_DOWN, b"for another")
        box.publish(UP, b"own up")
        post.publish(DOWN, b"own")
        assert box.message() == (DOWN, b"own")


async def test_a_box_cannot_throw_the_post_off(broker: Broker, authority: Authority) -> None:
    with peer(broker, authority, "post") as post:
        post.connected().subscribe("vigibip/1/+/up/+")
        context = client_context(authority, authority, BOX)
        with PahoPeer(broker.port, context, "post") as thief:
            # mosquitto lets it in under its own name; the gate puts it out.
            await asyncio.to_thread(
                lambda: (
                    thief.connects.get(timeout=10)
                    if broker.kind is BrokerKind.MOSQUITTO
                    else thief.disconnects.get(timeout=10)
                )
            )
        with peer(broker, authority, OTHER) as other:
            other.connected().publish(OTHER_UP, b"still here")
            assert post.message() == (OTHER_UP, b"still here")
        assert post.disconnects.empty()


async def test_a_box_that_comes_back_takes_its_own_place(
    broker: Broker, authority: Authority
) -> None:
    """Its old connection, which the network lost without a word, is still open at the broker."""
    with peer(broker, authority, "post") as post, peer(broker, authority, BOX) as lost:
        post.connected().subscribe("vigibip/1/+/up/+")
        lost.connected().subscribe(f"vigibip/1/{BOX}/down/+")
        for round_no in range(5):
            with peer(broker, authority, BOX) as back:
                back.connected().subscribe(f"vigibip/1/{BOX}/down/+")
                assert back.publish(UP, b"up %d" % round_no) == "Success"
                assert post.message() == (UP, b"up %d" % round_no)
                post.publish(DOWN, b"down %d" % round_no)
                assert back.message() == (DOWN, b"down %d" % round_no)
        lost.disconnects.get(timeout=10)


async def test_an_oversize_message_reaches_nobody(broker: Broker, authority: Authority) -> None:
    with peer(broker, authority, "post") as post, peer(broker, authority, BOX) as box:
        post.connected().subscribe("vigibip/1/+/up/+")
        box.connected().publish_unanswered(UP, b"x" * 20_000)
        with peer(broker, authority, OTHER) as other:
            other.connected().publish(OTHER_UP, b"small")
            assert post.message() == (OTHER_UP, b"small")


async def test_a_revoked_box_is_refused_after_a_restart(
    broker: Broker, authority: Authority
) -> None:
    context = client_context(authority, authority, BOX)
    with PahoPeer(broker.port, context, BOX) as box:
        box.connected()
    authority.revoke(BOX)
    await broker.stop()
    await broker.start()
    assert refused(broker.port, context, BOX)
    with peer(broker, authority, OTHER) as other:
        other.connected()


async def test_killed_and_started_again_it_keeps_its_port(
    broker: Broker, authority: Authority
) -> None:
    port, pid = broker.port, broker.pid
    context = client_context(authority, authority, BOX)
    with PahoPeer(port, context, BOX, comes_back=True) as box:
        box.connected()
        await broker.kill()
        assert not broker.running
        await broker.start()
        assert broker.port == port
        assert broker.pid != pid
        box.connected()  # paho comes back by itself


async def test_a_port_that_is_taken_is_told(
    broker: Broker, authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "second").mkdir()
    children = Children(tmp_path / "second", os.environ)
    second = Broker(children, tmp_path / "second" / "b", authority, broker.kind, port=broker.port)
    try:
        with pytest.raises(TownError):
            await second.start()
    finally:
        await children.close()


_TOWN = """
import asyncio, os, sys
from pathlib import Path
from vigibip.post.authority import Authority
from vigibip.town.broker import Broker, BrokerKind
from vigibip.town.children import Children
async def main():
    base = Path(sys.argv[1])
    broker = Broker(Children(base, os.environ), base / "b", Authority.load(base / "authority"),
                    BrokerKind(sys.argv[2]))
    await broker.start()
    print(broker.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


@pytest.mark.parametrize(
    "kind",
    ["iotcore", pytest.param("mosquitto", marks=pytest.mark.requires_program("mosquitto"))],
)
def test_no_broker_outlives_a_town_that_is_killed(
    authority: Authority, tmp_path: Path, kind: str
) -> None:
    town = subprocess.Popen(
        [sys.executable, "-c", _TOWN, str(tmp_path), kind], stdout=subprocess.PIPE, text=True
    )
    assert town.stdout is not None
    pid = int(town.stdout.readline())
    watch = os.pidfd_open(pid)
    town.send_signal(signal.SIGKILL)
    town.communicate()
    try:
        assert select.select([watch], [], [], 10)[0], "the broker is still there"
    finally:
        os.close(watch)


def test_mosquitto_is_taken_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    from vigibip.town import broker

    monkeypatch.setattr(shutil, "which", lambda name, path: f"/usr/sbin/{name}")
    assert broker.installed_kind() is BrokerKind.MOSQUITTO
    monkeypatch.setattr(shutil, "which", lambda name, path: None)
    assert broker.installed_kind() is BrokerKind.IOTCORE
