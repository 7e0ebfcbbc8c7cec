"""The second path's settings and commands, as a person meets them."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from typer.testing import CliRunner, Result

from vigibip.base.clock import Clock, DrivenClock, SystemClock
from vigibip.base.errors import ConfigurationError, UsageError
from vigibip.cli.post import app
from vigibip.post.config import load_post_settings
from vigibip.post.faults import OTHERS
from vigibip.post.setting_up import check, set_up
from vigibip.post.standing import standing
from vigibip.post.store import Store
from vigibip.post.store.paths import ModemView
from vigibip.post.store.second_path import SecondPathStore

T = TypeVar("T")
KEY = bytes(32)
BOX, OFFICER, MODEM = "+33639981001", "+33639983001", "+33639982001"
TWO_MODEMS = f"""
[[sms.modems]]
name = "modem-1"
number = "{MODEM}"
port = "/dev/serial/by-id/one"
pin = "1234"
pwrkey_gpio = 17

[[sms.modems]]
name = "modem-2"
number = "+33639982002"
port = "/dev/serial/by-id/two"
rate_per_min = 30
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "post.toml"
    path.write_text(f'data_dir = "{tmp_path}/post"\n{TWO_MODEMS}')
    set_up(load_post_settings(path), lambda _: None)
    return path


def run(config: Path, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--config", str(config)])


def enrolled(config: Path, *more: str) -> str:
    done = run(config, "enrol", "--name", "Tabac du Centre", "--json", *more)
    assert done.exit_code == 0, done.output
    return str(json.loads(done.stdout)["box"])


def test_modems_stand_in_the_configuration(config: Path) -> None:
    one, two = load_post_settings(config).sms.modems
    assert (one.name, one.number, one.rate_per_min, one.pwrkey_gpio) == ("modem-1", MODEM, 20, 17)
    assert two.rate_per_min == 30
    assert "1234" not in repr(one)


def test_every_mistake_is_told_at_once_and_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "post.toml"
    wrong = TWO_MODEMS.replace(f'"{MODEM}"', '"0639982001"').replace('"1234"', '"12x4"')
    path.write_text(wrong.replace("rate_per_min = 30", "rate_per_min = 900\nspeed = 1"))
    with pytest.raises(ConfigurationError) as told:
        load_post_settings(path)
    assert {key for key, _ in told.value.mistakes} == {
        "sms.modems.0.number",
        "sms.modems.0.pin",
        "sms.modems.1.rate_per_min",
        "sms.modems.1.speed",
    }
    assert "12x4" not in str(told.value)


def test_two_modems_share_nothing(tmp_path: Path) -> None:
    path = tmp_path / "post.toml"
    same = TWO_MODEMS.replace("modem-2", "modem-1").replace("+33639982002", MODEM)
    path.write_text(same.replace("id/two", "id/one"))
    with pytest.raises(ConfigurationError) as told:
        load_post_settings(path)
    assert all(one in str(told.value) for one in ("name", "port", "number"))


def test_a_boxs_number_is_set_changed_and_removed(config: Path) -> None:
    box = enrolled(config, "--phone", "+33 6 39 98 10 01")
    other = enrolled(config)
    refused = run(config, "phone", other, BOX)
    assert isinstance(refused.exception, UsageError)
    assert box in str(refused.exception)
    assert run(config, "phone", box, "--remove").exit_code == 0
    # With several that have none by now.
    assert run(config, "phone", box, "--remove").exit_code == 0
    assert run(config, "phone", other, BOX).exit_code == 0
    for wrong in ("0639981001", MODEM, ""):
        assert isinstance(run(config, "phone", box, wrong).exception, UsageError)
    assert run(config, "phone", "box-00000000", "+33639981009").exit_code != 0


def test_an_officers_sms_card_is_printed_once(config: Path) -> None:
    done = run(config, "officer", "Alpha 1", "--phone", OFFICER, "--json")
    codes = json.loads(done.stdout)["codes"]
    assert len(set(codes)) == 20
    assert all(len(code) == 8 and code.isdigit() for code in codes)
    again = run(config, "officer", "Alpha 1", "--phone", OFFICER)
    assert "Ces codes ne valent rien à la radio" in again.stdout
    assert not [code for code in codes if code in again.stdout]
    assert run(config, "officer", "Alpha 1", "--remove").exit_code == 0
    assert isinstance(run(config, "officer", "Alpha 1", "--remove").exception, UsageError)


def test_the_status_says_what_stands_and_that_nothing_runs(config: Path) -> None:
    # Nothing runs here: what the daemon last wrote is shown, and the code says that it is not well.
    box = enrolled(config)
    done = run(config, "status")
    assert done.exit_code == 1
    assert "le poste ne tourne pas" in done.stdout
    told = json.loads(run(config, "status", "--json").stdout)
    assert told["running"] is False
    assert told["capacity"] == {"rate_per_min": 0, "waiting": 0, "minutes_to_empty": 0.0}
    assert (told["modems"], told["faults"]) == ([], [])
    assert box not in done.stdout  # it has no keys yet: nobody waits for it


def in_store(
    config: Path, work: Callable[[Store], Coroutine[Any, Any, T]], clock: Clock | None = None
) -> T:
    store = Store(load_post_settings(config).store_path, clock=clock)
    store.start()
    try:
        return asyncio.run(work(store))
    finally:
        store.close()


def test_the_status_is_french_and_names_what_is_wrong(config: Path) -> None:
    async def fill(store: Store) -> None:
        await store.raise_fault("modem-absent", "modem-1", "absent ; vérifier le câble")
        await store.raise_fault("data-lost", OTHERS, "+12")
        modem = ModemView(
            name="modem-1",
            state="absent",
            detail="",
            advice="vérifier le câble",
            operator="",
            technology="",
            signal_dbm=None,
            rate_per_min=20,
            waiting=0,
            minutes_to_empty=0.0,
            seen_at=datetime.now(UTC),
        )
        await SecondPathStore(store, SystemClock()).record_modems([modem])

    in_store(config, fill)
    told = run(config, "status").stdout
    assert "Un modem du poste est absent (modem-1), depuis" in told
    assert "modem-1 : absent\n    vérifier le câble" in told
    assert "SMS : 0 par minute, 0 en attente" in told


def test_boxes_too_many_to_be_named_stand_by_their_times(config: Path) -> None:
    settings, clock = load_post_settings(config), DrivenClock()
    lost = ["data-lost", "box-lost", "sms-unproven"]

    async def look(store: Store) -> list[dict[str, tuple[str, str]]]:
        second, looks = SecondPathStore(store, clock), []
        for name in ("lost", "by SMS", "new"):
            shop = await store.create_shop(
                name=name, spoken="-", address="", phone=f"+3363998100{len(name)}"
            )
            await store.set_box_keys(shop.box_id, up_key=KEY, down_key=KEY, serial="1")
            await second.take_sms(shop.box_id, 1)
            await second.record_heard({shop.box_id: clock.utc()})
            if name == "lost":
                await clock.advance(86_400 * 3)
            elif name == "by SMS":
                await clock.advance(3600)
                await second.take_sms(shop.box_id, 2)
        for kinds in ([], lost):
            for kind in kinds:
                await store.raise_fault(kind, OTHERS, "+9800")
            told = await standing(settings, store, clock)
            looks.append({box.shop: (box.data, box.sms) for box in told.boxes})
        return looks

    one_by_one, too_many = in_store(config, look, clock)
    assert set(one_by_one.values()) == {("heard", "proven")}
    assert too_many == {
        "lost": ("lost", "unproven"),
        "by SMS": ("silent", "proven"),
        "new": ("heard", "proven"),
    }


def test_the_check_finds_a_modem_that_is_not_there(config: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    text = config.read_text().replace("/dev/serial/by-id/one", f"{tmp_path}/file")
    ours, theirs = os.openpty()
    try:
        there = os.ttyname(theirs)
        config.write_text(text.replace("/dev/serial/by-id/two", there))
        with pytest.raises(ConfigurationError) as told:
            check(load_post_settings(config), "post.toml")
        assert [key for key, _ in told.value.mistakes] == ["sms.modems.0.port"]
    finally:
        os.close(ours)
        os.close(theirs)
