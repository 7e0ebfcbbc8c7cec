"""A post with modems: SerialModem over simulated ones, one operator, boxes as bare handsets."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.post.harness import BoxClient, PaperRadio, Site, until
from vigibip.alert.ids import AlertId
from vigibip.alert.sms_form import SmsKind, SmsMessage, read_sms, write_sms
from vigibip.base.trace import Trace, parse_stamp
from vigibip.modem.contract import ModemState
from vigibip.modem.serial_modem import SerialModem
from vigibip.modem.simulated import (
    SIM7600,
    Behaviour,
    InProcessPort,
    SimCard,
    SimulatedLines,
    SimulatedModem,
)
from vigibip.post.config import PostSettings
from vigibip.post.daemon import PostDaemon
from vigibip.post.store.second_path import SecondPathStore
from vigibip.sms.address import Address
from vigibip.sms.pdu import encode_deliver
from vigibip.sms.segments import segment
from vigibip.sms.user_data import of_segment
from vigibip.town.mobile import Phone
from vigibip.town.operator import Operator, OperatorWeather

STRANGER = "+33639989999"
NETWORK_S = 20.0
"""More than an SMS takes from one end to the other, modem included."""


class SmsBox:
    """A box as its SMS show it: real form and keys, its own sequences."""

    def __init__(self, site: SmsSite, client: BoxClient, number: str) -> None:
        self.client = client
        self.handset = Phone(site.clock, site.operator, number)
        self.sequence = 1000
        self._site = site

    @property
    def box_id(self) -> str:
        return self.client.box_id

    def alert_text(self, alert_id: str, *, sequence: int | None = None, **fields: Any) -> str:
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        fields = {"age_s": 0, "written_s": int(self._site.clock.utc().timestamp())} | fields
        message = SmsMessage(
            kind=SmsKind.ALERT, sequence=sequence, alerts=(AlertId.parse(alert_id),), **fields
        )
        return write_sms(self.client.up_key, "ALERTE Tabac du Centre, appui de 14h32", message)

    def press(self, alert_id: str, *, modem: int = 0, **fields: Any) -> str:
        text = self.alert_text(alert_id, **fields)
        self.handset.send(self._site.numbers[modem], text)
        return text

    def probe(self, *, modem: int = 0) -> int:
        self.sequence += 1
        message = SmsMessage(kind=SmsKind.PROBE, sequence=self.sequence)
        text = write_sms(self.client.up_key, "VigiBip : essai", message)
        self.handset.send(self._site.numbers[modem], text)
        return self.sequence

    @property
    def heard(self) -> list[SmsMessage]:
        """What the post said by SMS, in order; all of it must be this box's and new."""
        messages = [read_sms(self.client.down_key, one.text) for one in self.handset.texts]
        sequences = [one.sequence for one in messages]
        assert len(set(sequences)) == len(sequences)
        return messages

    def of(self, kind: SmsKind) -> list[SmsMessage]:
        return [one for one in self.heard if one.kind is kind]

    @property
    def receipts(self) -> list[list[str]]:
        return [[str(alert) for alert in one.alerts] for one in self.of(SmsKind.RECEIPT)]


@dataclass
class SmsSite(Site):
    """`modems`: how many the post has."""

    store_watch_s: float = 5

    modems: int = 1
    sms: dict[str, Any] = field(default_factory=dict)
    boxes_watch: dict[str, Any] = field(default_factory=lambda: {"look_each_s": 20})
    weather: OperatorWeather = field(default_factory=OperatorWeather)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.chance = random.Random(7)
        self.operator = Operator(self.clock, self.chance, self.weather)
        self.simulated: list[SimulatedModem] = []
        self.drivers: list[SerialModem] = []
        self._sms_boxes = 0

    @property
    def numbers(self) -> list[str]:
        return [f"+3363998{2001 + index:04d}" for index in range(self.modems)]

    @property
    def settings(self) -> PostSettings:
        modems = [
            {"name": f"modem-{index + 1}", "number": number, "port": f"/dev/modem-{index + 1}"}
            for index, number in enumerate(self.numbers)
        ]
        plain = super().settings.model_dump()
        return PostSettings.model_validate(
            plain | {"sms": {"modems": modems, **self.sms}, "boxes": self.boxes_watch}
        )

    async def start_post(self) -> None:
        settings = self.settings
        self.radio = PaperRadio(self.clock, takes_s=self.radio.takes_s)
        self.simulated = [
            SimulatedModem(
                self.clock,
                self.operator,
                SIM7600,
                chance=self.chance,
                sim=SimCard(number=one.number),
                behaviour=Behaviour(registration_s=(0.1, 0.2)),
            )
            for one in settings.sms.modems
        ]
        for simulated in self.simulated:
            simulated.start(booted=True)
        self.drivers = [
            SerialModem(
                one,
                clock=self.clock,
                chance=self.chance,
                name=one.name,
                open_port=InProcessPort(simulated).open,
                lines=SimulatedLines(simulated),
            )
            for one, simulated in zip(settings.sms.modems, self.simulated, strict=True)
        ]
        self.post = PostDaemon(
            settings,
            clock=self.clock,
            radios=[self.radio],
            modems=self.drivers,
            chance=self.chance,
            trace=Trace(lambda stamp: self.stamps.append(parse_stamp(stamp)[:2])),
        )
        await self.post.start()
        await until(lambda: self.post is not None and self.post.connected)
        await self.until_up()

    async def until_up(self) -> None:
        """Let time pass until every modem is ready."""
        end_s = time.monotonic() + 20
        while not all(one.health.state is ModemState.READY for one in self.drivers):
            assert time.monotonic() < end_s, [one.health.describe() for one in self.drivers]
            await self.clock.advance(1)

    async def stop_post(self) -> None:
        await super().stop_post()
        for simulated in self.simulated:
            simulated.close()
        self.simulated = []

    async def add_sms_box(self, name: str = "Tabac du Centre", *, connect: bool = False) -> SmsBox:
        """Add a box with a number; `connect`: it has data too."""
        client = await self.add_box(name, connect=connect)
        self._sms_boxes += 1
        number = f"+3363998{1000 + self._sms_boxes:04d}"
        assert self.post is not None
        await SecondPathStore(self.store, self.clock).set_phone(client.box_id, number)
        await self.refresh()
        return SmsBox(self, client, number)

    async def refresh(self) -> None:
        """Have the post notice now what another process has committed."""
        await self.advance(self.store_watch_s)

    def bring(
        self, sender: str, text: str, *, modem: int = 0, sent: datetime | None = None
    ) -> None:
        """Bring the post an SMS from whatever number it claims, as whoever pays for it can."""
        for part in segment(text, self.chance.randrange(256)):
            pdu = encode_deliver(
                Address.parse(sender), of_segment(part), sent_utc=sent or self.clock.utc()
            )
            self.operator.bring(self.numbers[modem], pdu)

    async def pass_sms(self, duration_s: float = NETWORK_S) -> None:
        await self.advance(duration_s)

    async def close(self) -> None:
        await super().close()
        await self.operator.close()
