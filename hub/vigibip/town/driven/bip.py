"""A bip in driven time: the firmware's own sender, run by CPython, with an antenna and a palm."""

from __future__ import annotations

import asyncio
import random
import secrets
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from vigibip.alert.ids import AlertId
from vigibip.base.clock import Clock
from vigibip.town import device_tree
from vigibip.town.air import Air, Way
from vigibip.wire import counter, frame


@dataclass(frozen=True, slots=True)
class Felt:
    """What the palm felt, and when."""

    name: str
    at_s: float


@dataclass(slots=True)
class _Flash:
    """What outlasts a deep sleep: the counters' reservation, the open presses, the known radio."""

    reserved: int = 0
    record: bytes | None = None
    channel: int = 6
    receiver: bytes = b"\xff" * 6


class DrivenBip:
    """One bip. Between a deep sleep and the next wake nothing lives but its flash."""

    def __init__(self, clock: Clock, air: Air, mac: bytes, *, channel: int, seed: int) -> None:
        self.device_id = random.Random(seed).getrandbits(32) | 1
        self.key = secrets.token_bytes(16)
        self.mac = mac
        self.felt: list[Felt] = []
        self.alert_ids: list[str] = []
        """Every press of this bip that reached the air, in order."""
        self._core = device_tree.load("bip", "sender")
        self._clock = clock
        self._random = random.Random(seed)
        self._flash = _Flash(channel=channel)
        self._sender: Any = None
        self._tuned: int | None = None
        self._timer: asyncio.Task[None] | None = None
        encryptor = Cipher(algorithms.AES(self.key), modes.ECB()).encryptor()  # noqa: S305 - CCM's
        self._encrypt_block = encryptor.update
        self._antenna = air.attach(Way.UP, mac, lambda: self._tuned, self._hear)

    @property
    def asleep(self) -> bool:
        return self._sender is None

    def press(self) -> None:
        """Push the button."""
        sender = self._awake()
        self._do(sender.press(self._now_ms()))

    def mark(self, mark: int) -> None:
        """Make a rhythm that marks the newest press: wire.frame's WITHDRAWN or DURESS."""
        sender = self._awake()
        self._do(sender.mark(self._now_ms(), mark))

    def close(self) -> None:
        self._antenna.leave()
        self._stop_timer()

    def _now_ms(self) -> int:
        return round(self._clock.monotonic_s() * 1000)

    def _awake(self) -> Any:
        if self._sender is None:
            flash = self._flash
            self._tuned = flash.channel
            self._sender = self._core.Sender(
                device_id=self.device_id,
                encrypt_block=self._encrypt_block,
                counter=counter.ReservedCounter(flash.reserved, self._reserve),
                random=self._random.randrange,
                now_ms=self._now_ms(),
                record=flash.record,
                channel=flash.channel,
                receiver=flash.receiver,
                known_time=True,
            )
        return self._sender

    def _reserve(self, end: int) -> None:
        self._flash.reserved = end

    def _hear(self, rssi_dbm: int, mac: bytes, heard: bytes) -> None:
        # A reply may come while a frame is still being sent: it waits its turn, as in a radio.
        asyncio.get_running_loop().call_soon(self._receive, rssi_dbm, mac, heard)

    def _receive(self, rssi_dbm: int, mac: bytes, heard: bytes) -> None:
        if self._sender is not None:
            self._do(self._sender.receive(self._now_ms(), mac, heard, rssi_dbm))

    def _set_timer(self) -> None:
        self._stop_timer()
        now_ms = self._now_ms()
        sleep_ms = self._sender.sleep_ms(now_ms)
        if sleep_ms is None:
            wait_ms = self._sender.deadline_ms(now_ms) - now_ms
        else:
            self._flash.record = self._sender.record()
            self._sender = None
            self._tuned = None
            wait_ms = sleep_ms
        self._timer = asyncio.get_running_loop().create_task(self._tick_in(wait_ms / 1000))

    async def _tick_in(self, wait_s: float) -> None:
        await self._clock.sleep(wait_s)
        self._timer = None
        self._do(self._awake().tick(self._now_ms()))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _do(self, actions: list[tuple[Any, ...]]) -> None:
        core = self._core
        for action in actions:
            if action[0] == core.STORE:
                self._flash.record = action[1]
            elif action[0] == core.TUNE:
                self._tuned = action[1]
            elif action[0] == core.SEND:
                self._note(action[1])
                if self._tuned is not None:
                    self._antenna.send(self._tuned, action[2], action[1])
            elif action[0] == core.FEEL:
                self.felt.append(Felt(action[1], self._clock.monotonic_s()))
            elif action[0] == core.LINK:
                self._flash.channel, self._flash.receiver = action[1], action[2]
        self._set_timer()

    def _note(self, sent: bytes) -> None:
        kind, device_id, _, payload = frame.open_frame(self._encrypt_block, sent)
        if kind == frame.PRESS:
            alert_id = str(AlertId(device_id, frame.unpack_press(payload)[0]))
            if alert_id not in self.alert_ids:
                self.alert_ids.append(alert_id)
