"""The town whose time a test drives: an hour passes in seconds, exchanges take no time at all.

Boxes and post are the daemons themselves, as tasks of this process, over their real stores and a
real broker with mutual TLS. The bips are the firmware's sender; what stands between it and the
ESP32 (main.py, the interpreter, the receiver's firmware and the serial line) is not in here, but
in the town in real time.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from vigibip.base.clock import DrivenClock
from vigibip.base.trace import Trace, parse_stamp
from vigibip.box.config import BoxSettings
from vigibip.box.daemon import BoxDaemon
from vigibip.box.link import OnFrame
from vigibip.box.pairing import pair_device
from vigibip.post.authority import Authority, new_private_key, private_key_pem
from vigibip.post.config import BrokerSettings, EnrolmentSettings, PostSettings
from vigibip.post.daemon import PostDaemon
from vigibip.post.store import Store
from vigibip.town.air import CALM, Air, Antenna, Way, Weather
from vigibip.town.broker import Broker, BrokerKind
from vigibip.town.children import Children
from vigibip.town.driven.bip import DrivenBip
from vigibip.town.driven.radio import PaperRadio
from vigibip.town.errors import TownError
from vigibip.town.network import Cut, NetworkLink
from vigibip.town.plans import BIPS_A_SHOP, RADIO_CHANNEL, ShopPlan, plan_of

# Of the machine's own time: an exchange that takes longer hangs.
_SETTLE_DEADLINE_S = 20.0
_SETTLE_LOOK_S = 0.001
_STRANGER = bytes.fromhex("0200000000ff")
# What is in the broker's hands makes nobody busy: calm must last some looks.
_CALM_LOOKS = 5


@dataclass(frozen=True, slots=True)
class Entry:
    """One stamp, on the driven clock."""

    at_s: float
    stage: str
    subject: str


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

    def send(self, mac: bytes, frame: bytes) -> None:
        if self.plugged and self._antenna is not None:
            self._antenna.send(RADIO_CHANNEL, mac, frame)

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
        return BoxSettings(data_dir=directory, receiver_port="/dev/null", has_rtc=True)

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
        self.box = BoxDaemon(
            self.settings,
            clock=self._town.clock,
            link=self.receiver,
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


class DrivenTown:
    """`async with DrivenTown(directory, shops=5) as town:`; then `await town.advance(3600)`."""

    def __init__(
        self,
        directory: Path,
        *,
        shops: int,
        weather: Weather = CALM,
        broker: BrokerKind | None = None,
        seed: int = 0,
    ) -> None:
        self.directory = directory
        self.clock = DrivenClock(settle=self.settle)
        self.air = Air(self.clock, weather, seed)
        self.radio = PaperRadio(self.clock)
        self.journal: list[Entry] = []
        """Every stamp of every daemon, in the order in which things happened."""
        self.trace = Trace(self._write_down)
        self.post: PostDaemon | None = None
        self.shops: list[DrivenShop] = []
        self._children = Children(directory, os.environ)
        self._authority = Authority.create(directory / "post" / "authority", clock=self.clock)
        self.broker = Broker(self._children, directory / "broker", self._authority, broker)
        self._wanted = shops

    @property
    def post_settings(self) -> PostSettings:
        return PostSettings(
            data_dir=self.directory / "post",
            broker=BrokerSettings(host=self.broker.host, port=self.broker.port),
            enrolment=EnrolmentSettings(host="127.0.0.1", port=0),
            store_watch_s=60,
            radio_watch_s=60,
        )

    async def __aenter__(self) -> DrivenTown:
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start_post(self) -> None:
        self.radio = PaperRadio(self.clock)
        self.post = PostDaemon(
            self.post_settings, clock=self.clock, radios=[self.radio], trace=self.trace
        )
        await self.post.start()

    async def stop_post(self) -> None:
        if self.post is not None:
            await self.post.stop()
            self.post = None

    async def advance(self, duration_s: float) -> None:
        """Let so much time pass, with everything that happens in it."""
        await self.clock.advance(duration_s)

    async def settle(self) -> None:
        """Return once nothing is under way that ends without time passing. Raises TownError."""
        deadline_s = time.monotonic() + _SETTLE_DEADLINE_S
        await DrivenClock.run_ready()
        busy = self._busy()
        if not busy:
            return
        # A box awaits the receipt of what it sent to a post that was dead: only time helps it.
        hopeless_looks = 8 if self.post is None else 150
        looks = calm = 0
        first = seen = self._signs()
        # What a box does by itself, on its disk, is over when it says so.
        wanted = 1
        while calm < wanted:
            if seen != first or "post" in busy:
                wanted = _CALM_LOOKS
            await asyncio.sleep(_SETTLE_LOOK_S)
            await DrivenClock.run_ready()
            busy, signs = self._busy(), self._signs()
            looks = looks + 1 if signs == seen else 0
            calm = calm + 1 if signs == seen and (not busy or looks > hopeless_looks) else 0
            seen = signs
            if time.monotonic() > deadline_s:
                raise TownError(f"driven time stands still: {', '.join(busy)} never comes to rest")

    async def close(self) -> None:
        for shop in self.shops:
            await shop.close()
        await self.stop_post()
        await self.air.close()
        await self._children.close()

    async def _start(self) -> None:
        await self.broker.start()
        store = Store(self.post_settings.store_path, clock=self.clock)
        store.start()
        try:
            for number in range(1, self._wanted + 1):
                shop = DrivenShop(self, number)
                self.shops.append(shop)
                await shop.set_up(self._authority, store)
        finally:
            store.close()
        await self.start_post()
        for shop in self.shops:
            await shop.start_box()
        await self.settle()

    def _signs(self) -> tuple[int, ...]:
        """Return what changes whenever something passes between the daemons."""
        counts = [shop.network.counts for shop in self.shops]
        passed = [count.bytes_up + count.bytes_down for count in counts]
        return (len(self.journal), *passed)

    def _write_down(self, stamp: bytes) -> None:
        stage, subject, _ = parse_stamp(stamp)
        self.journal.append(Entry(self.clock.monotonic_s(), stage, subject))

    def _busy(self) -> list[str]:
        busy = [
            f"box {shop.number}" for shop in self.shops if shop.box is not None and shop.box.busy
        ]
        if self.post is not None and self.post.busy:
            busy.append("post")
        return busy
