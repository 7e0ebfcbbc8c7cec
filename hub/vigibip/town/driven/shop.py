"""A shop in driven time: bips, receiver, box, its modem, and its line to the broker."""

from __future__ import annotations

import json
import random
import secrets
import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vigibip.box.config import BoxSettings
from vigibip.box.daemon import BoxDaemon
from vigibip.box.link import OnFrame
from vigibip.box.pairing import pair_device
from vigibip.box.sms_settings import ProbeSettings, SmsSettings
from vigibip.modem.contract import Modem
from vigibip.modem.settings import ModemSettings
from vigibip.post.authority import Authority, new_private_key, private_key_pem
from vigibip.post.store import Store
from vigibip.post.store.second_path import SecondPathStore
from vigibip.town.air import Air, Antenna, Way
from vigibip.town.driven.bip import DrivenBip
from vigibip.town.errors import TownError
from vigibip.town.mobile import MobilePlan, TownModem, box_number
from vigibip.town.network import Cut, NetworkLink
from vigibip.town.plans import BIPS_A_SHOP, RADIO_CHANNEL, ShopPlan, plan_of

if TYPE_CHECKING:
    from vigibip.town.driven.town import DrivenTown

_STRANGER = bytes.fromhex("0200000000ff")


class DrivenReceiver:
    """A receiver on the box's link: the receiver's own firmware is not in driven time."""

    def __init__(self, air: Air, mac: bytes) -> None:
        self.mac = mac
        self.plugged = True
        self._air = air
        self._on_frame: OnFrame | None = None
        self._antenna: Antenna | None = None

    def start(self, on_frame: OnFrame) -> None:
        self._on_frame = on_frame
        self._antenna = self._air.attach(Way.DOWN, self.mac, self._listens, self._hear)

    def allow(self, ids: Sequence[int]) -> None:
        """All are carried: places for guests are the receiver's own firmware's."""

    def send(self, mac: bytes, frame: bytes) -> None:
        if self.plugged and self._antenna is not None:
            self._antenna.send(RADIO_CHANNEL, mac, frame)

    def describe(self) -> list[dict[str, object]]:
        return []

    async def close(self) -> None:
        if self._antenna is not None:
            self._antenna.leave()
            self._antenna = None

    def overhear(self, frame: bytes) -> None:
        """Have the receiver hear `frame` from a stranger, as an attacker would send it."""
        self._hear(-50, _STRANGER, frame)

    def _listens(self) -> int | None:
        return RADIO_CHANNEL if self.plugged else None

    def _hear(self, rssi_dbm: int, mac: bytes, heard: bytes) -> None:
        if self._on_frame is not None:
            self._on_frame(rssi_dbm, mac, heard)


class DrivenShop:
    """One shop: two bips, a receiver, a box, and the line from the box to the broker."""

    def __init__(self, town: DrivenTown, number: int) -> None:
        self.number = number
        self.plan: ShopPlan = plan_of(number)
        self.box: BoxDaemon | None = None
        self._town = town
        mac = bytes((0x02, 0x56, 0x42, number >> 8, number & 0xFF, 0))
        self._lives = 0
        self.receiver = DrivenReceiver(town.air, mac)
        self.number_of_sim = box_number(number)
        self.network = NetworkLink(town.broker.host, town.broker.port)
        self.bips = [
            DrivenBip(
                town.clock,
                town.air,
                mac[:5] + bytes((index,)),
                channel=RADIO_CHANNEL,
                seed=number * 16 + index,
            )
            for index in range(1, BIPS_A_SHOP + 1)
        ]

    @property
    def settings(self) -> BoxSettings:
        directory = self._town.directory / f"box-{self.number}-{self._lives}"
        return BoxSettings(
            data_dir=directory,
            receiver_port="/dev/null",
            has_rtc=True,
            sms=None if self._town.mobile is None else _box_sms(self._town.mobile.plan),
        )

    @property
    def modem(self) -> TownModem:
        """The simulated modem in the box. Raises TownError in a town without a second path."""
        if self._town.mobile is None:
            raise TownError("this town has no second path")
        return self._town.mobile.modem(self.number_of_sim)

    async def set_up(self, authority: Authority, store: Store) -> None:
        """Enrol the box and pair its bips, in this process."""
        await self.network.start()
        shop = await store.create_shop(
            name=self.plan.name, spoken=self.plan.spoken, address=self.plan.address
        )
        private_key = new_private_key()
        certificate_pem = authority.issue_client(private_key.public_key(), shop.box_id)
        up_key, down_key = secrets.token_bytes(32), secrets.token_bytes(32)
        await store.set_box_keys(shop.box_id, up_key=up_key, down_key=down_key, serial="0")
        if self._town.mobile is not None:
            second = SecondPathStore(store, self._town.clock)
            await second.set_phone(shop.box_id, self.number_of_sim)
        self.settings.data_dir.mkdir(parents=True)
        post = {
            "name": "poste",
            "broker_host": self.network.host,
            "broker_port": self.network.port,
            "up_key": up_key.hex(),
            "down_key": down_key.hex(),
            "authority_pem": authority.certificate_pem,
            "certificate_pem": certificate_pem,
            "private_key_pem": private_key_pem(private_key),
        }
        enrolment = json.dumps({"box_id": shop.box_id, "posts": [post]})
        self.settings.enrolment_path.write_text(enrolment, encoding="utf-8")
        self.settings.enrolment_path.chmod(0o600)
        for bip in self.bips:
            pair_device(self.settings, f"{bip.device_id:08x}", "bip", bip.key.hex())

    async def start_box(self) -> None:
        """Power the box, for the first time or again."""
        modem: Modem | None = None
        if self._town.mobile is not None:
            self.modem.set_power(True)
            modem = self._town.mobile.driver(self.number_of_sim, f"box {self.number}")
        self.box = BoxDaemon(
            self.settings,
            clock=self._town.clock,
            link=self.receiver,
            modem=modem,
            trace=self._town.trace,
            chance=random.Random(self.number),
        )
        await self.box.start()

    async def cut_power(self) -> None:
        """End the box as a power cut does: the next one finds what is committed now, no more."""
        if self.box is None:
            return
        before = self.settings.data_dir
        self._lives += 1
        shutil.copytree(
            before, self.settings.data_dir, ignore=shutil.ignore_patterns("*.sock", "*-shm")
        )
        # What it still does in ending reaches nobody: not the air, not the post, not the disk.
        self.receiver.plugged = False
        if self._town.mobile is not None:
            self.modem.set_power(False)
        await self.network.cut(Cut.REFUSED)
        await self.box.stop()
        self.box = None
        self.receiver.plugged = True
        await self.network.restore()

    async def close(self) -> None:
        for bip in self.bips:
            bip.close()
        if self.box is not None:
            await self.box.stop()
        await self.network.stop()


def _box_sms(plan: MobilePlan) -> SmsSettings:
    return SmsSettings(
        modem=ModemSettings(port="/dev/null"),
        rate_per_min=plan.rate_per_min,
        probe=ProbeSettings(soon_s=plan.probe_soon_s),
    )
