"""mosquitto itself, with the configuration that `vigibip post broker-config` writes."""

import asyncio
import getpass
import os
import pwd
import signal
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.paho_peer import PahoPeer, client_context, refused
from vigibip.base.errors import StorageError
from vigibip.post.authority import Authority
from vigibip.post.broker_config import BrokerConfig, access_rules, write_broker_config
from vigibip.town.broker import Broker, BrokerKind
from vigibip.town.children import Children

pytestmark = pytest.mark.requires_program("mosquitto")

BOX, OTHER = "box-00000001", "box-00000002"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path / "authority")


@pytest.fixture
async def broker(tmp_path: Path, authority: Authority) -> AsyncIterator[Broker]:
    children = Children(tmp_path, os.environ)
    broker = Broker(children, tmp_path / "broker", authority, BrokerKind.MOSQUITTO)
    await broker.start()
    yield broker
    await children.close()


def peer(broker: Broker, authority: Authority, identity: str, client_id: str = "") -> PahoPeer:
    context = client_context(authority, authority, identity)
    return PahoPeer(broker.port, context, client_id or identity)


def renew(tmp_path: Path, authority: Authority, broker: Broker) -> None:
    config = BrokerConfig(
        hosts=["localhost", "127.0.0.1"],
        port=broker.port,
        bind_address="127.0.0.1",
        user=getpass.getuser(),
    )
    write_broker_config(tmp_path / "broker", authority, config)


async def test_mosquitto_finds_nothing_to_say_about_its_configuration(
    broker: Broker, tmp_path: Path
) -> None:
    log = (tmp_path / "broker.log").read_text()
    told = [line for line in log.splitlines() if "Error:" in line or "Warning:" in line]
    # In a container the tests are root; the service is not (below).
    assert [line for line in told if "should not be run as root" not in line] == []


async def test_a_refused_publish_is_told_to_the_client(
    broker: Broker, authority: Authority
) -> None:
    with peer(broker, authority, BOX) as box:
        assert box.connected().publish(f"vigibip/1/{OTHER}/up/alert") == "Not authorized"
        assert box.publish("$SYS/x") != "Success"


async def test_the_identity_is_the_certificates_whatever_the_client_says(
    broker: Broker, authority: Authority
) -> None:
    """A box that connects under the post's client id has a box's rights, and the post stays."""
    with peer(broker, authority, "post") as post:
        post.connected().subscribe("vigibip/1/+/up/+")
        with peer(broker, authority, BOX, client_id="post") as box:
            assert box.connected().publish(f"vigibip/1/{BOX}/down/receipt") == "Not authorized"
            assert box.publish(f"vigibip/1/{BOX}/up/alert", b"own") != "Not authorized"
        assert post.message() == (f"vigibip/1/{BOX}/up/alert", b"own")
        assert post.disconnects.empty()


async def test_a_revoked_box_that_is_connected_is_silenced_by_a_reload(
    broker: Broker, authority: Authority, tmp_path: Path
) -> None:
    with peer(broker, authority, "post") as post, peer(broker, authority, BOX) as box:
        post.connected().subscribe("vigibip/1/+/up/+")
        box.connected().subscribe(f"vigibip/1/{BOX}/down/+")
        assert box.publish(f"vigibip/1/{BOX}/up/alert") == "Success"
        post.message()
        authority.revoke(BOX)
        renew(tmp_path, authority, broker)
        os.kill(broker.pid, signal.SIGHUP)
        with peer(broker, authority, OTHER) as other:  # connected after the reload was done
            other.connected()
            assert box.publish(f"vigibip/1/{BOX}/up/alert", b"thief") == "Not authorized"
            assert other.publish(f"vigibip/1/{OTHER}/up/alert", b"other") == "Success"
        assert post.message() == (f"vigibip/1/{OTHER}/up/alert", b"other")
    # Its certificate is refused after a restart only, but connecting again gives it no voice.
    with peer(broker, authority, BOX) as again:
        assert again.connected().publish(f"vigibip/1/{BOX}/up/alert") == "Not authorized"


async def test_a_revoked_box_does_not_come_back(
    broker: Broker, authority: Authority, tmp_path: Path
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


async def test_nothing_is_kept_on_disk(
    broker: Broker, authority: Authority, tmp_path: Path
) -> None:
    with peer(broker, authority, BOX) as box:
        box.connected().publish(f"vigibip/1/{BOX}/up/alert")
    await broker.stop()
    assert not [path for path in tmp_path.rglob("*.db") if "mosquitto" in path.name]


def test_what_is_written_is_the_brokers_alone(authority: Authority, tmp_path: Path) -> None:
    path = write_broker_config(
        tmp_path / "mosquitto",
        authority,
        BrokerConfig(hosts=["broker.example"], user=getpass.getuser()),
    )
    names = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
    assert names == dict.fromkeys(
        ("acl", "authority.pem", "crl.pem", "mosquitto.conf", "server.key", "server.pem"), 0o600
    )
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    text = path.read_text()
    for setting in (
        "require_certificate true",
        "use_identity_as_username true",
        "allow_anonymous false",
        "set_tcp_nodelay true",
        "persistence false",
    ):
        assert f"\n{setting}\n" in text


def test_written_again_the_certificate_stays(authority: Authority, tmp_path: Path) -> None:
    config = BrokerConfig(hosts=["broker.example"], user=getpass.getuser())
    first = write_broker_config(tmp_path / "m", authority, config).with_name("server.pem")
    before = first.read_bytes()
    write_broker_config(tmp_path / "m", authority, config)
    assert first.read_bytes() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands files over")
def test_a_user_that_does_not_exist_is_told(authority: Authority, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nobody-here"):
        write_broker_config(
            tmp_path / "m", authority, BrokerConfig(hosts=["localhost"], user="nobody-here")
        )


def test_revoked_boxes_are_denied_by_name() -> None:
    assert "deny" not in access_rules()
    assert access_rules([BOX]).endswith(f"user {BOX}\ntopic deny #\n")


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user may pass through, which pytest's own is not."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o711)
        yield Path(directory)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become mosquitto")
async def test_it_runs_as_its_own_user(
    authority: Authority, tmp_path: Path, open_directory: Path, unused_tcp_port: int
) -> None:
    """As a service: started by root, every file read after root was given up."""
    config = BrokerConfig(hosts=["localhost", "127.0.0.1"], port=unused_tcp_port, user="mosquitto")
    path = write_broker_config(open_directory / "mosquitto", authority, config)
    children = Children(tmp_path, os.environ)
    child = await children.start("service", ["mosquitto", "-c", str(path)])
    try:
        while not await _accepts(unused_tcp_port):
            assert child.running, child.log_tail()
            await asyncio.sleep(0.02)
        with PahoPeer(unused_tcp_port, client_context(authority, authority, BOX), BOX) as box:
            box.connected()
        status = Path(f"/proc/{child.pid}/status").read_text()
        assert f"\nUid:\t{pwd.getpwnam('mosquitto').pw_uid}\t" in status
    finally:
        await children.close()


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
