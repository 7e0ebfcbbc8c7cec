"""One wake of a bip: the sender is told what the hardware brings, and done is what it says."""

import time
from random import randrange, seed

import machine
import sender as core
from air import Air
from cryptolib import aes
from feel import Player
from settings import Settings
from start import is_stuck, random32, sleep
from ticks import Clock
from wire import frame
from wire.counter import ReservedCounter

_ECB = 1
# The button's count is looked at so often while the radio listens.
_SLICE_MS = 20
# Longer than anything that the program does in one go, flash included.
_WATCHDOG_MS = 10000
# A button that is held keeps the bip awake for so long: awake, the chip sees every edge, but none
# in the start that a release would cause.
_HOLD_MS = 60000
# Until a start that is for an update.
_SWAP_MS = 100
# Beyond what an ear hears.
_PWM_HZ = 20000
_FULL = 65535


class Wake:
    """From the start to the next deep sleep. `board`: the module that holds the pins."""

    def __init__(self, board, settings, storage, button, on_trial):
        self._board = board
        self._storage = storage
        self._button = button
        device_id, key, channel, receiver = settings
        self._watchdog = machine.WDT(timeout=_WATCHDOG_MS)
        # The RTC's time goes on through deep sleep; the ticks are finer and never jump.
        self._now_ms = Clock(time.time_ns() // 1000000).now_ms
        # The chip's chance is weak before its radio is on; two bips must not keep step even so.
        seed(random32() ^ device_id)
        motor = machine.Pin(board.MOTOR, machine.Pin.OUT, value=0)
        self._motor = machine.PWM(motor, freq=_PWM_HZ, duty_u16=0)
        self._led = machine.Pin(board.LED, machine.Pin.OUT, value=0)
        self._player = Player(self._shake)
        self._settings = Settings(storage.options())
        self._player.is_silent = not self._settings.strength_pct
        self._gestures = gestures_of(self._settings)
        self._errands = None
        self._on_trial = on_trial
        # Switched on when it is first needed: its start is what a weak cell gives way under, and a
        # press is on storage before that.
        self._air: Air | None = None
        self._channel = channel
        self._measured = False
        self._awake_until_ms = 0
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
            self._settings.status_min,
            self._settings.edition,
        )
        self._sender.voice.rssi_dbm = storage.rssi_dbm
        reports = self._reports = self._sender.reports
        reports.reset_cause = machine.reset_cause()
        reports.crashes, *reports.last_crash = storage.crashes()
        reports.complain(frame.LAST_RESORT, storage.resorted)
        self._note_battery(storage.battery_mv)
        stuck = is_stuck(button, storage)
        reports.complain(frame.BUTTON_STUCK, stuck)
        if storage.starts or (stuck and not storage.stuck):
            # The box is told of a fall, and of a button that sticks, as soon as may be.
            reports.due_ms = self._now_ms()
        storage.stuck = stuck
        if on_trial:
            reports.due_ms = self._now_ms()  # its answer shows that this program works

    def run(self) -> None:
        """Go on until there is nothing to stay awake for; ends in deep sleep."""
        while True:
            self._watchdog.feed()
            while self._button.pending():
                self._press()
            now_ms = self._now_ms()
            self._follow_hand(now_ms)
            self._run_errands(now_ms)
            self._player.step(now_ms, self._sender.next_send_ms())
            # What is no press waits until the motor is still.
            may_send = not self._player.on or self._sender.urgent()
            if may_send and now_ms >= self._sender.deadline_ms(now_ms):
                self._tell(self._sender.tick)
            rest_ms = self._sender.sleep_ms(now_ms)
            if rest_ms is not None and self._player.idle() and self._may_sleep(now_ms):
                self._sleep(rest_ms)
                continue  # pressed at the last moment
            heard = self._radio().receive(self._pause_ms(now_ms))
            if heard is not None:
                address, data, rssi_dbm = heard
                self._do(self._sender.receive(self._now_ms(), address, data, rssi_dbm))

    def _press(self) -> None:
        now_ms = self._now_ms()
        self._awake_until_ms = now_ms + _HOLD_MS
        self._player.clear(now_ms)
        severity = self._gestures.pressed(now_ms) if self._gestures else 0
        actions = self._asked(lambda at_ms: self._sender.press(at_ms, severity))
        # The first stores it; whatever falls before, the next start counts it again.
        self._storage.untold = self._button.pending() > 1
        self._do(actions[:1])
        self._button.told()
        self._do(actions[1:])

    def _follow_hand(self, now_ms: int) -> None:
        gestures = self._gestures
        if gestures is None:
            return
        ticks = time.ticks_ms()
        for is_down, at in self._button.take_edges():
            gestures.edge(is_down, now_ms - time.ticks_diff(ticks, at))
        mark = gestures.mark(now_ms)
        if mark:
            self._tell(lambda at_ms: self._sender.mark(at_ms, mark))

    def _run_errands(self, now_ms: int) -> None:
        # One wake's are begun once, and never while a press is open.
        if self._errands is None and self._sender.waiting and not self._sender.has_open():
            from errands import Errands

            self._errands = Errands(self._sender, self._settings.edition, self._settle)
            self._errands.begin(now_ms)

    def _settle(self, packed: bytes) -> None:
        try:
            self._storage.save_options(packed)
        except OSError:
            self._reports.count_failed_store()
            return  # the box sees the old edition, and gives them again
        settings = self._settings = Settings(packed)
        self._gestures = gestures_of(settings)
        self._player.is_silent = not settings.strength_pct
        self._reports.settle(self._now_ms(), settings.status_min, settings.edition)
        self._note_battery(self._reports.battery_mv)

    def _shake(self, on: bool) -> None:
        self._motor.duty_u16(self._settings.strength_pct * _FULL // 100 if on else 0)
        if self._settings.led:
            self._led.value(on)

    def _may_sleep(self, now_ms: int) -> bool:
        if self._gestures and self._gestures.is_pending():
            return False
        return now_ms >= self._awake_until_ms or not self._button.is_down()

    def _radio(self) -> Air:
        if self._air is None:
            self._air = Air(self._channel)
        return self._air

    def _pause_ms(self, now_ms: int) -> int:
        until_ms: int | None = self._player.due_ms()
        if until_ms is None or not self._player.on or self._sender.urgent():
            deadline_ms = self._sender.deadline_ms(now_ms)
            until_ms = deadline_ms if until_ms is None else min(until_ms, deadline_ms)
        return max(0, min(_SLICE_MS, until_ms - now_ms))

    def _tell(self, event):
        self._do(self._asked(event))

    def _asked(self, event):
        try:
            return event(self._now_ms())
        except OSError:
            # The flash keeps no counter any more, and an alert goes all the same: the numbers of
            # this wake are out of a range of their own, which the box sees.
            self._sender.recount(ReservedCounter(self._storage.unused(), _forget))
            return event(self._now_ms())

    def _do(self, actions: list[tuple]) -> None:
        for action in actions:
            # A jammed channel can hold up each transmission for two seconds.
            self._watchdog.feed()
            kind = action[0]
            if kind == core.SEND:
                self._player.hush(self._now_ms())
                if not self._radio().send(action[1], action[2]):
                    self._reports.count_failed_send()
                self._measure()
            elif kind == core.TUNE:
                if not self._radio().tune(action[1]):
                    self._sender.stay_on(self._radio().channel)
                self._channel = self._radio().channel
            elif kind == core.FEEL:
                self._player.play(action[1], self._now_ms())
            elif kind == core.STORE:
                # Should this start fall: a button that is down then is no further press.
                self._storage.held = self._button.is_down()
                try:
                    self._storage.save(action[1])
                except OSError:
                    # RTC memory has it; a worn-out flash must not keep a press back.
                    self._reports.count_failed_store()
            elif kind == core.LINK:
                try:
                    self._storage.save_link(action[1], action[2])
                except OSError:
                    self._reports.count_failed_store()  # the next wake hunts for it again
            elif kind == core.GIVEN and self._errands is not None:
                self._errands.take(action[1], action[2])

    def _measure(self) -> None:
        # Under the load of the radio, once a wake, after the first frame has left.
        if not self._measured:
            self._measured = True
            half_uv = machine.ADC(machine.Pin(self._board.BATTERY)).read_uv()
            self._storage.battery_mv = half_uv * 2 // 1000
            self._note_battery(self._storage.battery_mv)

    def _note_battery(self, battery_mv: int) -> None:
        self._reports.battery_mv = battery_mv
        self._reports.complain(frame.BATTERY_LOW, 0 < battery_mv < self._settings.battery_low_mv)

    def _sleep(self, rest_ms: int) -> None:
        if self._air is not None:
            self._air.stop()
            self._air = None
        self._storage.rssi_dbm = self._sender.voice.rssi_dbm
        self._storage.resorted = bool(self._reports.complaints & frame.LAST_RESORT)
        self._storage.starts = 0
        self._storage.save_light(self._sender.record())
        sleep(self._button, self._storage, _SWAP_MS if self._requests_fetch() else rest_ms)

    def _requests_fetch(self) -> bool:
        """Whether the next start is fetch.py's: for an update, or for the end of a trial."""
        if self._on_trial:
            wanted = self._sender.voice.has_heard()
        else:
            wanted = bool(self._sender.waiting & frame.UPDATE_WAITS)
            wanted = wanted and not self._reports.complaints & frame.BATTERY_LOW
        if not wanted or self._sender.has_open():
            return False
        import slots

        try:
            slots.request()
        except OSError:
            return False
        return True


def gestures_of(settings):
    """Return what follows the hand, None when nothing but presses may be said: not loaded then."""
    if not settings.gestures:
        return None
    from gesture import Gestures

    return Gestures(settings.gestures)


def run(board, button, storage, on_trial):
    """Run the bip; returns only when it is not provisioned."""
    settings = storage.settings()
    if settings is None:
        # Whoever provisions it resets it as often as he likes.
        storage.starts = 0
        storage.note()
        return
    Wake(board, settings, storage, button, on_trial).run()


def _forget(end: int) -> None:
    pass
