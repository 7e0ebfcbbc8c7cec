"""Settings on their way to a bip: kept, offered, asked for, given, and known to be there."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.box.driven import DrivenBox
from tests.box.peers import Bip, Reply
from vigibip.base.errors import UsageError
from vigibip.box.bip_settings import set_bip
from vigibip.box.config import BoxSettings
from vigibip.box.pairing import revoke_paired
from vigibip.cli.main import main
from vigibip.wire import frame, parcel

ID = "1a2b3c4d"
WAIT = frame.SETTINGS_WAIT


async def told(box: DrivenBox, bip: Bip, sealed: bytes) -> Reply:
    await box.hear(bip, sealed)
    return bip.read_reply(box.link.sent[-1][1])


async def asked(box: DrivenBox, bip: Bip, edition: int) -> tuple[int, tuple[int, ...]]:
    """Have the bip ask for settings; return the edition given and the rest."""
    sealed = bip.ask(parcel.WANTS_SETTINGS, edition)
    await box.hear(bip, sealed)
    kind, _, payload = bip.read(box.link.sent[-1][1])
    assert kind == frame.CONFIGURE
    answered, given, *rest = parcel.unpack_configure(payload)
    assert answered == bip.counter
    return given, tuple(rest)


async def change(box: DrivenBox, **changes: int | bool) -> None:
    gestures = {name: bool(changes.pop(name)) for name in ("withdrawal",) if name in changes}
    set_bip(box.settings, ID, changes, gestures)
    await box.daemon._look_for_devices()


async def test_settings_wait_until_the_bip_has_them(box: DrivenBox, bip: Bip) -> None:
    assert (await told(box, bip, bip.status())).waiting == 0
    await change(box, strength_pct=60, status_min=15, withdrawal=True)
    # Whatever the box answers says so: a press's reply too.
    assert (await told(box, bip, bip.press())).waiting == WAIT
    assert (await told(box, bip, bip.poll(1))).waiting == WAIT
    assert await asked(box, bip, 0) == (1, (60, 0, 15, parcel.MAY_WITHDRAW, 0, 0))
    # A frame that was lost: it asks again and has it again.
    assert (await told(box, bip, bip.status())).waiting == WAIT
    assert (await asked(box, bip, 0))[0] == 1
    assert (await told(box, bip, bip.status(settings_edition=1))).waiting == 0
    await box.restart()
    assert (await told(box, bip, bip.poll(1))).waiting == 0
    # What is not named stays as it was.
    await change(box, status_min=30)
    assert await asked(box, bip, 1) == (2, (60, 0, 30, parcel.MAY_WITHDRAW, 0, 0))


async def test_a_bip_that_asks_with_what_it_has_is_told_that_nothing_waits(
    box: DrivenBox, bip: Bip
) -> None:
    await change(box, strength_pct=60)
    reply = await told(box, bip, bip.ask(parcel.WANTS_SETTINGS, 1))
    assert (reply.press, reply.state, reply.waiting) == (0, frame.STATE_NONE, 0)
    # One that went back to what it was made with asks anew.
    assert (await told(box, bip, bip.status(settings_edition=0))).waiting == WAIT


async def test_settings_outlast_a_restart_before_the_bip_speaks(box: DrivenBox, bip: Bip) -> None:
    await change(box, strength_pct=60)
    await box.restart()
    assert (await told(box, bip, bip.status())).waiting == WAIT


def test_editions_are_new_with_each_change_and_never_nought(
    settings: BoxSettings, bip: Bip
) -> None:
    assert set_bip(settings, ID, {"strength_pct": 10}, {}).edition == 1
    assert set_bip(settings, ID, {"strength_pct": 10}, {}).edition == 1
    for number in range(2, 5):
        assert set_bip(settings, ID, {"strength_pct": number}, {}).edition == number
    from vigibip.box.store import SettingsRecord, bips, one_transaction

    with one_transaction(settings.store_path) as connection:
        bips.write_settings(connection, SettingsRecord(bip.device_id, edition=0xFFFF))
    assert set_bip(settings, ID, {"strength_pct": 7}, {}).edition == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"strength_pct": 101},
        {"strength_pct": -1},
        {"status_min": 4},
        {"status_min": 1441},
        {"udp_after_ms": 199},
        {"udp_after_ms": 65_536},
        {"battery_low_mv": 999},
    ],
)
def test_what_a_bip_cannot_be_is_refused(
    settings: BoxSettings, bip: Bip, changes: dict[str, int]
) -> None:
    with pytest.raises(UsageError):
        set_bip(settings, ID, changes, {})


def test_only_paired_bips_are_set(settings: BoxSettings, bip: Bip) -> None:
    with pytest.raises(UsageError):
        set_bip(settings, "0000abcd", {}, {})
    revoke_paired(settings, ID)
    with pytest.raises(UsageError):
        set_bip(settings, ID, {}, {})


async def test_the_command_sets_and_shows(
    box: DrivenBox, bip: Bip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "box.toml"
    config.write_text(
        f'data_dir = "{box.settings.data_dir}"\nreceiver_port = "{box.settings.receiver_port}"\n'
    )

    async def command(*words: str) -> tuple[int, str]:
        code = await asyncio.to_thread(main, ["box", *words, "--config", str(config)])
        return code, capsys.readouterr().out

    assert "d'origine" in (await command("bips"))[1]
    words = "--vibration 80 --status-interval 240 --light off --severity on --withdrawal on"
    words += " --duress on --wifi-after 1500 --battery-low 2400"
    code, said = await command("bip-settings", ID, *words.split())
    assert (code, "n° 1" in said) == (0, True)
    _, said = await command("bips")
    for part in (
        "vibration 80 %",
        "240 min",
        "1500 ms",
        "gravité, retrait, contrainte",
        "attendent",
    ):
        assert part in said
    code, said = await command("bip-settings", ID, "--duress", "off", "--json")
    assert json.loads(said) == {"bip": ID, "edition": 2}
    await box.hear(bip, bip.status(settings_edition=2))
    _, said = await command("bips", "--json")
    assert json.loads(said)["bips"][0]["settings"] == {
        "edition": 2,
        "waiting": False,
        "strength_pct": 80,
        "led": False,
        "status_min": 240,
        "udp_after_ms": 1500,
        "battery_low_mv": 2400,
        "severity": True,
        "withdrawal": True,
        "duress": False,
    }
    assert (await command("bip-settings", ID, "--vibration", "200"))[0] == 2
