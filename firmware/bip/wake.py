"""One wake of a bip: the sender is told what the hardware brings, and done is what it says."""

import os
import time
from random import randrange

import esp32
import machine
import sender as core
from air import Air
from button import Button
from cryptolib import aes
from feel import Player
from storage import NAMESPACE, Storage
from wire.counter import ReservedCounter

_ECB = 1
# The button's count is looked at so often while the radio listens.
_SLICE_MS = 20
# Longer than anything that the program does in one go, flash included.
_WATCHDOG_MS = 10000


class Wake:
    """From the start to the next deep sleep. `board`: the module that holds the pins."""

    def __init__(self, board, settings, storage, button):
        self._board = board
        self._storage = storage
        self._button = button
        device_id, key, channel, receiver = settings
        # The RTC's time goes on through deep sleep; the ticks are finer and never jump.
        self._start_ticks = time.ticks_ms()
        self._start_ms: int = time.time_ns() // 1000000
        motor = machine.Pin(board.MOTOR, machine.Pin.OUT, value=0)
        self._player = Player(motor.value)
        self._air = Air(channel)
        self._measured = False
        self._sender = core.Sender(
            device_id,
            aes(key, _ECB).encrypt,
            ReservedCounter(storage.reserved, storage.reserve),
            randrange,
            self._now_ms(),
            storage.record,
            storage.time_is_known,
            channel,
            receiver,
        )
        self._sender.battery_mv = storage.battery_mv
        self._sender.rssi_dbm = storage.rssi_dbm
        self._sender.reset_cause = machine.reset_cause()
        self._sender.crashes = storage.crashes()
        self._watchdog = machine.WDT(timeout=_WATCHDOG_MS)

    def run(self) -> None:
        """Go on until there is nothing to stay awake for; ends in deep sleep."""
        if self._woken_by_press():
            self._tell(self._sender.press)
        while True:
            self._watchdog.feed()
            for _ in range(self._button.take()):
                self._tell(self._sender.press)
            now_ms = self._now_ms()
            self._player.step(now_ms, self._sender.next_send_ms())
            # What is no press waits until the motor is still.
            may_send = not self._player.on or self._sender.urgent()
            if may_send and now_ms >= self._sender.deadline_ms(now_ms):
                self._tell(self._sender.tick)
            rest_ms = self._sender.sleep_ms(now_ms)
            if rest_ms is not None and self._player.idle():
                self._sleep(rest_ms)
            heard = self._air.receive(self._pause_ms(now_ms))
            if heard is not None:
                address, data, rssi_dbm = heard
                self._do(self._sender.receive(self._now_ms(), address, data, rssi_dbm))

    def _now_ms(self) -> int:
        return self._start_ms + time.ticks_diff(time.ticks_ms(), self._start_ticks)

    def _pause_ms(self, now_ms: int) -> int:
        until_ms: int | None = self._player.due_ms()
        if until_ms is None or not self._player.on or self._sender.urgent():
            deadline_ms = self._sender.deadline_ms(now_ms)
            until_ms = deadline_ms if until_ms is None else min(until_ms, deadline_ms)
        return max(0, min(_SLICE_MS, until_ms - now_ms))

    def _woken_by_press(self) -> bool:
        """Whether this start is a button that went down, and not told to the sender before."""
        down = self._button.down_at_start
        if machine.reset_cause() == machine.DEEPSLEEP_RESET:
            if self._storage.held:
                # It slept with the button down, to be woken by the release: down now means that
                # it was let go and pressed again.
                return down and machine.wake_reason() != machine.TIMER_WAKE
            return down or machine.wake_reason() != machine.TIMER_WAKE
        # After a fall the button may still be down from the press that is on storage.
        return down and not self._sender.has_open()

    def _tell(self, event):
        try:
            actions = event(self._now_ms())
        except OSError:
            # The flash keeps no counter any more, and an alert goes all the same: the numbers of
            # this wake are out of a range of their own, which the box sees.
            self._sender.recount(ReservedCounter(self._storage.unused(), _forget))
            actions = event(self._now_ms())
        self._do(actions)

    def _do(self, actions: list[tuple]) -> None:
        for action in actions:
            kind = action[0]
            if kind == core.SEND:
                self._player.hush(self._now_ms())
                self._air.send(action[1], action[2])
                self._measure()
            elif kind == core.TUNE:
                self._air.tune(action[1])
            elif kind == core.FEEL:
                self._player.play(action[1], self._now_ms())
            elif kind == core.STORE:
                try:
                    self._storage.save(action[1])
                except OSError:
                    pass  # RTC memory has it; a worn-out flash must not keep a press back
            elif kind == core.LINK:
                try:
                    self._storage.save_link(action[1], action[2])
                except OSError:
                    pass  # the next wake hunts for it again

    def _measure(self) -> None:
        # Under the load of the radio, once a wake, after the first frame has left.
        if not self._measured:
            self._measured = True
            half_uv = machine.ADC(machine.Pin(self._board.BATTERY)).read_uv()
            self._storage.battery_mv = self._sender.battery_mv = half_uv * 2 // 1000

    def _sleep(self, rest_ms: int) -> None:
        self._air.stop()
        held = self._button.is_down()
        self._storage.held = held
        self._storage.rssi_dbm = self._sender.rssi_dbm
        self._storage.save_light(self._sender.record())
        # The chip wakes by level: a button that is still down must first be let go.
        level = esp32.WAKEUP_ANY_HIGH if held else esp32.WAKEUP_ALL_LOW
        # An S3 has this one and wakes from deep sleep by no other; a C3 has only the other.
        wake_on_ext0 = getattr(esp32, "wake_on_ext0", None)
        if wake_on_ext0 is not None:
            wake_on_ext0(self._button.pin, level)
        else:
            esp32.wake_on_gpio((self._button.pin,), level)
        machine.deepsleep(rest_ms)


def run(board):
    """Run the bip; returns only when it is not provisioned."""
    button = Button(board.BUTTON)
    storage = Storage(esp32.NVS(NAMESPACE), machine.RTC(), _random32)
    settings = storage.settings()
    if settings is not None:
        Wake(board, settings, storage, button).run()


def _forget(end: int) -> None:
    pass


def _random32() -> int:
    return int.from_bytes(os.urandom(4), "big")
