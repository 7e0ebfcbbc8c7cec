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
    assert WORDS[FaultCode.REFUSED].todo in told
    assert "comptoir" in told


def test_every_fault_has_words_for_people_and_a_line_in_the_readme() -> None:
    assert set(WORDS) == set(FaultCode)
    readme = Path(__file__).parents[2] / "hub" / "vigibip" / "box" / "README.md"
    listed = re.findall(r"^\| `([a-z-]+)` \|", readme.read_text(encoding="utf-8"), re.MULTILINE)
    assert {code.value for code in FaultCode} <= set(listed)


async def test_the_control_socket_survives_nonsense(box: DrivenBox) -> None:
    path = box.settings.control_path
    for nonsense in (
        b"\n",
        b"{}\n",
        b"[1]\n",
        b'{"ask": []}\n',
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
