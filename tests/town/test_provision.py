"""What the town writes as configuration is read back by the programs as it was meant."""

import tomllib
from pathlib import Path

from vigibip.town.plans import plan_of
from vigibip.town.provision import write_toml


def test_what_is_written_is_valid_toml_with_the_same_values(tmp_path: Path) -> None:
    table = {
        "data_dir": 'C:\\odd "path"/é',
        "enabled": True,
        "radio": {"voice": {"audio_out": "unix:/run/x", "ptt_lead_ms": 0}, "level": -3.5},
        "relay": {},
        "sms": {
            "modems": [
                {"name": "un", "port": "/dev/a"},
                {"name": "deux", "port": "/dev/b", "lines": {"pwrkey": 4}},
            ],
            "tell_unanswered": False,
        },
    }
    path = tmp_path / "post.toml"
    write_toml(path, table)
    assert tomllib.loads(path.read_text(encoding="utf-8")) == table
    assert path.stat().st_mode & 0o077 == 0


def test_every_shop_has_a_name_and_address_of_its_own() -> None:
    plans = [plan_of(number) for number in range(1, 60)]
    assert len({plan.name for plan in plans}) == len(plans)
    assert len({plan.address for plan in plans}) == len(plans)
