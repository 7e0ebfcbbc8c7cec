"""The bip's own files in the real MicroPython interpreter, with the heap of a small ESP32."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from tests.firmware.honest_box import ENCRYPT
from tests.firmware.lab import Lab, plant, until
from vigibip.town.device import DeviceState, Feel
from vigibip.wire import frame

# No finger is faster; the bip takes a second fall of the level within it for a bounce.
_BOUNCE_S = 0.04

pytestmark = [
    pytest.mark.requires_program("micropython"),
    pytest.mark.xdist_group("interpreter"),
]


async def test_a_press_is_heard_delivered_answered_and_felt(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.start()
        number = await lab.press()
        await lab.feels(Feel.HEARD)
        lab.device.release()
        lab.box.raise_to(number, frame.STATE_DELIVERED)
        await lab.feels(Feel.DELIVERED)
        lab.box.raise_to(number, frame.STATE_COMING)
        await lab.feels(Feel.COMING)
        await lab.asleep()
        assert lab.felt == [Feel.HEARD, Feel.DELIVERED, Feel.COMING]
        assert lab.transmitted_with_motor_on == 0
        assert lab.halted == []
        assert lab.device.wakes == 2


async def test_every_wake_is_a_fresh_interpreter_with_fresh_counters(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.start()
        for wake in range(2, 5):
            number = await lab.press()
            lab.device.release()
            lab.box.raise_to(number, frame.STATE_COMING)
            await lab.feels(Feel.COMING)
            await lab.asleep()
            assert lab.device.wakes == wake
        numbers = {press for kind, _, press, _ in lab.sent if kind == frame.PRESS}
        assert len(numbers) == 3
        # No press is open any more: no later wake said anything about an earlier one.
        assert all(wake == 0 for kind, _, _, wake in lab.sent if kind == frame.PRESS)


async def test_a_short_tap_that_is_over_before_the_program_starts_is_a_press(
    tmp_path: Path,
) -> None:
    async with Lab(tmp_path) as lab:
        await lab.start()
        lab.device.press()
        lab.device.release()
        await until(lambda: lab.of_kind(frame.PRESS), "the press's frame")


async def test_a_button_that_is_held_makes_one_press_and_its_release_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, tmp_path, "wake.py", _HOLD_MS="100")
    async with Lab(tmp_path) as lab:
        await lab.start()
        first = await lab.press()
        lab.box.raise_to(first, frame.STATE_COMING)
        await lab.feels(Feel.COMING)
        await lab.asleep()  # with the button still down
        wakes = lab.device.wakes
        lab.device.release()
        await until(lambda: lab.device.wakes > wakes, "the release wakes it")
        await lab.asleep()
        assert {press for kind, _, press, _ in lab.sent if kind == frame.PRESS} == {first}
        second = await lab.press()
        assert second != first


async def test_a_held_button_let_go_and_pressed_again_is_a_new_press(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, tmp_path, "wake.py", _HOLD_MS="100")
    async with Lab(tmp_path) as lab:
        await lab.start()
        first = await lab.press()
        lab.box.raise_to(first, frame.STATE_COMING)
        await lab.feels(Feel.COMING)
        await lab.asleep()
        lab.device.release()
        second = await lab.press()  # before the program that the release woke has looked
        assert second != first


async def test_a_hand_that_holds_on_keeps_it_awake_so_that_the_next_tap_is_seen(
    tmp_path: Path,
) -> None:
    async with Lab(tmp_path) as lab:
        await lab.start()
        first = await lab.press()
        lab.box.raise_to(first, frame.STATE_COMING)
        await lab.feels(Feel.COMING)
        await asyncio.sleep(0.5)
        assert lab.device.state is DeviceState.AWAKE
        lab.device.release()
        await asyncio.sleep(_BOUNCE_S)
        assert await lab.press() != first


async def test_a_release_that_does_not_wake_the_chip_is_seen_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the board's pull-up is too weak against the chip's own pull-down."""
    plant(monkeypatch, tmp_path, "wake.py", _HOLD_MS="100")
    plant(monkeypatch, tmp_path, "start.py", _HELD_REST_MS="400", append=_WAKES_BY_LOW_ALONE)
    async with Lab(tmp_path) as lab:
        await lab.start()
        first = await lab.press()
        lab.box.raise_to(first, frame.STATE_COMING)
        await lab.feels(Feel.COMING)
        await lab.asleep()
        lab.device.release()
        wakes = lab.device.wakes
        await until(lambda: lab.device.wakes > wakes, "it looks by itself")
        await lab.asleep()
        assert await lab.press() != first


_WAKES_BY_LOW_ALONE = """
_wake_on_gpio = esp32.wake_on_gpio


def _low_alone(pins, level):
    _wake_on_gpio(() if level else pins, level)


esp32.wake_on_gpio = _low_alone
"""


async def test_a_press_while_it_falls_asleep_is_no_button_that_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, tmp_path, "air.py", append=_STOPS_SLOWLY)
    async with Lab(tmp_path) as lab:
        (tmp_path / "go").touch()
        await lab.start()
        for held in (True, False):
            number = await lab.press()
            lab.device.release()
            lab.box.raise_to(number, frame.STATE_COMING)
            (tmp_path / "go").unlink()
            await until((tmp_path / "stopping").exists, "it is about to sleep")
            lab.device.press()
            await asyncio.sleep(_BOUNCE_S)
            if not held:
                lab.device.release()
                await asyncio.sleep(_BOUNCE_S)
            (tmp_path / "stopping").unlink()
            (tmp_path / "go").touch()
            await until(lambda before=number: max(lab.box.states) != before, "the press")
            lab.box.raise_to(max(lab.box.states), frame.STATE_COMING)
            lab.device.release()
            await lab.asleep()
        assert len(lab.box.states) == 4


_WAIT_FOR = """
def _is_there(path):
    try:
        os.stat(path)
        return True
    except OSError:
        return False

"""
_STOPS_SLOWLY = (
    "import os\nimport time\n"
    + _WAIT_FOR
    + """
_stop = Air.stop


def _stops_slowly(self):
    _stop(self)
    if not _is_there("../go"):
        open("../stopping", "w").close()
    while not _is_there("../go"):
        time.sleep_ms(5)


Air.stop = _stops_slowly
"""
)


async def test_a_tap_while_the_program_still_loads_is_a_press(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, tmp_path, "ticks.py", append="import os\n" + _WAIT_FOR + _LOADS_SLOWLY)
    async with Lab(tmp_path) as lab:
        await lab.device.start()
        await until((tmp_path / "loading").exists, "it loads")
        lab.device.press()
        lab.device.release()
        await asyncio.sleep(_BOUNCE_S)
        (tmp_path / "go").touch()
        await until(lambda: lab.of_kind(frame.PRESS), "the press's frame")
        await lab.feels(Feel.HEARD)
        assert len(lab.box.states) == 1


_LOADS_SLOWLY = """
open("../loading", "w").close()
while not _is_there("../go"):
    time.sleep_ms(5)
"""


async def test_a_radio_that_will_not_start_costs_no_press(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(
        monkeypatch, tmp_path, "air.py", append=falls_once("Air", "__init__", "OSError('no radio')")
    )
    async with Lab(tmp_path) as lab:
        (tmp_path / "fell").touch()
        await lab.start()
        (tmp_path / "fell").unlink()
        lab.device.press()
        lab.device.release()
        await lab.feels(Feel.HEARD)
        assert lab.of_kind(frame.PRESS)[0][3] == 1, "a second effort"
        assert len(lab.box.states) == 1
        assert "no radio" in lab.device.console()


_FALL_ONCE = """
import os


def _has_fallen():
    try:
        os.stat("../fell")
        return True
    except OSError:
        open("../fell", "w").close()
        return False

"""


def falls_once(owner: str, name: str, error: str) -> str:
    """Return source, to stand behind that of `owner`, whose method it makes fall once."""
    return f"""{_FALL_ONCE}
_planted_on = {owner}.{name}


def _falls_once(self, given):
    if not _has_fallen():
        raise {error}
    _planted_on(self, given)


{owner}.{name} = _falls_once
"""


async def test_a_start_that_falls_before_it_has_looked_at_the_press_does_not_lose_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, tmp_path, "sender.py", append=_FALL_ONCE + _IMPORT_FALLS)
    async with Lab(tmp_path) as lab:
        (tmp_path / "fell").touch()
        await lab.start()
        (tmp_path / "fell").unlink()
        lab.device.press()
        lab.device.release()
        await lab.feels(Feel.HEARD)
        assert len(lab.box.states) == 1


_IMPORT_FALLS = """
if not _has_fallen():
    raise MemoryError("no room")
"""


async def test_a_fault_at_every_start_rests_longer_and_longer_and_lets_a_press_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, tmp_path, "start.py", _RESTS_MS="(300, 600, 60000)")
    plant(monkeypatch, tmp_path, "last_resort.py", _FOR_MS="500")
    plant(monkeypatch, tmp_path, "wake.py", append=_RECEIVES_NEVER)
    async with Lab(tmp_path) as lab:
        lab.hears = False
        await lab.device.start()
        # Three starts at once, then two rests with a start and a fall after each, then a long one.
        await until(lambda: lab.device.wakes >= 8, "starts")
        await lab.asleep()
        wakes = lab.device.wakes
        assert wakes == 8
        lab.device.press()
        lab.device.release()
        await until(lambda: lab.of_kind(frame.PRESS), "the press's frame")
        await lab.device.wait_state(DeviceState.ASLEEP)
        assert lab.device.wakes == wakes + 2


_RECEIVES_NEVER = """

def _falls(self, timeout_ms):
    raise RuntimeError("planted")


Air.receive = _falls
"""


async def test_the_watchdog_ends_a_program_that_hangs_and_the_press_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, tmp_path, "wake.py", _WATCHDOG_MS="1500")
    plant(monkeypatch, tmp_path, "feel.py", append=_FALL_ONCE + _HANGS_ONCE)
    async with Lab(tmp_path) as lab:
        (tmp_path / "fell").touch()
        await lab.start()
        (tmp_path / "fell").unlink()
        lab.device.press()
        lab.device.release()
        await lab.feels(Feel.HEARD)
        _, counter, number, wake = lab.of_kind(frame.PRESS)[0]
        assert wake == 1
        told = frame.unpack_press(frame.open_frame(ENCRYPT, lab.used[counter])[3])
        assert told[4] == 3, "the watchdog is the reset's cause"
        assert list(lab.box.states) == [number]
        # Fed from then on: it stays awake for longer than the watchdog waits.
        wakes = lab.device.wakes
        await asyncio.sleep(2.5)
        assert lab.device.wakes == wakes


_HANGS_ONCE = """
import time

_hush = Player.hush


def _hangs_once(self, now_ms):
    while not _has_fallen():
        time.sleep(3600)
    _hush(self, now_ms)


Player.hush = _hangs_once
"""


async def test_channels_that_the_chip_refuses_end_no_hunt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, tmp_path, "air.py", append="\nnetwork.WLAN.channel_max = 11\n")
    async with Lab(tmp_path) as lab:
        await lab.start()
        wakes = lab.device.wakes
        lab.hears = False
        await lab.press()
        lab.device.release()
        # Five at home and all thirteen channels once, home between.
        await until(lambda: len(lab.of_kind(frame.PRESS)) >= 26, "the hunt")
        lab.hears = True
        await lab.feels(Feel.HEARD)
        assert lab.device.wakes == wakes + 1


@pytest.mark.parametrize("step", range(1, 13))
async def test_power_cut_at_each_write_and_at_each_frame_loses_nothing_that_was_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    plant(monkeypatch, tmp_path, "board.py", append=_STOPS_AT)
    # What is planted takes room of its own.
    async with Lab(tmp_path, heap_words=98304) as lab:
        await lab.start()
        lab.hears = False
        (tmp_path / "stop_at").write_text(str(step))
        lab.device.press()
        lab.device.release()
        await until((tmp_path / "stopped").exists, f"step {step}")
        done = (tmp_path / "stopped").read_text().split()
        # The counter's reservation is the first of a press, its record the second.
        stored = done.count("commit") >= 2
        announced = {press for _, _, press, _ in lab.sent}
        assert stored or not announced
        lab.device.power_cut()
        (tmp_path / "stop_at").unlink()
        lab.hears = True
        await lab.device.start()
        if stored:
            await lab.feels(Feel.HEARD)
            assert announced <= set(lab.box.states)
        else:
            await lab.asleep()
        assert len(lab.box.states) == stored


_STOPS_AT = """
import os
import time

import esp32
import espnow
import machine

_done = []


def _stop_at():
    try:
        with open("../stop_at") as file:
            return int(file.read())
    except OSError:
        return 0


def _stops_at(owner, name):
    do = getattr(owner, name)

    def step(self, *args):
        if len(_done) + 1 == _stop_at():
            with open("../stopped.new", "w") as file:
                file.write(" ".join(_done))
            os.rename("../stopped.new", "../stopped")
            time.sleep(3600)
        _done.append(name)
        return do(self, *args)

    setattr(owner, name, step)


_stops_at(esp32.NVS, "set_blob")
_stops_at(esp32.NVS, "commit")
_stops_at(machine.RTC, "memory")
_stops_at(espnow.ESPNow, "send")
"""


async def test_a_further_press_while_awake_is_sent_at_once(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.start()
        first = await lab.press()
        await lab.feels(Feel.HEARD)
        await lab.let_go()
        second = await lab.press()
        assert second != first
        await until(lambda: lab.box.states.get(second), "the second press is stored")


async def test_a_press_ends_what_the_palm_is_told_of_an_earlier_one(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.start()
        first = await lab.press()
        await lab.let_go()
        lab.box.raise_to(first, frame.STATE_DELIVERED)
        await until(lambda: len(lab.of_kind(frame.POLL)) >= 1, "a poll")
        await until(lambda: lab.motor_on, "the motor of 'delivered'")
        lab.stores = False
        await lab.press()
        await lab.let_go()
        assert not lab.motor_on
        before = list(lab.felt)
        lab.box.raise_to(first, frame.STATE_COMING)
        await asyncio.sleep(1.5)
        assert lab.felt == before, "felt of the first, with the second not stored"
        lab.stores = True
        await lab.feels(*before, Feel.HEARD)
        assert lab.transmitted_with_motor_on == 0


async def test_a_box_that_stores_nothing_is_never_heard(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.start()
        lab.stores = False
        await lab.press()
        lab.device.release()
        await until(lambda: len(lab.of_kind(frame.PRESS)) >= 8, "retransmissions")
        assert lab.felt == []
        lab.stores = True
        await lab.feels(Feel.HEARD)


async def test_a_receiver_that_moved_is_found_and_the_way_to_it_kept(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.start()
        lab.channel = 9
        number = await lab.press()
        lab.device.release()
        await lab.feels(Feel.HEARD)
        lab.box.raise_to(number, frame.STATE_COMING)
        await lab.feels(Feel.COMING)
        await lab.asleep()
        lab.sent.clear()
        await lab.press()
        await lab.feels(Feel.HEARD)
        assert len(lab.of_kind(frame.PRESS)) == 1


@pytest.mark.slow
async def test_nobody_hears_not_sent_is_felt_and_the_next_wake_goes_on(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.start()
        lab.hears = False
        number = await lab.press()
        lab.device.release()
        await lab.device.wait_state(DeviceState.ASLEEP, timeout_s=25)
        assert lab.felt == [Feel.NOT_SENT]
        assert lab.transmitted_with_motor_on == 0
        wakes = lab.device.wakes
        first_effort = lab.of_kind(frame.PRESS)
        assert {(press, wake) for _, _, press, wake in first_effort} == {(number, 0)}
        lab.sent.clear()
        lab.hears = True
        await until(lambda: lab.felt[-1:] == [Feel.HEARD], "heard after the timer", 25)
        assert lab.device.wakes == wakes + 1
        _, counter, press, wake = lab.of_kind(frame.PRESS)[0]
        assert (press, wake) == (number, 1)
        assert counter != number
        opened = frame.open_frame(ENCRYPT, lab.used[counter])[3]
        assert 28 <= frame.unpack_press(opened)[1] <= 45
        assert list(lab.box.states) == [number]


async def test_power_cuts_at_any_moment_lose_no_press_and_reuse_no_counter(tmp_path: Path) -> None:
    chance = random.Random(7)
    async with Lab(tmp_path) as lab:
        await lab.start()
        lab.hears = False
        announced: set[int] = set()
        for _ in range(8):
            frames = chance.randrange(4)
            if frames:
                await lab.press()
            else:
                lab.device.press()
            more = len(lab.sent) + frames - 1
            await until(lambda more=more: len(lab.sent) >= more, "frames of the press")
            lab.device.power_cut()
            lab.device.release()
            announced = {press for _, _, press, _ in lab.of_kind(frame.PRESS)}
            more = len(lab.sent) + 1
            await lab.device.start()
            if announced:
                await until(lambda more=more: len(lab.sent) >= more, "what it goes on with")
        lab.hears = True
        await until(lambda: announced <= set(lab.box.states), "all presses arrive")
        assert all(lab.box.states[press] == frame.STATE_HEARD for press in announced)
        assert len(announced) >= 3
        late = [entry for entry in lab.of_kind(frame.PRESS) if entry[3]]
        assert late
        ages = {
            frame.unpack_press(frame.open_frame(ENCRYPT, lab.used[counter])[3])[1]
            for _, counter, _, _ in late
        }
        assert frame.AGE_UNKNOWN in ages


async def test_garbage_in_nvs_still_lets_a_press_through(tmp_path: Path) -> None:
    chance = random.Random(11)
    async with Lab(tmp_path) as lab:
        await lab.start()
        lab.device.power_cut()
        for file in (tmp_path / "nvs" / "vigibip").iterdir():
            # Who it is, and that its motor may run.
            if file.name not in ("settings", "set1"):
                file.write_bytes(chance.randbytes(chance.randrange(600)))
        await lab.start()
        number = await lab.press()
        # Its counter was lost: it counts from where no number was used.
        assert number >= 0x80000000
        await lab.feels(Feel.HEARD)
        assert lab.halted == []


async def test_garbage_in_rtc_memory_leaves_what_nvs_holds(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.start()
        lab.hears = False
        number = await lab.press()
        lab.device.release()
        lab.device.power_cut()
        (tmp_path / "rtc.bin").write_bytes(b"\x56\x01" + bytes(60))
        lab.hears = True
        lab.sent.clear()
        await lab.device.start()
        await until(lambda: lab.of_kind(frame.PRESS), "the press goes on")
        assert lab.of_kind(frame.PRESS)[0][2] == number


async def test_a_flash_that_keeps_nothing_does_not_keep_a_press_back(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.start()
        for name in ("counter0", "counter1", "open0", "open1"):
            # Where a commit writes first stands something that it cannot write to.
            (tmp_path / "nvs" / "vigibip" / f"{name}.new").mkdir()
        number = await lab.press()
        assert number >= 0x80000000
        await lab.feels(Feel.HEARD)


async def test_a_bip_without_settings_says_so_and_sends_nothing(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        (tmp_path / "nvs" / "vigibip" / "settings").write_bytes(b"?")
        await lab.device.start()
        await lab.device.wait_state(DeviceState.HALTED)
        assert "main.py has ended" in lab.halted[0]
        assert lab.sent == []


async def test_a_fall_with_a_press_open_starts_anew_and_goes_on_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(
        monkeypatch,
        tmp_path,
        "feel.py",
        append=falls_once("Player", "hush", "RuntimeError('planted')"),
    )
    async with Lab(tmp_path) as lab:
        (tmp_path / "fell").touch()
        await lab.start()
        (tmp_path / "fell").unlink()
        lab.device.press()
        # It falls before the first frame has left; the press is on storage by then.
        await lab.feels(Feel.HEARD)
        _, _, number, wake = lab.of_kind(frame.PRESS)[0]
        assert wake == 1
        assert list(lab.box.states) == [number]
        assert lab.device.wakes == 3
        assert "planted" in lab.device.console()


async def test_a_whole_press_passes_with_a_quarter_of_the_heap_taken_away(tmp_path: Path) -> None:
    async with Lab(tmp_path, heap_words=49152) as lab:
        await lab.start()
        numbers = [await lab.press()]
        for _ in range(7):
            await lab.let_go()
            numbers.append(await lab.press())
        for number in numbers:
            lab.box.raise_to(number, frame.STATE_COMING)
        await lab.feels(Feel.COMING)
        assert lab.halted == []
        assert DeviceState.HALTED not in lab.states
        assert lab.device.wakes == 2, lab.device.console()


async def test_the_first_frame_leaves_soon_after_the_button(tmp_path: Path) -> None:
    """A bound that a loaded machine keeps too; the figure itself stands in firmware/README.md."""
    import time

    async with Lab(tmp_path) as lab:
        await lab.start()
        started_s = time.monotonic()
        await lab.press()
        assert time.monotonic() - started_s < 0.5
