"""A bip that was revoked: nothing of it is believed or answered, and that it sends is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.box.driven import DrivenBox
from tests.box.peers import Bip
from vigibip.box.faults import FaultCode
from vigibip.box.pairing import revoke_paired
from vigibip.cli.main import main
from vigibip.wire import frame, parcel


async def revoke(box: DrivenBox, bip: Bip) -> None:
    revoke_paired(box.settings, f"{bip.device_id:08x}", box.clock)
    await box.daemon._look_for_devices()
    box.link.sent.clear()
    box.carrier.take()


async def test_a_press_of_it_is_a_fault_and_no_alert(box: DrivenBox, bip: Bip) -> None:
    await box.press(bip)
    await revoke(box, bip)
    assert not box.codes()
    everything = [
        bip.press(gesture=frame.DURESS),
        bip.press(press=1, age_s=9),
        bip.poll(1),
        bip.status(),
        bip.ask(parcel.WANTS_SETTINGS, 0),
    ]
    for sealed in everything:
        await box.hear(bip, sealed)
    assert (box.carrier.take(), box.carrier.gestures, box.link.sent) == ([], [], [])
    assert [str(one) for one in box.daemon.faults.standing()] == ["bip-revoked:1a2b3c4d"]
    await box.clock.advance(2)
    assert box.carrier.statuses[-1].faults == ["bip-revoked:1a2b3c4d"]
    # Over a restart too: its key is kept to know it by.
    await box.restart()
    assert not box.codes()
    await box.hear(bip, bip.press())
    assert box.codes() == {FaultCode.BIP_REVOKED}
    assert box.carrier.take() == [bip.alert_id(1)]  # it was pressed before


async def test_only_its_own_seal_and_a_new_frame_tell_of_it(box: DrivenBox, bip: Bip) -> None:
    heard = bip.press()
    await box.hear(bip, heard)
    await revoke(box, bip)
    await box.hear(bip, heard)
    await box.hear(bip, Bip(bip.device_id, bytes(16)).press(counter=99))
    assert not box.codes()
    assert box.daemon.description()["frames"]["revoked"] == 1


async def test_it_is_revoked_at_once_by_the_command(
    box: DrivenBox, bip: Bip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "box.toml"
    config.write_text(
        f'data_dir = "{box.settings.data_dir}"\nreceiver_port = "{box.settings.receiver_port}"\n'
    )
    words = ["box", "revoke", "--device", "1a2b3c4d", "--config", str(config)]
    assert await asyncio.to_thread(main, words) == 0
    # No time has passed: the running box was told.
    await box.hear(bip, bip.press())
    assert box.carrier.take() == []
    assert box.codes() == {FaultCode.BIP_REVOKED}
