"""A post made by its own commands, run as the process that it is."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.post.harness import BoxClient
from vigibip.base.clock import SystemClock
from vigibip.post.authority import Authority
from vigibip.post.store import Store
from vigibip.radio.channel import ChannelServer, SimulatedChannel
from vigibip.town.broker import Broker
from vigibip.town.children import Child, Children, vigibip_command
from vigibip.town.places import free_ports


class Place:
    """A post made by its own commands, a broker, a simulated channel."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.data_dir = directory / "post"
        self.config = directory / "post.toml"
        environment = os.environ | {"GPIOZERO_PIN_FACTORY": "mock"}
        self.children = Children(directory, environment)
        self.channel = SimulatedChannel(SystemClock(), None, cut_short=True)
        self.server = ChannelServer(self.channel, directory / "channel")
        self.boxes: list[BoxClient] = []
        self.post: Child | None = None

    async def start(self) -> None:
        self.broker_port, enrolment_port = free_ports(2)
        common = (
            f'data_dir = "{self.data_dir}"\n'
            f"broker.port = {self.broker_port}\n"
            f'enrolment = {{ host = "127.0.0.1", port = {enrolment_port} }}\n'
        )
        # Without the voice first: to render every number takes seconds, and none is heard here.
        self.config.write_text(common)
        await self.command("init")
        self.config.write_text(
            f'{common}[radio.voice]\naudio_out = "unix:{self.directory}/channel"\nptt_lead_ms = 0\n'
        )
        self.authority = Authority.load(self.data_dir / "authority")
        self.broker = Broker(
            self.children, self.directory / "broker", self.authority, port=self.broker_port
        )
        await self.broker.start()
        await self.server.start()

    async def command(self, *words: str) -> str:
        command = vigibip_command("post", *words, "--config", str(self.config))
        return await self.children.run(words[0], command)

    async def run(self, *before: str) -> Child:
        """Start the post; `before` is what starts its command."""
        command = [*before, *vigibip_command("post", "run", "--config", str(self.config))]
        self.post = await self.children.start("post", command)
        return self.post

    async def add_box(self, name: str) -> BoxClient:
        store = Store(self.data_dir / "post.sqlite")
        store.start()
        try:
            shop = await store.create_shop(name=name, spoken=name, address="12 rue des Lilas")
            up_key, down_key = os.urandom(32), os.urandom(32)
            await store.set_box_keys(shop.box_id, up_key=up_key, down_key=down_key, serial="1")
        finally:
            store.close()
        box = BoxClient(self, shop.box_id, up_key, down_key)
        self.boxes.append(box)
        await box.connect()
        return box

    def rows(self, query: str) -> list[Any]:
        """Read the file as it lies there, as another process would."""
        connection = sqlite3.connect(self.data_dir / "post.sqlite")
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    async def close(self) -> None:
        for box in self.boxes:
            await box.disconnect()
        await self.children.close()
        await self.server.close()
        await self.channel.close()


async def send_until_received(box: BoxClient, alerts: list[str], pace_s: float) -> None:
    """Do as a box does: send again what has no receipt, for ever."""
    sent_s: dict[str, float] = {}
    begun_s = time.monotonic()
    while set(box.accepted) != set(alerts):
        now_s = time.monotonic()
        assert now_s - begun_s < 90, "not every alert was received in time"
        due = alerts[: int((now_s - begun_s) / pace_s) + 1]
        for alert_id in set(due) - set(box.accepted):
            if now_s - sent_s.get(alert_id, 0) > 1.0:
                box.press(alert_id)
                sent_s[alert_id] = now_s
        await asyncio.sleep(0.02)


async def deliver(box: BoxClient, *alerts: str) -> None:
    """Have these received; the first may come before the post has subscribed."""
    await send_until_received(box, [*box.accepted, *alerts], pace_s=0.001)


async def press_until(box: BoxClient, alert: str, met: Callable[[], bool]) -> None:
    """Do as a box does without a receipt: the post may hear the broker later than its radio."""
    begun_s = time.monotonic()
    sent_s = 0.0
    while not met():
        now_s = time.monotonic()
        assert now_s - begun_s < 90, "the press had no effect in time"
        if now_s - sent_s > 1.0:
            box.press(alert)
            sent_s = now_s
        await asyncio.sleep(0.02)
