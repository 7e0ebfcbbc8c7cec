"""A start for an update alone: its pieces are asked for one by one, until all are there.

It has the heap for itself: nothing of what sends a press is loaded, and a press is what ends it at
once. The next start sends it, as after any sleep. It also ends a trial: a program that could not
be replaced again would be no good.
"""

import time
from random import randrange, seed

import machine
from air import Air
from asking import Asking
from cryptolib import aes
from press import unpack_record
from start import random32, sleep
from ticks import Clock
from trial import confirm, opened_state, signers
from update import Update
from voice import SEND, TUNE, Voice
from wire import frame, image, parcel
from wire.counter import ReservedCounter

_ECB = 1
_SLICE_MS = 20
_WATCHDOG_MS = 10000
# Asks that nobody answered, three tries each, before it is left to the next status: at a loss of a
# third each way one in ten goes so.
_SILENT_MAX = 6
# Until the usual program begins, or the new one.
_SWAP_MS = 100


class Fetch:
    """One start's."""

    def __init__(self, settings, storage, state):
        device_id, key, channel, receiver = settings
        self._now_ms = Clock(time.time_ns() // 1000000).now_ms
        seed(random32() ^ device_id)
        room = bytearray(image.HEAD_MAX)
        counter = ReservedCounter(storage.reserved, storage.reserve)
        self._voice = Voice(
            device_id, aes(key, _ECB).encrypt, counter, randrange, channel, receiver
        )
        self._asking = Asking(self._voice)
        self._update = Update(state, signers(), frozen_base(), room)
        self._air = Air(channel)
        self._silent = 0
        self._is_over = False

    def run(self, watchdog, button):
        """Ask until a press, or until nothing more is wanted."""
        while not button.pending() and not self._is_over:
            watchdog.feed()
            now_ms = self._now_ms()
            if self._asking.is_over:
                self._ask(now_ms)
            actions: list[tuple] = []
            self._asking.tick(now_ms, actions)
            for action in actions:
                if action[0] == TUNE and not self._air.tune(action[1]):
                    self._voice.aim.tuned = self._air.channel
                elif action[0] == SEND:
                    self._air.send(action[1], action[2])
            heard = self._air.receive(_SLICE_MS)
            if heard is not None:
                self._take(*heard)
        self._air.stop()

    def _ask(self, now_ms: int) -> None:
        wanted = self._update.wants()
        # Each ask counts until a piece that was wanted comes.
        self._silent += 1
        if wanted is None or self._silent > _SILENT_MAX:
            self._is_over = True
            return
        self._asking.ask(parcel.pack_ask(parcel.WANTS_UPDATE, *wanted), now_ms)

    def _take(self, address: bytes, data: bytes, rssi_dbm: int) -> None:
        opened = self._voice.open(data)
        if opened is None:
            return
        kind, down, payload = opened
        if not self._asking.takes(int.from_bytes(payload[:4], "big")):
            return
        self._voice.heard(down, address, rssi_dbm, [])
        if kind != frame.UPDATE:
            self._is_over = True  # the box keeps none any more
            return
        try:
            _, name, pieces, piece, given = parcel.unpack_update(payload)
        except ValueError:
            return
        if self._update.take(name, pieces, piece, given):
            self._silent = 0


def frozen_base() -> bytes:
    """Return what names the frozen build that this bip has, image.NO_BASE for none."""
    try:
        from frozen_mark import DIGEST  # type: ignore[import-not-found]
    except ImportError:
        return image.NO_BASE
    return bytes.fromhex(DIGEST[:16])


def run(button, storage):
    """Fetch, or end a trial; ends in deep sleep."""
    watchdog = machine.WDT(timeout=_WATCHDOG_MS)
    settings = storage.settings()
    kept = unpack_record(storage.record)
    try:
        state = opened_state()
        if state.on_trial():
            confirm(state)
        elif settings is not None and not (kept and kept[0]):
            Fetch(settings, storage, state).run(watchdog, button)
    except OSError:
        pass  # the flash takes no more: what is in force stays in force
    while not button.pending():
        sleep(button, storage, _SWAP_MS)
    # The next start's, and no new program's.
    storage.untold = True
    try:
        opened_state().withdraw()
    except OSError:
        pass
    sleep(button, storage, 1)
