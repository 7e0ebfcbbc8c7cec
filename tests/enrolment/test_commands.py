"""The commands of both sides, as an installer types them."""

import asyncio
import json
import re
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from vigibip.alert.enrolment_token import EnrolmentToken
from vigibip.base.clock import SystemClock
from vigibip.base.errors import ConfigurationError, RefusedError, UsageError
from vigibip.box.enrolment import load_enrolment
from vigibip.cli import box, post_enrolment
from vigibip.post.authority import Authority
from vigibip.post.config import load_post_settings
from vigibip.post.enrolment import BrokerAddress, Enrolments
from vigibip.post.enrolment_server import EnrolmentServer
from vigibip.post.store.store import Store

SHOP = ("--name", "Tabac du Centre", "--address", "12 rue des Lilas")


@pytest.fixture
def config(tmp_path: Path, unused_tcp_port: int) -> Path:
    path = tmp_path / "post.toml"
    path.write_text(
        f'data_dir = "{tmp_path / "post"}"\n'
        '[broker]\nhost = "127.0.0.1"\nport = 8883\n'
        f'[enrolment]\nhost = "127.0.0.1"\nport = {unused_tcp_port}\n'
    )
    (tmp_path / "post").mkdir()
    Authority.create(tmp_path / "post" / "authority")
    return path


@pytest.fixture
def box_config(tmp_path: Path) -> Path:
    path = tmp_path / "box.toml"
    (tmp_path / "box").mkdir()
    path.write_text(f'data_dir = "{tmp_path / "box"}"\nreceiver_port = "/dev/null"\n')
    return path


def run_post(*words: str, config: Path) -> Result:
    return CliRunner().invoke(
        post_enrolment.app, [*words, "--config", str(config)], catch_exceptions=False
    )


def run_box(*words: str, config: Path, stdin: str = "") -> Result:
    arguments = [*words, "--config", str(config)]
    return CliRunner().invoke(box.app, arguments, input=stdin, catch_exceptions=False)


async def test_one_command_on_each_side(config: Path, box_config: Path, tmp_path: Path) -> None:
    settings = load_post_settings(config)
    made = await asyncio.to_thread(run_post, "enrol", *SHOP, "--json", config=config)
    told = json.loads(made.stdout)
    store = Store(settings.store_path)
    store.start()
    clock, authority = SystemClock(), Authority.load(settings.authority_dir)
    broker = BrokerAddress(settings.broker.host, settings.broker.port)
    server = EnrolmentServer(
        Enrolments(authority, store, clock, broker),
        authority,
        clock,
        host=settings.enrolment.host,
        port=settings.enrolment.port,
        public_hosts=[settings.enrolment_public_host],
    )
    await server.start()
    try:
        done = await asyncio.to_thread(
            run_box, "enrol", "-", "--json", config=box_config, stdin=told["token"].lower() + "\n"
        )
    finally:
        await server.stop()
    [shop] = await store.shops()
    store.close()
    assert json.loads(done.stdout) == {"box": told["box"]}
    assert shop.box_id == told["box"]
    assert shop.enrolled_at is not None
    assert load_enrolment(tmp_path / "box" / "enrolment.json").box_id == told["box"]


def test_the_token_is_told_as_a_command_and_alone_on_stdout(config: Path) -> None:
    made = run_post("enrol", *SHOP, config=config)
    first, second, third, text = made.stdout.split()
    assert [first, second, third] == ["vigibip", "box", "enrol"]
    assert re.search(r"avant le \d\d/\d\d à \d\d:\d\d :$", made.stderr.strip()), (
        "an hour as people say it"
    )
    token = EnrolmentToken.parse(text)
    settings = load_post_settings(config)
    assert (token.host, token.port) == ("127.0.0.1", settings.enrolment.port)


def test_a_token_that_expired_is_made_again_for_the_same_box(config: Path) -> None:
    first = json.loads(run_post("enrol", *SHOP, "--json", config=config).stdout)
    again = run_post("enrol", "--box", first["box"], "--json", config=config)
    second = json.loads(again.stdout)
    assert second["box"] == first["box"]
    assert second["token"] != first["token"]
    with pytest.raises(UsageError):
        run_post("enrol", "--box", "box-00000000", config=config)


@pytest.mark.parametrize("words", [(), ("--box", "box-00000000", *SHOP)])
def test_a_name_or_a_box(config: Path, words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        run_post("enrol", *words, config=config)


def test_without_an_authority_no_shop_is_made(config: Path, tmp_path: Path) -> None:
    (tmp_path / "post" / "authority" / "authority.key").unlink()
    with pytest.raises(ConfigurationError):
        run_post("enrol", *SHOP, config=config)
    assert not (tmp_path / "post" / "post.sqlite").exists()


def test_a_revoked_box_is_out_at_the_store_the_list_and_the_broker(
    config: Path, tmp_path: Path
) -> None:
    made = json.loads(run_post("enrol", *SHOP, "--json", config=config).stdout)
    settings = load_post_settings(config)
    authority = Authority.load(settings.authority_dir)
    authority.client_files(made["box"])
    run_post("revoke", made["box"], config=config)
    assert authority.revoked_identities() == {made["box"]}
    target = tmp_path / "mosquitto"
    told = run_post(
        "broker-config", "--directory", str(target), "--user", "root", config=config
    ).stdout.strip()
    assert told == str(target / "mosquitto.conf")
    assert f"user {made['box']}\ntopic deny #" in (target / "acl").read_text()
    assert stat.S_IMODE((target / "server.key").stat().st_mode) == 0o600
    assert not list(target.glob("authority.key"))
    with pytest.raises(RefusedError):
        run_post("revoke", "box-00000000", config=config)


def test_a_miscopied_token_is_told_before_anything_is_tried(box_config: Path) -> None:
    text = EnrolmentToken.new("127.0.0.1", 8443, "ab" * 32).text()
    wrong = ("A" if text[0] != "A" else "B") + text[1:]
    with pytest.raises(UsageError, match="mal recopié"):
        run_box("enrol", wrong, config=box_config)
