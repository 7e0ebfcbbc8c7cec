"""What a bip is told: one sealed reply to one frame, by the way that the frame came."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable

from vigibip.base.errors import StorageError
from vigibip.box.alerts import BoxAlert
from vigibip.box.devices import Device
from vigibip.box.faults import FaultCode, Faults
from vigibip.box.link import ReceiverLink
from vigibip.box.store import Store
from vigibip.wire import frame

_log = logging.getLogger(__name__)


class Replier:
    """Seals replies with counters that the disk has reserved ahead; never waits."""

    def __init__(self, link: ReceiverLink, store: Store, faults: Faults) -> None:
        self._link = link
        self._store = store
        self._faults = faults
        self._reserving: set[asyncio.Task[None]] = set()
        self.counts: Counter[str] = Counter()
        self.waiting: Callable[[Device], int] = lambda _device: 0
        """What a reply says is waiting for the bip (wire.frame.*_WAIT)."""

    @property
    def busy(self) -> bool:
        return bool(self._reserving)

    def tell_press(self, device: Device, mac: bytes, counter: int, alert: BoxAlert) -> None:
        """Answer a press frame with the alert's state; nothing while it is not on a disk."""
        state = alert.told
        if state == frame.STATE_NONE:
            self.counts["withheld"] += 1
            return
        self.tell(device, mac, counter, alert.alert_id.press, state)

    def tell(self, device: Device, mac: bytes, answered: int, press: int, state: int) -> None:
        """Answer the frame with up-counter `answered`: `press` (0: none) stands at `state`."""
        payload = frame.pack_reply(answered, press, state, self.waiting(device))
        self.give(device, mac, frame.REPLY, payload)

    def give(self, device: Device, mac: bytes, kind: int, payload: bytes) -> None:
        """Send a frame of `kind`, sealed."""
        counter = device.take_down_counter()
        self.reserve([device])
        if counter is None:
            self.counts["no_counter"] += 1
            _log.warning("device %08x: no reply, no counter is reserved", device.device_id)
            return
        sealed = frame.seal_frame(device.encrypt_block, kind, device.device_id, counter, payload)
        self._link.send(mac, sealed)
        self.counts["sent"] += 1

    def reserve(self, devices: Iterable[Device]) -> None:
        """Start reserving counters for those that run low; one write for all of them."""
        wanted = [(device, end) for device in devices if (end := device.down_wanted()) is not None]
        if not wanted:
            return
        for device, _ in wanted:
            device.down_reserving = True
        task = asyncio.create_task(self._reserve(wanted))
        self._reserving.add(task)
        task.add_done_callback(self._reserving.discard)

    async def _reserve(self, wanted: list[tuple[Device, int]]) -> None:
        try:
            await self._store.reserve_down([(device.device_id, end) for device, end in wanted])
        except StorageError as error:
            # The next reply asks again; until then what is left of the block is used.
            self._faults.begin(FaultCode.STORAGE, str(error), "counters")
        else:
            self._faults.clear(FaultCode.STORAGE, "counters")
            for device, end in wanted:
                device.down_reserved(end)
        finally:
            for device, _ in wanted:
                device.down_reserving = False
