"""The whole second path in driven time: the real modem code on a simulated modem and operator."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.box.driven import DrivenBox, SmallCarrier
from tests.box.peers import DOWN_KEY, Bip
from tests.box.sms_phones import BOX_NUMBER, Phone, PostPhones
from tests.box.sms_town import OFFICER, POST_NUMBERS, digest_of
from vigibip.alert.messages import BadMacError, BadMessageError, Contacts
from vigibip.alert.sms_form import read_sms
from vigibip.box.config import BoxSettings
from vigibip.box.daemon import BoxDaemon
from vigibip.box.faults import FaultCode
from vigibip.modem.serial_modem import SerialModem
from vigibip.modem.simulated.hangs import Hang, HangKind
from vigibip.modem.simulated.models import SIM7600
from vigibip.modem.simulated.modem import SimulatedModem
from vigibip.modem.simulated.port import InProcessPort, SimulatedLines
from vigibip.modem.simulated.sim_card import SimCard
from vigibip.town.operator import Operator, OperatorWeather
from vigibip.wire import frame

HEARD, DELIVERED, COMING = frame.STATE_HEARD, frame.STATE_DELIVERED, frame.STATE_COMING
NOT_REACHED = frame.STATE_NOT_REACHED


class ModemBox(DrivenBox):
    def __init__(self, settings: BoxSettings, weather: OperatorWeather, seed: int = 1) -> None:
        self.seed = seed
        self.weather = weather
        super().__init__(settings)

    def _build(self) -> BoxDaemon:
        assert self.settings.sms is not None
        self.operator = Operator(self.clock, random.Random(self.seed), self.weather)
        self.post = PostPhones(self.operator)
        self.officer = Phone(self.operator, OFFICER)
        self.simulated = SimulatedModem(
            self.clock,
            self.operator,
            SIM7600,
            chance=random.Random(self.seed),
            sim=SimCard(number=BOX_NUMBER),
        )
        self.simulated.start(booted=True)
        modem = SerialModem(
            self.settings.sms.modem,
            clock=self.clock,
            chance=random.Random(self.seed),
            open_port=InProcessPort(self.simulated).open,
            lines=SimulatedLines(self.simulated),
        )
        self.carrier = SmallCarrier()
        return BoxDaemon(
            self.settings,
            clock=self.clock,
            link=self.link,
            carriers=[self.carrier],
            modem=modem,
            chance=random.Random(self.seed),
        )

    async def begin(self) -> None:
        await self.start()
        officer = {"number": OFFICER, "salt": bytes(16).hex(), "digests": [digest_of("12345678")]}
        contacts = {
            "edition": 1,
            "post_numbers": POST_NUMBERS,
            "spoken": "Tabac du Centre",
            "officer": officer,
        }
        self.carrier.say_contacts(Contacts.model_validate(contacts))
        await self.until(lambda: self.sms_up, 120)

    @property
    def sms_up(self) -> bool:
        return bool(self.daemon.description()["sms"]["up"])

    async def until(
        self, condition: Callable[[], Any], within_s: float, step_s: float = 0.05
    ) -> float:
        """Let time pass in small steps; return how much did."""
        began_s = self.clock.monotonic_s()
        while not condition():
            assert self.clock.monotonic_s() < began_s + within_s, "it did not happen"
            await self.clock.advance(step_s)
        return self.clock.monotonic_s() - began_s

    async def receipt_of(self, alert: str, within_s: float, step_s: float = 0.05) -> float:
        ids = (int(alert[:8], 16), int(alert[8:], 16))
        query = f"SELECT receipt FROM alerts WHERE (device, press) = {ids}"
        return await self.until(lambda: self.sql(query) == [("accepted",)], within_s, step_s)


@pytest.fixture
async def box(sms_settings: BoxSettings, bip: Bip) -> AsyncIterator[ModemBox]:
    """Data is down; modem, operator and post work."""
    box = ModemBox(sms_settings, OperatorWeather(delay_s=3.0))
    await box.begin()
    yield box
    await box.daemon.stop()
    await box.operator.close()
    box.simulated.close()


async def test_press_to_receipt_with_data_down(box: ModemBox, bip: Bip) -> None:
    for _ in range(12):
        took_s = await box.receipt_of(await box.press(bip), 60)
        # The modem's 2-5 s and the operator's 3 s there and back; ours is what is left.
        assert took_s <= 5.0 + 2 * 3.0 + 0.3
        await box.clock.advance(30)
    assert len(box.post.taken) == 12
    assert (box.post.came, box.post.sent) == (12, 12)


async def test_three_sms_an_alert_in_both_directions(box: ModemBox, bip: Bip) -> None:
    box.post.answers = True
    alerts = [await box.press(bip) for _ in range(4)]
    await box.clock.advance(300)
    assert [await box.state(bip, int(alert[8:], 16)) for alert in alerts] == [COMING] * 4
    assert box.operator.counts["taken"] - 2 * box.post.probes <= 3 * len(alerts)
    ages = [message.age_s for message in box.post.taken.values()]
    assert ages == [0] * 4


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_bad_operator_delays_and_loses_nothing(
    sms_settings: BoxSettings, bip: Bip, seed: int
) -> None:
    weather = OperatorWeather(
        delay_s=3.0, jitter_s=20.0, lost=0.3, duplicated=0.3, held_back=0.3, report_late=0.5
    )
    box = ModemBox(sms_settings, weather, seed)
    await box.begin()
    alerts = []
    for _ in range(5):
        alerts.append(await box.press(bip))
        await box.clock.advance(20)
    for alert in alerts:
        await box.receipt_of(alert, 20_000, step_s=5.0)
    assert set(box.post.taken) == set(alerts)
    assert box.codes() <= {FaultCode.SMS_UNPROVEN}
    await box.daemon.stop()
    await box.operator.close()
    box.simulated.close()


@pytest.mark.parametrize(
    "kind", [HangKind.SILENT, HangKind.STUCK_PROMPT, HangKind.PORT_VANISHED, HangKind.SIM_LOST]
)
async def test_a_modem_that_hangs_holds_no_data_up_and_is_back_for_the_rest(
    box: ModemBox, bip: Bip, kind: HangKind
) -> None:
    box.simulated.begin_hang(Hang.of(kind))
    box.carrier.connect()
    alert = await box.press(bip)
    assert box.carrier.take() == [alert]
    box.carrier.receipt(alert)
    await box.settle()
    assert await box.state(bip, 1) == DELIVERED
    box.carrier.lose()
    second = await box.press(bip)
    await box.receipt_of(second, 400)
    assert set(box.post.taken) == {second}


async def test_strangers_fill_the_sim_and_the_receipt_still_comes(box: ModemBox, bip: Bip) -> None:
    stranger = Phone(box.operator, "+33639980099")
    for number in range(60):
        stranger.send(f"gagnez un lot {number} #CEAAAAAHAAAA")
    alert = await box.press(bip)
    await box.receipt_of(alert, 120)
    counts = box.daemon.description()["sms"]["counts"]
    assert counts["unknown_number"] >= 20
    assert await box.state(bip, 1) == DELIVERED


async def test_a_dead_post_and_an_officer_who_comes(box: ModemBox, bip: Bip) -> None:
    box.post.alive = False
    await box.press(bip)
    await box.until(lambda: box.officer.texts, 120)
    word = box.officer.texts[0].split("répondre ")[1].split()[0]
    box.officer.send(f"{word} 1234 5678")
    await box.until(lambda: len(box.officer.texts) == 2, 30)
    assert await box.state(bip, 1) == COMING
    assert box.officer.texts[1].startswith("VigiBip : votre réponse est enregistrée")


async def test_the_path_is_proven_through_it_all(box: ModemBox) -> None:
    await box.until(lambda: box.daemon.description()["sms"]["proven"], 700)
    assert box.post.probes == 1
    assert box.codes() == set()


async def test_what_the_phones_got_is_only_what_their_keys_open(box: ModemBox, bip: Bip) -> None:
    await box.press(bip)
    await box.clock.advance(20)
    (text,) = box.post.phones[0].texts
    assert "ALERTE Tabac du Centre" in text
    with pytest.raises((BadMacError, BadMessageError)):
        read_sms(DOWN_KEY, text)
