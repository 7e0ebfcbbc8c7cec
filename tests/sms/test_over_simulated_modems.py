"""Two providers, each over the real SerialModem on a simulated modem, and an operator between."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from tests.sms.rig import OFFICER, POST, Diary, provider_on, sms
from vigibip.base.clock import DrivenClock
from vigibip.modem.serial_modem import SerialModem
from vigibip.modem.settings import ModemSettings
from vigibip.modem.simulated.hangs import Hang, HangKind
from vigibip.modem.simulated.models import EC25, GENERIC, SIM7600, Model
from vigibip.modem.simulated.modem import SimulatedModem
from vigibip.modem.simulated.port import InProcessPort, SimulatedLines
from vigibip.modem.simulated.sim_card import SimCard
from vigibip.sms.lanes import Lane
from vigibip.sms.modem_provider import ModemProvider
from vigibip.town.operator import Operator, OperatorWeather

LONG = "Bulletin de la police municipale — attention aux faux agents du gaz 👮 ; " * 4


@dataclass
class End:
    """One phone's worth of everything."""

    modem: SimulatedModem
    provider: ModemProvider
    diary: Diary


@dataclass
class Two:
    clock: DrivenClock
    operator: Operator
    box: End
    post: End


@asynccontextmanager
async def two(model: Model = GENERIC, weather: OperatorWeather | None = None) -> AsyncIterator[Two]:
    clock = DrivenClock()
    operator = Operator(clock, random.Random(1), weather or OperatorWeather())
    ends = []
    for number in (OFFICER, POST):
        simulated = SimulatedModem(
            clock, operator, model, chance=random.Random(2), sim=SimCard(number=number)
        )
        modem = SerialModem(
            ModemSettings(port="/dev/simulated"),
            clock=clock,
            chance=random.Random(3),
            name=f"modem of {len(ends)}",
            open_port=InProcessPort(simulated).open,
            lines=SimulatedLines(simulated),
        )
        end = End(simulated, provider_on(modem, clock), Diary())
        simulated.start(booted=True)
        end.provider.start(end.diary)
        ends.append(end)
    try:
        yield Two(clock, operator, *ends)
    finally:
        for end in ends:
            await end.provider.close()
            end.modem.close()
        await operator.close()


@pytest.mark.parametrize("model", [GENERIC, SIM7600, EC25], ids=lambda model: model.key)
async def test_an_alert_arrives_and_is_reported(model: Model) -> None:
    async with two(model) as pair:
        await pair.clock.advance(20)
        assert pair.box.provider.up
        pair.box.provider.submit(sms("ALERTE [€]", Lane.ALERT, report=True))
        await pair.clock.advance(30)
        assert [(one.sender, one.text) for one in pair.post.diary.texts] == [
            (OFFICER, "ALERTE [€]")
        ]
        assert [delivered for _, delivered, _ in pair.box.diary.reports] == [True]
        assert pair.box.diary.order == [("left", 1), ("reported", 1)]


async def test_a_long_text_arrives_whole_whatever_the_operator_does() -> None:
    rough = OperatorWeather(jitter_s=20, duplicated=0.4, held_back=0.3)
    async with two(weather=rough) as pair:
        await pair.clock.advance(20)
        for number in range(10):
            pair.box.provider.submit(sms(f"{number} {LONG}", report=True))
        await pair.clock.advance(600)
        arrived = sorted(one.text for one in pair.post.diary.texts)
        assert arrived == [f"{number} {LONG}" for number in range(10)]
        assert [delivered for _, delivered, _ in pair.box.diary.reports] == [True] * 10
        assert pair.post.provider.health["unfinished_texts"] == 0


async def test_an_alert_overtakes_bulletins_on_the_real_way() -> None:
    async with two() as pair:
        await pair.clock.advance(20)
        for number in range(30):
            pair.box.provider.submit(sms(f"bulletin {number}"))
        await pair.clock.advance(1)
        pair.box.provider.submit(sms("ALERTE", Lane.ALERT))
        await pair.clock.advance(20)
        assert [one.text for one in pair.box.diary.gone][:2] == ["bulletin 0", "ALERTE"]


@pytest.mark.parametrize("kind", HangKind)
async def test_an_alert_leaves_after_a_hang(kind: HangKind) -> None:
    async with two() as pair:
        await pair.clock.advance(20)
        pair.box.modem.begin_hang(Hang.of(kind))
        alert = sms("ALERTE", Lane.ALERT)
        pair.box.provider.submit(alert)
        for minute in range(3):
            await pair.clock.advance(60)
            if len(pair.box.diary.failures) > minute:  # as its user does: again after a minute
                pair.box.provider.submit(alert)
        await pair.clock.advance(30)
        assert {one.text for one in pair.post.diary.texts} == {"ALERTE"}
        # Also where a modem out of its mind says "bad PDU", which reads as for ever.
        assert all(error.retry for _, error in pair.box.diary.failures)


async def test_a_modem_that_refuses_every_pdu_delays_an_alert_by_its_reset_only() -> None:
    async with two() as pair:
        await pair.clock.advance(20)
        pair.box.modem.begin_hang(Hang.of(HangKind.PDU_REFUSED))
        alert = sms("ALERTE", Lane.ALERT)
        pair.box.provider.submit(alert)
        for _ in range(60):
            failed = len(pair.box.diary.failures)
            await pair.clock.advance(1)
            if len(pair.box.diary.failures) > failed:  # as its user does: again after 10 s
                await pair.clock.advance(10)
                pair.box.provider.submit(alert)
        assert {one.text for one in pair.post.diary.texts} == {"ALERTE"}


async def test_what_the_disk_refuses_is_brought_again() -> None:
    async with two() as pair:
        await pair.clock.advance(20)
        pair.post.diary.storage_refuses = 1
        pair.box.provider.submit(sms("ALERTE", Lane.ALERT))
        await pair.clock.advance(300)
        assert [one.text for one in pair.post.diary.texts] == ["ALERTE"]
