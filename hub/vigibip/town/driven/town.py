"""The town whose time a test drives: an hour passes in seconds, exchanges take no time at all.

Boxes and post are the daemons themselves, as tasks of this process, over their real stores and a
real broker with mutual TLS. The bips are the firmware's sender; what stands between it and the
ESP32 (main.py, the interpreter, the receiver's firmware and the serial line) is not in here, but
in the town in real time.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

from vigibip.base.clock import DrivenClock
from vigibip.base.trace import Trace, parse_stamp
from vigibip.modem.contract import Modem
from vigibip.post.authority import Authority
from vigibip.post.config import BrokerSettings, EnrolmentSettings, PostSettings
from vigibip.post.daemon import PostDaemon
from vigibip.post.sms_settings import PostModemSettings
from vigibip.post.sms_settings import SmsSettings as PostSmsSettings
from vigibip.post.store import Store
from vigibip.town.air import CALM, Air, Weather
from vigibip.town.broker import Broker, BrokerKind
from vigibip.town.children import Children
from vigibip.town.driven.radio import PaperRadio
from vigibip.town.driven.shop import DrivenShop
from vigibip.town.errors import TownError
from vigibip.town.mobile import Mobile, MobilePlan

# Of the machine's own time: an exchange that takes longer hangs.
_SETTLE_DEADLINE_S = 20.0
_SETTLE_LOOK_S = 0.001
# What is in the broker's hands makes nobody busy: calm must last some looks.
_CALM_LOOKS = 5


@dataclass(frozen=True, slots=True)
class Entry:
    """One stamp, on the driven clock."""

    at_s: float
    stage: str
    subject: str


class DrivenTown:
    """`async with DrivenTown(directory, shops=5) as town:`; then `await town.advance(3600)`."""

    def __init__(
        self,
        directory: Path,
        *,
        shops: int,
        weather: Weather = CALM,
        broker: BrokerKind | None = None,
        mobile: MobilePlan | None = None,
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
        self.mobile = None if mobile is None else Mobile(self.clock, mobile, self._pass_by, seed)
        """None: no box has a second path."""
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
            sms=PostSmsSettings() if self.mobile is None else _post_sms(self.mobile),
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
        modems: list[Modem] = []
        if self.mobile is not None:
            for number in self.mobile.post_numbers:
                modems.append(self.mobile.driver(number, f"post {number[-4:]}"))
        self.post = PostDaemon(
            self.post_settings,
            clock=self.clock,
            radios=[self.radio],
            modems=modems,
            trace=self.trace,
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
        if self.mobile is not None:
            await self.mobile.close()
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
        return (len(self.journal), self.mobile.signs if self.mobile else 0, *passed)

    def _write_down(self, stamp: bytes) -> None:
        stage, subject, _ = parse_stamp(stamp)
        self.journal.append(Entry(self.clock.monotonic_s(), stage, subject))

    def _pass_by(self, stage: str, subject: str, at_s: float) -> None:
        self.journal.append(Entry(at_s, stage, subject))

    def _busy(self) -> list[str]:
        busy = [
            f"box {shop.number}" for shop in self.shops if shop.box is not None and shop.box.busy
        ]
        if self.post is not None and self.post.busy:
            busy.append("post")
        return busy


def _post_sms(mobile: Mobile) -> PostSmsSettings:
    modems = [
        PostModemSettings(
            name=f"modem-{index}",
            port=f"/dev/null-{index}",
            number=number,
            rate_per_min=mobile.plan.rate_per_min,
        )
        for index, number in enumerate(mobile.post_numbers, start=1)
    ]
    return PostSmsSettings(modems=tuple(modems))
