"""One shop of the town in real time: its devices, its box's process, its modem, its line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vigibip.base.config import load_settings
from vigibip.base.errors import PeerError
from vigibip.box.config import BoxSettings
from vigibip.box.control import ask
from vigibip.town.children import Child, vigibip_command
from vigibip.town.errors import TownError
from vigibip.town.mobile import box_number
from vigibip.town.network import NetworkLink
from vigibip.town.plans import BIPS_A_SHOP, RADIO_CHANNEL, ShopPlan, plan_of
from vigibip.town.provision import BoxProvision, TomlTable, lead_through, write_toml
from vigibip.town.shop import Bip, Receiver
from vigibip.town.together import together

if TYPE_CHECKING:
    from vigibip.town.real import Town

_READY_DEADLINE_S = 45.0
_LOOK_S = 0.05


class Shop:
    """One shop of the running town."""

    def __init__(self, town: Town, number: int) -> None:
        self.number = number
        self.plan: ShopPlan = plan_of(number)
        self.label = f"box-{number}"
        self.box: Child | None = None
        self._town = town
        directory = town.place.make(f"shop-{number}")
        mac = bytes((0x02, 0x56, 0x42, number >> 8, number & 0xFF, 0))
        self.receiver = Receiver(town.air, directory / "receiver", mac)
        self.bips = [
            Bip(
                town.air,
                town.stamps,
                directory / f"bip-{index}",
                name=f"bip {index}",
                mac=mac[:5] + bytes((index,)),
                sample_heap=town.plan.sample_heap,
            )
            for index in range(1, BIPS_A_SHOP + 1)
        ]
        self.network = NetworkLink(
            "127.0.0.1", town.broker_port, delay_ms=town.plan.network_delay_ms
        )
        self._config = directory / "box.toml"
        self._commands = BoxProvision(town.children, self.label, self._config)
        self._data_dir = directory / "box"
        self.number_of_sim = box_number(number)
        self._modem_port = directory / "modem"

    @property
    def settings(self) -> BoxSettings:
        return load_settings(BoxSettings, self._config)

    async def fit_out(self) -> None:
        """Power the devices and pair the bips: all that needs no post yet."""
        await self.network.start()
        self._data_dir.mkdir(mode=0o700)
        if self._town.mobile is not None:
            self._town.mobile.at_terminal(self.number_of_sim, self._modem_port)
        self._write_config()
        await together(
            *(self._commands.pair(bip.device_id, bip.name, bip.key) for bip in self.bips),
            self.receiver.device.start(),
            *(bip.start() for bip in self.bips),
        )

    async def join(self) -> None:
        """Enrol the box at the running post, and power it."""
        phone = None if self._town.mobile is None else self.number_of_sim
        token = await self._town.post_commands.enrol(self.plan, phone)
        await self._town.wait_enrolment_served()
        await self._commands.enrol(token)
        lead_through(self.settings, self.network.host, self.network.port)
        await self.start_box()
        await self.wait_connected()

    def _write_config(self) -> None:
        write_toml(
            self._config,
            {
                "data_dir": str(self._data_dir),
                "receiver_port": str(self.receiver.device.port_path),
                "radio_channel": RADIO_CHANNEL,
                "has_rtc": True,
                **self._sms_table(),
                **self._town.plan.box,
            },
        )

    def _sms_table(self) -> TomlTable:
        if self._town.mobile is None:
            return {}
        plan = self._town.mobile.plan
        return {
            "sms": {
                "rate_per_min": plan.rate_per_min,
                "modem": {"port": str(self._modem_port)},
                "probe": {"soon_s": plan.probe_soon_s},
            }
        }

    async def wait_connected(self) -> None:
        """Return once the box has its receiver and each of its ways to the post.

        Raises TownError.
        """

        def is_ready(told: dict[str, Any]) -> bool:
            return not told["faults"] and all(carrier["up"] for carrier in told["carriers"])

        await self._wait_told(is_ready, "n'est pas prêt")

    async def wait_data_down(self) -> None:
        """Return once the box knows that it has no data. Raises TownError."""

        def is_down(told: dict[str, Any]) -> bool:
            return any(one["name"] == "data" and not one["up"] for one in told["carriers"])

        await self._wait_told(is_down, "a encore des données")

    async def _wait_told(self, holds: Callable[[dict[str, Any]], bool], otherwise: str) -> None:
        deadline_s = self._town.clock.monotonic_s() + _READY_DEADLINE_S
        told: dict[str, Any] = {"faults": []}
        while True:
            try:
                told = await asyncio.to_thread(ask, self.settings.control_path, "status")
                if holds(told):
                    return
            except PeerError:
                pass  # it does not listen yet
            if self._town.clock.monotonic_s() > deadline_s:
                faults = [fault["text"] for fault in told["faults"]]
                tail_text = self.box.log_tail() if self.box else ""
                raise TownError(f"{self.label} {otherwise} : {faults}\n{tail_text}")
            await self._town.clock.sleep(_LOOK_S)

    async def start_box(self) -> None:
        """Power the box, for the first time or again."""
        command = vigibip_command("box", "run", "--config", str(self._config))
        self.box = await self._town.children.start(self.label, command)

    async def kill_box(self) -> None:
        """Cut the box's power."""
        if self.box is not None:
            await self.box.kill()

    async def close(self) -> None:
        for bip in self.bips:
            await bip.close()
        await self.receiver.close()
        await self.network.stop()
