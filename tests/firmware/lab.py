"""A bip in the real interpreter on a bench: its air, its palm, and an honest box behind both."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from tests.firmware.honest_box import CHANNEL, DEVICE_ID, ENCRYPT, KEY, RECEIVER, Box
from vigibip.town import device_tree
from vigibip.town.device import Device, DeviceHooks, DeviceState, Feel, provision_bip
from vigibip.wire import frame

# No finger is faster; the bip takes a second fall of the level within it for a bounce.
_BOUNCE_S = 0.04
BIP_MAC = b"\x02bipA1"


async def until(condition: Callable[[], object], what: str, timeout_s: float = 20.0) -> None:
    """Return once `condition` holds; fail with `what` after `timeout_s`."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"not in time: {what}"
        await asyncio.sleep(0.002)


def plant(
    monkeypatch: pytest.MonkeyPatch,
    directory: Path,
    name: str,
    *,
    append: str = "",
    **replaced: str,
) -> None:
    """Lay a changed `name` on the flash at each start: constants replaced, text appended."""
    sources = device_tree.sources

    def changed_sources(role: device_tree.Role, board: str = "esp32_c3") -> dict[str, Path]:
        found = sources(role, board)
        source = found[name].read_text()
        for constant, value in replaced.items():
            source, count = re.subn(rf"(?m)^{constant} = .*$", f"{constant} = {value}", source)
            assert count == 1, f"{name} has no {constant}"
        found[name] = directory / f"changed_{name}"
        found[name].write_text(source + append)
        return found

    monkeypatch.setattr(device_tree, "sources", changed_sources)


class Lab:
    """One provisioned bip. `hears`: whether the box gets what is sent; `stores`: and keeps it."""

    def __init__(self, directory: Path, **options: Any) -> None:
        self.directory = directory
        self.box = Box()
        self.hears = True
        self.stores = True
        self.channel = CHANNEL
        self.sent: list[tuple[int, int, int, int]] = []
        """(kind, counter, press, wake number of it or 0) of each frame."""
        self.felt: list[Feel] = []
        self.halted: list[str] = []
        self.states: list[DeviceState] = []
        self.first_frame_s = 0.0
        self.used: dict[int, bytes] = {}
        self.motor_on = False
        self.transmitted_with_motor_on = 0
        hooks = DeviceHooks(
            on_transmit=self._on_transmit,
            on_feel=lambda feel, _: self.felt.append(feel),
            on_motor=self._on_motor,
            on_state=self.states.append,
            on_halt=self.halted.append,
        )
        self.device = Device(directory, "bip", mac=BIP_MAC, hooks=hooks, **options)
        provision_bip(directory, device_id=DEVICE_ID, key=KEY, channel=CHANNEL)

    async def __aenter__(self) -> Lab:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.device.close()

    async def asleep(self) -> None:
        await self.device.wait_state(DeviceState.ASLEEP, timeout_s=20)

    async def start(self) -> None:
        """Power it and wait until its first status is behind it."""
        await self.device.start()
        await self.asleep()
        self.sent.clear()

    async def press(self) -> int:
        """Push the button; return the press's number once its frame is in the air."""
        known = {press for kind, _, press, _ in self.sent if kind == frame.PRESS}
        fresh: list[int] = []

        def came() -> bool:
            fresh[:] = [
                press
                for kind, _, press, _ in self.sent
                if kind == frame.PRESS and press not in known
            ]
            return bool(fresh)

        self.device.press()
        await until(came, "the press's first frame")
        return fresh[0]

    async def let_go(self) -> None:
        """Release the button, and leave it alone for as long as a contact may bounce."""
        self.device.release()
        await asyncio.sleep(_BOUNCE_S)

    async def feels(self, *feels: Feel) -> None:
        await until(lambda: self.felt[-len(feels) :] == list(feels), f"{feels} after {self.felt}")

    async def asleep_for_good(self, rest_s: float = 1.0) -> None:
        """Return once it has not woken for `rest_s`: what it had to do is done."""
        wakes = -1
        while wakes != self.device.wakes:
            wakes = self.device.wakes
            await self.asleep()
            await asyncio.sleep(rest_s)

    def press_payloads(self) -> list[bytes]:
        """Return what each frame of a press said."""
        opened = [frame.open_frame(ENCRYPT, sealed) for sealed in self.used.values()]
        return [payload for kind, _, _, payload in opened if kind == frame.PRESS]

    def of_kind(self, kind: int) -> list[tuple[int, int, int, int]]:
        return [entry for entry in self.sent if entry[0] == kind]

    def _on_transmit(self, channel: int, address: bytes, sealed: bytes) -> None:
        assert address in (RECEIVER, b"\xff" * 6)
        kind, _, counter, payload = frame.open_frame(ENCRYPT, sealed)
        assert self.used.setdefault(counter, sealed) == sealed, "a counter was used twice"
        self.transmitted_with_motor_on += self.motor_on
        press = wake = 0
        if kind == frame.PRESS:
            press, _, _, _, _, _, wake, _, _ = frame.unpack_press(payload)
        elif kind == frame.POLL:
            press = frame.unpack_poll(payload)
        self.sent.append((kind, counter, press, wake))
        if self.hears and channel == self.channel:
            reply = self.box.take(sealed, stores=self.stores)
            self.device.deliver(RECEIVER, reply, rssi_dbm=-57, channel=channel)

    def _on_motor(self, on: bool, _: float) -> None:
        self.motor_on = on
