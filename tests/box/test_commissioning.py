"""`vigibip box commission` and what `vigibip box status` tells of the path."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.box.peers import Bip, until
from tests.box.sms_town import POST_NUMBERS, SmsBox
from vigibip.alert.sms_form import SmsKind
from vigibip.base.errors import PeerError, UsageError
from vigibip.box.commissioning import SHARED_WORDS, WHY_WORDS, Commissioned, commission
from vigibip.box.config import BoxSettings, DataSettings
from vigibip.box.path_proof import WhyNot
from vigibip.cli.main import main


@pytest.fixture
async def box(sms_settings: BoxSettings, bip: Bip) -> AsyncIterator[SmsBox]:
    data = DataSettings(via="other", operator="208-01")
    box = SmsBox(sms_settings.model_copy(update={"data": data}))
    await box.start()
    await box.give_contacts()
    box.carrier.connect()
    yield box
    await box.daemon.stop()


async def prove(box: SmsBox, *, reply: bool = True) -> tuple[Commissioned, list[str]]:
    """Run the command beside the box, with time driven while it waits."""
    said: list[str] = []
    loop = asyncio.get_running_loop()

    async def pass_time() -> None:
        for _, message in box.read():
            if message.kind is SmsKind.PROBE and reply:
                await box.post_says(SmsKind.PROBE_REPLY, answers=message.sequence)
        await box.clock.advance(10)

    def pause(_seconds: float) -> None:
        asyncio.run_coroutine_threadsafe(pass_time(), loop).result(30)

    done = await asyncio.to_thread(commission, box.settings.control_path, said.append, pause=pause)
    return done, said


async def test_a_path_that_works_is_proven_there_and_back(box: SmsBox) -> None:
    done, said = await prove(box)
    assert done.proven
    assert done.warnings == ()
    assert said[0] == ("modem SIM7600E-H LE20B03 : ready, Exemple Mobile LTE, signal -95 dBm")


async def test_without_a_reply_every_number_is_tried_and_it_is_said(box: SmsBox) -> None:
    done, said = await prove(box, reply=False)
    assert (done.proven, done.why) == (False, WHY_WORDS[WhyNot.NO_REPLY])
    assert said[-1].startswith("pas de réponse, essai 2")


async def test_a_modem_that_is_not_ready_ends_it_at_once(box: SmsBox) -> None:
    box.sms.go_down("no-sim")
    done, said = await prove(box)
    assert (done.proven, done.why) == (False, "le modem n'est pas prêt (no-sim) : vérifier")
    assert not any("envoyé" in line for line in said)


async def test_without_a_number_of_the_post_it_says_where_they_come_from(
    sms_settings: BoxSettings, bip: Bip
) -> None:
    box = SmsBox(sms_settings)
    await box.start()
    done, _ = await prove(box)
    assert (done.proven, done.why) == (False, WHY_WORDS[WhyNot.NO_NUMBER])
    await box.daemon.stop()


async def test_what_the_modem_refuses_is_said_with_its_advice(box: SmsBox) -> None:
    box.sms.held = True
    told = asyncio.create_task(prove(box))
    for _ in range(2):
        await until(lambda: box.sms.queue, "the probe")
        box.sms.fail("not-subscribed", retry=True)
    done, _ = await told
    assert (done.proven, done.why) == (
        False,
        "l'essai n'est pas parti (not-subscribed) : vérifier la carte",
    )


@pytest.mark.parametrize(
    ("data", "warned"),
    [
        (DataSettings(), ["unknown"]),
        (DataSettings(via="box-modem"), ["modem", "sim", "operator"]),
        (DataSettings(via="other"), ["operator-unknown"]),
        (DataSettings(via="other", operator="Exemple"), ["operator-unknown"]),
        (DataSettings(via="other", operator="208-15"), ["operator"]),
        (DataSettings(via="other", operator="20815"), ["operator"]),
    ],
)
async def test_what_both_ways_share_is_warned_of(
    sms_settings: BoxSettings, bip: Bip, data: DataSettings, warned: list[str]
) -> None:
    box = SmsBox(sms_settings.model_copy(update={"data": data}))
    await box.start()
    await box.give_contacts()
    done, _ = await prove(box)
    assert done.proven
    assert list(done.warnings) == [SHARED_WORDS[one] for one in warned]
    await box.daemon.stop()


async def test_a_modem_that_does_not_tell_its_network_proves_nothing_shared_or_not(
    box: SmsBox,
) -> None:
    box.sms.plmn = ""
    done, _ = await prove(box)
    assert done.proven
    assert list(done.warnings) == [SHARED_WORDS["operator-unread"]]


async def test_a_box_without_sms_says_so(settings: BoxSettings, bip: Bip) -> None:
    from tests.box.driven import DrivenBox

    box = DrivenBox(settings)
    await box.start()
    with pytest.raises(UsageError, match=r"\[sms\]"):
        await asyncio.to_thread(commission, settings.control_path, print)
    assert box.daemon.description()["sms"] is None
    await box.daemon.stop()


def test_a_box_that_does_not_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(PeerError):
        commission(tmp_path / "box.sock", print)


async def test_the_commands_exit_codes_mean_something(
    box: SmsBox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "box.toml"
    config.write_text(
        f'data_dir = "{box.settings.data_dir}"\nreceiver_port = "/dev/null"\n'
        f'[sms.modem]\nport = "/dev/modem"\n'
    )

    async def command(*words: str) -> tuple[int, str]:
        code = await asyncio.to_thread(main, ["box", *words, "--config", str(config)])
        return code, capsys.readouterr().out

    box.sms.go_down("no-sim")
    code, out = await command("commission", "--json")
    assert code == 1
    assert json.loads(out)["proven"] is False
    code, out = await command("status")
    assert code == 1
    assert "modem SIM7600E-H LE20B03 : no-sim" in out
    assert "SMS : jamais prouvée" in out
    assert "conseil : vérifier" in out
    assert all(number not in out for number in POST_NUMBERS)
