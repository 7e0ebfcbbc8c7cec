"""What bips say of themselves: kept, shown, and told as faults from beginning to end."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.box.driven import DrivenBox
from tests.box.peers import Bip
from vigibip.box.config import BoxSettings
from vigibip.box.faults import FaultCode
from vigibip.box.pairing import pair_device, revoke_paired
from vigibip.cli.main import main
from vigibip.wire import frame

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S


@pytest.fixture
def settings(settings: BoxSettings) -> BoxSettings:
    return settings.model_copy(update={"bip_missing_after": 3})


def days(box: DrivenBox) -> list[object]:
    return [
        *box.sql("SELECT statuses, presses, polls, battery_sum_mv, battery_count FROM bip_days")
    ]


@pytest.mark.parametrize(
    ("complaint", "code"),
    [
        (frame.BATTERY_LOW, FaultCode.BIP_BATTERY),
        (frame.BUTTON_STUCK, FaultCode.BIP_BUTTON),
        (frame.LAST_RESORT, FaultCode.BIP_CRASHES),
    ],
)
async def test_what_a_bip_complains_of_is_a_fault_until_it_complains_no_more(
    box: DrivenBox, bip: Bip, complaint: int, code: FaultCode
) -> None:
    await box.hear(bip, bip.status(complaints=complaint))
    assert [str(one) for one in box.daemon.faults.standing()] == [f"{code}:1a2b3c4d"]
    # Over a restart too: its last word stands.
    await box.restart()
    assert box.codes() == {code}
    await box.hear(bip, bip.status())
    assert not box.codes()
    await box.restart()
    assert not box.codes()


async def test_falls_in_a_row_are_a_fault_and_one_is_not(box: DrivenBox, bip: Bip) -> None:
    await box.hear(bip, bip.status(crashes=200))
    await box.hear(bip, bip.status(crashes=201))
    assert not box.codes()
    await box.hear(bip, bip.status(crashes=204))
    assert box.codes() == {FaultCode.BIP_CRASHES}
    await box.hear(bip, bip.status(crashes=204))
    assert not box.codes()
    # Provisioned anew it counts from nothing.
    await box.hear(bip, bip.status(crashes=0))
    assert not box.codes()


async def test_a_bip_is_missing_after_three_of_its_own_intervals_and_back_with_any_word(
    box: DrivenBox, bip: Bip
) -> None:
    await box.hear(bip, bip.status(interval_min=30))
    await box.clock.advance(1.5 * HOUR_S)
    assert not box.codes()
    await box.clock.advance(61)
    assert [str(one) for one in box.daemon.faults.standing()] == ["bip-missing:1a2b3c4d"]
    await box.hear(bip, bip.poll(1))
    assert not box.codes()
    await box.hear(bip, bip.status(interval_min=1440))
    await box.clock.advance(3 * DAY_S)
    assert not box.codes()
    await box.clock.advance(61)
    assert box.codes() == {FaultCode.BIP_MISSING}
    await box.press(bip)
    assert FaultCode.BIP_MISSING not in box.codes()


async def test_a_bip_that_never_spoke_is_missed_from_its_pairing_on(
    settings: BoxSettings, box: DrivenBox, bip: Bip
) -> None:
    await box.clock.advance(2 * HOUR_S)
    await box.hear(bip, bip.status())
    other = Bip(0x0000ABCD, bytes(16))
    pair_device(settings, f"{other.device_id:08x}", "réserve", other.key.hex(), box.clock)
    await box.daemon._look_for_devices()
    await box.clock.advance(2.5 * HOUR_S)
    assert not box.codes()
    await box.hear(bip, bip.status())
    await box.clock.advance(HOUR_S)
    assert [str(one) for one in box.daemon.faults.standing()] == ["bip-missing:0000abcd"]
    revoke_paired(settings, f"{other.device_id:08x}", box.clock)
    await box.daemon._look_for_devices()
    assert not box.codes()


async def test_a_deaf_receiver_makes_nobody_missing(box: DrivenBox, bip: Bip) -> None:
    await box.hear(bip, bip.status())
    box.daemon.faults.begin(FaultCode.RECEIVER, "unplugged")
    await box.clock.advance(DAY_S)
    box.daemon.faults.clear(FaultCode.RECEIVER)
    await box.clock.advance(3 * HOUR_S)
    assert not box.codes()
    await box.clock.advance(121)
    assert box.codes() == {FaultCode.BIP_MISSING}


async def test_statuses_reach_the_disk_in_batches(box: DrivenBox, bip: Bip) -> None:
    for _ in range(3):
        await box.hear(bip, bip.status(battery_mv=3700))
    await box.hear(bip, bip.poll(1), bip.press())
    assert box.sql("SELECT * FROM bip_status") == []
    await box.clock.advance(HOUR_S)
    assert days(box) == [(3, 1, 1, 3 * 3700 + 3900, 4)]
    await box.hear(bip, bip.status(battery_mv=0))
    await box.restart()
    assert days(box) == [(4, 1, 1, 3 * 3700 + 3900, 4)]


async def test_what_the_disk_refused_goes_with_the_next_batch(box: DrivenBox, bip: Bip) -> None:
    box.sql(
        "CREATE TRIGGER no BEFORE INSERT ON bip_days BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    await box.hear(bip, bip.status())
    await box.clock.advance(HOUR_S)
    await box.hear(bip, bip.status())
    assert box.sql("SELECT * FROM bip_status") == days(box) == []
    box.sql("DROP TRIGGER no")
    await box.clock.advance(HOUR_S)
    assert days(box) == [(2, 0, 0, 7600, 2)]


async def test_a_repeated_status_counts_once(box: DrivenBox, bip: Bip) -> None:
    status = bip.status()
    await box.hear(bip, status, status, status)
    await box.clock.advance(HOUR_S)
    assert days(box) == [(1, 0, 0, 3800, 1)]


async def test_all_that_a_status_says_is_shown(
    box: DrivenBox, bip: Bip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "box.toml"
    config.write_text(
        f'data_dir = "{box.settings.data_dir}"\nreceiver_port = "{box.settings.receiver_port}"\n'
    )

    async def bips(*words: str) -> tuple[int, str]:
        code = await asyncio.to_thread(main, ["box", "bips", "--config", str(config), *words])
        return code, capsys.readouterr().out

    assert "n'a encore rien dit" in (await bips())[1]
    status = bip.status(
        interval_min=60,
        settings_edition=3,
        sends_failed=4,
        stores_failed=5,
        crashes=6,
        complaints=frame.BUTTON_STUCK,
        crash_digest=0xBEEF,
        crash_module=int.from_bytes(b"wake", "big"),
        crash_line=120,
    )
    await box.hear(bip, status, rssi_dbm=-71)
    code, told = await bips("--json")
    assert code == 0
    (facts,) = json.loads(told)["bips"]
    assert facts["status"] == {
        "told": facts["heard"],
        "battery_mv": 3800,
        "firmware": "1.0",
        "reset_cause": "deep-sleep",
        "rssi_dbm": -71,
        "rssi_of_replies_dbm": -60,
        "interval_min": 60,
        "uptime_min": 7,
        "unheard": 0,
        "unreached": 0,
        "sends_failed": 4,
        "stores_failed": 5,
        "crashes": 6,
        "last_crash": "wake:120 (beef)",
        "button_stuck": True,
        "battery_low": False,
        "last_resort": False,
        "settings_edition": 3,
    }
    told = (await bips())[1]
    for words in ("BOUTON COINCÉ", "3800 mV", "logiciel 1.0", "-71 dBm", "wake:120"):
        assert words in told
    # What it said is known without the daemon too.
    await box.daemon.stop()
    code, told = await bips("--json")
    assert code == 1
    assert json.loads(told)["bips"] == [facts]
    await box.start()
