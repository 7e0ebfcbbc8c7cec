"""Something moved: a bip's daily strength against its first day, before coverage fails."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import pytest

from tests.box.driven import DrivenBox
from tests.box.peers import Bip
from vigibip.base.clock import DrivenClock
from vigibip.box.config import BoxSettings
from vigibip.box.devices import Devices
from vigibip.box.faults import Faults
from vigibip.box.reach import Reach
from vigibip.box.store.reach import ReachRecord
from vigibip.box.trust import ClockTrust
from vigibip.cli.main import main
from vigibip.wire import frame

A_DAY_S = 86_400.0


class Shop:
    """A house of bips that tell their status hourly."""

    def __init__(self, bips: int = 1, interval_s: float = 3600.0) -> None:
        self.clock = DrivenClock()
        self.faults = Faults(self.clock)
        trust = ClockTrust(self.clock, has_rtc=True)
        self.reach = Reach(devices=Devices(), faults=self.faults, clock=self.clock, trust=trust)
        self.bips = range(1, bips + 1)
        self._interval_s = interval_s
        self._chance = random.Random(2)

    async def days(self, days: float, *dbm: int, spread_db: int = 5) -> None:
        """Let days pass; each bip is heard as strongly as told, the last for all others too."""
        end_s = self.clock.monotonic_s() + days * A_DAY_S
        while self.clock.monotonic_s() < end_s:
            for place, device_id in enumerate(self.bips):
                base_dbm = dbm[min(place, len(dbm) - 1)]
                heard_dbm = base_dbm + self._chance.randint(-spread_db, spread_db)
                self.reach.heard(device_id, frame_of(device_id, self._chance), heard_dbm)
            await self.clock.advance(self._interval_s)

    def told(self) -> list[str]:
        return [str(fault) for fault in self.faults.standing()]


def frame_of(device_id: int, chance: random.Random) -> bytes:
    return b"\x01\x02" + device_id.to_bytes(4, "big") + chance.randbytes(44)


async def test_a_bip_that_is_heard_weaker_is_told_until_it_is_back() -> None:
    shop = Shop()
    await shop.days(10, -60)
    assert shop.told() == []
    await shop.days(3.1, -76)
    assert shop.told() == ["moved:00000001"]
    detail = shop.faults.standing()[0].detail
    assert "below its first day" in detail
    # Between the two limits it stays as it was.
    await shop.days(3, -69, spread_db=0)
    assert shop.told() == ["moved:00000001"]
    await shop.days(3.1, -61)
    assert shop.told() == []


async def test_a_hand_a_pocket_and_one_bad_afternoon_are_not_told() -> None:
    shop = Shop()
    for _ in range(20):
        await shop.days(0.7, -60)
        await shop.days(0.3, -80)
    await shop.days(1, -85)
    await shop.days(3, -60)
    assert shop.told() == []


async def test_when_half_of_them_fall_at_once_it_is_the_receiver() -> None:
    shop = Shop(4)
    await shop.days(3, -50, -55, -60, -65)
    await shop.days(3.1, -70, -55, -60, -65)
    assert shop.told() == ["moved:00000001"]
    await shop.days(3.1, -70, -75, -60, -65)
    assert shop.told() == ["moved"]
    assert shop.faults.standing()[0].detail.startswith("2 of 4 bips")


async def test_where_everything_is_now_can_be_told_to_be_right() -> None:
    shop = Shop(3)
    await shop.days(2, -50)
    await shop.days(3.1, -70)
    assert shop.told() == ["moved"]
    assert shop.reach.commission() == 3
    assert shop.told() == []
    await shop.days(5, -70)
    assert shop.told() == []
    await shop.days(3.1, -85)
    assert shop.told() == ["moved"]


async def test_a_bip_that_speaks_once_a_day_has_a_value_every_three_days() -> None:
    shop = Shop(interval_s=A_DAY_S + 60)
    await shop.days(7, -60, spread_db=0)
    await shop.days(3, -75, spread_db=0)
    assert shop.told() == []
    await shop.days(4, -75, spread_db=0)
    assert shop.told() == ["moved:00000001"]


async def test_a_press_with_its_polls_is_one_sample_and_the_stronger_receiver_counts() -> None:
    shop = Shop()
    chance = random.Random(3)
    shop.reach.heard(1, frame_of(1, chance), -20)
    await shop.clock.advance(A_DAY_S)
    sent = frame_of(1, chance)
    shop.reach.heard(1, sent, -80)
    shop.reach.copy(-50, sent)
    shop.reach.copy(-90, sent)
    shop.reach.copy(-20, frame_of(1, chance))
    shop.reach.copy(-20, b"\x01short")
    for _ in range(100):
        shop.reach.heard(1, frame_of(1, chance), -20)
    (record,) = shop.reach.take_unwritten()
    assert record.samples_dbm == (-50,)
    assert shop.reach.take_unwritten() == []
    shop.reach.not_written([record])
    assert shop.reach.take_unwritten() == [record]


@pytest.mark.parametrize("value", [-128, -127, 0, 20])
async def test_what_cannot_be_measured_is_no_sample(value: int) -> None:
    shop = Shop()
    shop.reach.heard(1, frame_of(1, random.Random(1)), value)
    assert bool(shop.reach.take_unwritten()) is (value != frame.RSSI_UNKNOWN)


async def test_it_goes_on_over_restarts_and_forgets_a_bip_that_is_revoked(
    box: DrivenBox, bip: Bip, settings: BoxSettings
) -> None:
    for day in range(6):
        for _ in range(6):
            rssi_dbm = -50 if day < 3 else -75
            await box.hear(bip, bip.status(), rssi_dbm=rssi_dbm)
            await box.clock.advance(4 * 3600)
        await box.restart()
    assert f"moved:{bip.device_id:08x}" in {str(one) for one in box.daemon.faults.standing()}
    ((device, first_dbm, day_dbm),) = box.sql("SELECT device, first_dbm, day_dbm FROM bip_reach")
    assert (device, first_dbm, day_dbm) == (bip.device_id, -50, -75)


async def test_the_command_begins_anew_beside_a_running_box(
    box: DrivenBox, bip: Bip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "box.toml"
    config.write_text(
        f'data_dir = "{box.settings.data_dir}"\nreceiver_port = "{box.settings.receiver_port}"\n'
    )
    await box.hear(bip, bip.status())
    command = ["box", "commission-reach", "--config", str(config)]
    assert await asyncio.to_thread(main, [*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"bips": 1, "kept": True}
    assert box.sql("SELECT device, first_dbm FROM bip_reach") == [(bip.device_id, None)]
    await box.daemon.stop()
    assert await asyncio.to_thread(main, command) != 0, "no box runs"
    await box.start()


def test_a_day_s_record_is_what_is_written() -> None:
    record = ReachRecord(1, 20_000, (-128, 0, 127), None, None)
    assert record.samples_dbm == (-128, 0, 127)
