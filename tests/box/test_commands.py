"""`vigibip box …`: what people and programs are told."""

from __future__ import annotations

import asyncio
import io
import json
import re
from pathlib import Path

import pytest

from tests.box.driven import DrivenBox
from tests.box.peers import Bip
from vigibip.box.config import BoxSettings
from vigibip.box.fault_words import WORDS
from vigibip.box.faults import FaultCode
from vigibip.cli.main import main

KEY = "000102030405060708090a0b0c0d0e0f"


@pytest.fixture
def config(settings: BoxSettings, tmp_path: Path) -> str:
    path = tmp_path / "box.toml"
    path.write_text(
        f'data_dir = "{settings.data_dir}"\nreceiver_port = "{settings.receiver_port}"\n'
    )
    return str(path)


def pair(
    monkeypatch: pytest.MonkeyPatch, config: str, key: str = KEY, device: str = "1a2b3c4d"
) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(key + "\n"))
    return main(["box", "pair", "--device", device, "--name", "comptoir", "--config", config])


def test_pairing_and_revoking(
    monkeypatch: pytest.MonkeyPatch, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pair(monkeypatch, config) == 0
    assert main(["box", "status", "--json", "--config", config]) == 1
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["running"] is False
    assert [(one["id"], one["name"]) for one in told["devices"]] == [("1a2b3c4d", "comptoir")]
    assert main(["box", "revoke", "--device", "1a2b3c4d", "--config", config]) == 0
    assert main(["box", "revoke", "--device", "1a2b3c4d", "--config", config]) == 2
    assert pair(monkeypatch, config) == 2
    capsys.readouterr()
    main(["box", "status", "--json", "--config", config])
    assert json.loads(capsys.readouterr().out)["devices"] == []


@pytest.mark.parametrize("key", ["", "00" * 15, "00" * 17, "zz" * 16, KEY[:-1] + "é"])
def test_a_wrong_key_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, config: str, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    assert pair(monkeypatch, config, key) == 2
    told = capsys.readouterr()
    assert not key or key not in told.err + told.out


@pytest.mark.parametrize("device", ["", "1a2b3c4", "1a2b3c4d5", "00000000", "xxxxxxxx", "-0000001"])
def test_a_wrong_device_id_is_refused(
    monkeypatch: pytest.MonkeyPatch, config: str, device: str
) -> None:
    assert pair(monkeypatch, config, device=device) == 2


async def test_status_asks_the_running_box(
    box: DrivenBox, bip: Bip, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def status(*words: str) -> tuple[int, str]:
        code = await asyncio.to_thread(main, ["box", "status", "--config", config, *words])
        return code, capsys.readouterr().out

    code, told = await status("--json")
    assert code == 0
    facts = json.loads(told)
    assert (facts["running"], facts["queued"], facts["faults"]) == (True, 0, [])
    await box.press(bip)
    box.carrier.receipt(bip.alert_id(1), "refused", "unknown device")
    code, told = await status()
    assert code == 1
    assert "boîtier en marche" in told
    assert WORDS[FaultCode.REFUSED].what in told
    assert f"vigibip box resend {bip.alert_id(1)}" in told
    assert "comptoir" in told


def test_every_fault_has_words_for_people_and_a_line_in_the_readme() -> None:
    assert set(WORDS) == set(FaultCode)
    readme = Path(__file__).parents[2] / "hub" / "vigibip" / "box" / "README.md"
    listed = re.findall(r"^\| `([a-z-]+)` \|", readme.read_text(encoding="utf-8"), re.MULTILINE)
    assert {code.value for code in FaultCode} <= set(listed)


async def test_a_parked_alert_is_sent_again_once_the_post_was_mended(
    box: DrivenBox, bip: Bip, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def command(*words: str) -> int:
        return await asyncio.to_thread(main, ["box", *words, "--config", config])

    alert, taken = await box.press(bip), await box.press(bip)
    box.carrier.receipt(alert, "refused", "unknown device")
    box.carrier.receipt(taken)
    box.carrier.take()
    await box.settle()
    assert await command("resend", alert.upper()) == 0
    assert "renvoyée" in capsys.readouterr().out
    assert box.carrier.take() == [alert]
    # Until the post takes it, it is still a fault; and it waits like any other, over a restart.
    assert await command("status") == 1
    await box.restart()
    assert FaultCode.REFUSED in box.codes()
    assert box.carrier.take() == [alert]
    box.carrier.receipt(alert, "refused", "still unknown")
    await box.clock.advance(600)
    assert box.carrier.take() == []
    box.carrier.lose()
    assert await command("resend", alert) == 0
    assert "attente" in capsys.readouterr().out
    box.carrier.connect()
    assert box.carrier.take() == [alert]
    box.carrier.receipt(alert)
    await box.settle()
    assert await command("status") == 0
    assert box.sql("SELECT state FROM alerts WHERE press = 1") == [("delivered",)]


async def test_what_cannot_be_sent_again_is_told_in_clear(
    box: DrivenBox, bip: Bip, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = await box.press(bip)
    box.carrier.receipt(taken)
    for alert, told in (
        (taken, "delivered"),
        ("1a2b3c4d000000ff", "ne la connaît pas"),
        ("1a2b3c4d", "16 chiffres"),
        ("refused:" + taken, "16 chiffres"),
    ):
        words = ["box", "resend", alert, "--config", config]
        assert await asyncio.to_thread(main, words) == 2
        assert told in capsys.readouterr().err


def test_a_box_that_does_not_run_sends_nothing_again(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["box", "resend", "1a2b3c4d00000001", "--config", config]) == 1
    assert "ne répond pas" in capsys.readouterr().err


async def test_the_control_socket_survives_nonsense(box: DrivenBox) -> None:
    path = box.settings.control_path
    for nonsense in (
        b"\n",
        b"{}\n",
        b"[1]\n",
        b'{"ask": []}\n',
        b'{"ask": "resend"}\n',
        b'{"ask": "resend", "alert": [1]}\n',
        b'{"ask": "resend", "alert": "x"}\n',
        b"x" * 5000 + b"\n",
        b'{"ask": "x"}',
    ):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(nonsense)
        writer.write_eof()
        await reader.read()
        writer.close()
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b'{"ask": "status"}\n')
    assert json.loads(await reader.readline())["running"] is True
    writer.close()
    assert path.stat().st_mode & 0o777 == 0o600
