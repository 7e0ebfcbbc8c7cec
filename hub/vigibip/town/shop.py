"""One simulated shop: its two bips and its receiver, in the air; its box; its line to the post."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from vigibip.alert.ids import AlertId
from vigibip.town.air import Air, Antenna, Way
from vigibip.town.device import Device, DeviceHooks, DeviceState, Feel, provision_bip
from vigibip.town.errors import HopError
from vigibip.town.plans import RADIO_CHANNEL
from vigibip.town.stamps import Stamps
from vigibip.town.timeline import PRESS, SENT, STAGES
from vigibip.wire import frame

_BOOT_DEADLINE_S = 20.0
# A finger stays down about so long.
_HOLD_S = 0.15


@dataclass(slots=True)
class Press:
    """One push of a button, and what its bearer felt afterwards."""

    bip: Bip
    pressed_ns: int
    alert_id: str | None = None
    """Known from the first frame on."""
    felt: list[tuple[Feel, int]] = field(default_factory=list)
    """Each with its time in nanoseconds of CLOCK_MONOTONIC."""


class Bip:
    """A bip of the town: the device, its key, and every press of it."""

    def __init__(
        self,
        air: Air,
        stamps: Stamps,
        directory: Path,
        *,
        name: str,
        mac: bytes,
        sample_heap: bool = False,
    ) -> None:
        self.name = name
        self.device_id = secrets.randbits(32) or 1
        self.key = secrets.token_bytes(16)
        self.presses: list[Press] = []
        self.felt_listeners: list[Callable[[Press, Feel, int], None]] = []
        self.unexplained: list[str] = []
        """What this bip did that it should not have."""
        self._stamps = stamps
        self._directory = directory
        self._sent = asyncio.Event()
        self._seen: set[int] = set()
        encryptor = Cipher(algorithms.AES(self.key), modes.ECB()).encryptor()  # noqa: S305 - CCM's
        self._encrypt_block = encryptor.update
        hooks = DeviceHooks(on_transmit=self._on_transmit, on_feel=self._on_feel)
        self.device = Device(directory, "bip", mac=mac, hooks=hooks, sample_heap=sample_heap)
        self._antenna = _antenna(air, Way.UP, self.device)

    async def start(self) -> None:
        """Provision the device, power it, and return once it sleeps."""
        provision_bip(
            self._directory, device_id=self.device_id, key=self.key, channel=RADIO_CHANNEL
        )
        await self.device.start()
        await self.device.wait_state(DeviceState.ASLEEP, timeout_s=_BOOT_DEADLINE_S)

    def press(self) -> Press:
        """Push the button, now, and let it go after as long as a finger takes."""
        press = Press(self, time.monotonic_ns())
        self.presses.append(press)
        self.device.press()
        asyncio.get_running_loop().call_later(_HOLD_S, self.device.release)
        return press

    async def alert_id(self, press: Press, deadline_s: float) -> str:
        """Return the alert id of `press` once its first frame is in the air. Raises HopError."""
        try:
            async with asyncio.timeout(deadline_s):
                while press.alert_id is None:
                    self._sent.clear()
                    await self._sent.wait()
        except TimeoutError as error:
            raise HopError(SENT, f"{STAGES[SENT]}: rien après {deadline_s:.0f} s") from error
        return press.alert_id

    async def close(self) -> None:
        self._antenna.leave()
        await self.device.close()

    def _on_transmit(self, channel: int, mac: bytes, sent: bytes) -> None:
        now_ns = time.monotonic_ns()
        self._antenna.send(channel, mac, sent)
        try:
            kind, device_id, _, payload = frame.open_frame(self._encrypt_block, sent)
        except frame.FrameError as error:
            self.unexplained.append(f"{self.name} sent what its own key does not open: {error}")
            return
        if kind != frame.PRESS:
            return
        number = frame.unpack_press(payload)[0]
        if number in self._seen:
            return
        self._seen.add(number)
        waiting = next((press for press in self.presses if press.alert_id is None), None)
        if waiting is None:
            self.unexplained.append(f"{self.name} sent a press that nobody made")
            return
        waiting.alert_id = str(AlertId(device_id, number))
        self._stamps.record(PRESS, waiting.alert_id, waiting.pressed_ns)
        self._stamps.record(SENT, waiting.alert_id, now_ns)
        self._sent.set()

    def _on_feel(self, feel: Feel, at_s: float) -> None:
        if not self.presses:
            return
        press = self.presses[-1]
        at_ns = int(at_s * 1e9)
        press.felt.append((feel, at_ns))
        if press.alert_id is not None:
            self._stamps.record(f"bip.{feel.value}", press.alert_id, at_ns)
        for listener in self.felt_listeners:
            listener(press, feel, at_ns)


class Receiver:
    """The receiver on a box's USB port, in the air."""

    def __init__(self, air: Air, directory: Path, mac: bytes) -> None:
        self.device = Device(
            directory, "receiver", mac=mac, hooks=DeviceHooks(on_transmit=self._on_transmit)
        )
        self._antenna = _antenna(air, Way.DOWN, self.device)
        self._antenna.on_taken = self.device.air_taken

    async def close(self) -> None:
        self._antenna.leave()
        await self.device.close()

    def _on_transmit(self, channel: int, mac: bytes, sent: bytes) -> None:
        self._antenna.send(channel, mac, sent)


def _antenna(air: Air, way: Way, device: Device) -> Antenna:
    def deliver(rssi_dbm: int, mac: bytes, heard: bytes) -> None:
        if device.channel is not None:
            device.deliver(mac, heard, rssi_dbm=rssi_dbm, channel=device.channel)

    return air.attach(way, device.mac, lambda: device.channel, deliver)
