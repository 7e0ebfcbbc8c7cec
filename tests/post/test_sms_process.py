"""The post as a process with a modem, killed between an alert's commit and its receipt by SMS."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.post.harness import until
from tests.post.place import Place
from vigibip.alert.ids import AlertId
from vigibip.alert.sms_form import SmsKind, SmsMessage, read_sms, write_sms
from vigibip.base.clock import SystemClock
from vigibip.modem.simulated import SIM7600, Behaviour, PtyModem, SimCard, SimulatedModem
from vigibip.town.mobile import Phone
from vigibip.town.operator import Operator, OperatorWeather

# Each starts several processes: one at a time is enough for two cores.
pytestmark = [pytest.mark.xdist_group("post-process"), pytest.mark.slow]

POST, BOX = "+33639982001", "+33639981001"
DEADLINE_S = 90
# What a network says that is full: worth another try.
_CONGESTED = 42


@pytest.fixture
async def operator() -> AsyncIterator[Operator]:
    made = Operator(SystemClock(), random.Random(7), OperatorWeather(delay_s=0.1))
    yield made
    await made.close()


@pytest.fixture
async def modem(tmp_path: Path, operator: Operator) -> AsyncIterator[SimulatedModem]:
    """The post's, on a terminal that outlives whoever has it open."""
    made = SimulatedModem(
        SystemClock(),
        operator,
        SIM7600,
        chance=random.Random(7),
        sim=SimCard(number=POST),
        behaviour=Behaviour(registration_s=(0.1, 0.2), submit_s=(0.1, 0.2)),
    )
    made.start(booted=True)
    terminal = PtyModem(made, tmp_path / "modem")
    terminal.open()
    yield made
    terminal.close()


async def test_killed_between_commit_and_receipt_it_gives_the_receipt_to_the_boxs_next_sms(
    place: Place, operator: Operator, modem: SimulatedModem, tmp_path: Path
) -> None:
    with place.config.open("a") as config:
        config.write(
            f'[[sms.modems]]\nname = "modem-1"\nnumber = "{POST}"\nport = "{tmp_path}/modem"\n'
        )
    box = await place.add_box("Tabac")
    await box.disconnect()
    await place.command("phone", box.box_id, BOX)
    handset = Phone(SystemClock(), operator, BOX)
    presses = [f"00000001{number:08x}" for number in range(1, 4)]

    def send(press: str, *, sequence: int) -> None:
        message = SmsMessage(
            kind=SmsKind.ALERT, sequence=sequence, alerts=(AlertId.parse(press),), age_s=1
        )
        handset.send(POST, write_sms(box.up_key, "ALERTE Tabac", message))

    def held() -> list[str]:
        return [row[0] for row in place.rows("SELECT id FROM alert ORDER BY id")]

    def receipted() -> list[str]:
        messages = [read_sms(box.down_key, one.text) for one in handset.texts]
        return [str(one) for of in messages if of.kind is SmsKind.RECEIPT for one in of.alerts]

    await place.run()
    for number, press in enumerate(presses, start=1):
        send(press, sequence=10 * number)
        # From now on nothing leaves: whatever the kill meets, the receipt is not gone yet.
        operator.refuses_with = _CONGESTED
        await until(lambda press=press: press in held(), DEADLINE_S)
        assert place.post is not None
        await place.post.kill()
        assert press not in receipted()
        operator.refuses_with = None

        await place.run()
        send(press, sequence=10 * number + 1)
        await until(lambda press=press: press in receipted(), DEADLINE_S)
    assert held() == presses
    assert set(receipted()) == set(presses)
    assert place.rows("SELECT presses FROM incident") == [(len(presses),)]
    # Whatever the killed ones left in the SIM was taken, and said, once.
    await until(lambda: not any(one.used for one in modem.mailbox.stores.values()), DEADLINE_S)
    assert held() == presses
