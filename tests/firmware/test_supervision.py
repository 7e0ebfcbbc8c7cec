"""What a bip tells of itself, what it is told to be, and the last resort when it falls."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.firmware.honest_box import CHANNEL, DEVICE_ID, KEY, Bip, Box
from tests.firmware.lab import Lab, plant, until
from vigibip.town import device_tree
from vigibip.town.device import Feel, provision_bip
from vigibip.town.shims import bus_messages
from vigibip.wire import frame, parcel

settings: Any = device_tree.load("bip", "settings")
press_module: Any = device_tree.load("bip", "press")

interpreter = [
    pytest.mark.requires_program("micropython"),
    pytest.mark.xdist_group("interpreter"),
]

_HARD_RESET = 2
_FALLS_AT_IMPORT = """
raise MemoryError("planted")
"""
_NO_RADIO = """

def _falls(self, channel):
    raise OSError("planted")


Air.__init__ = _falls
"""


def complaints(status: tuple[int, ...]) -> int:
    return status[12]


def live(bip: Bip, box: Box, duration_ms: int) -> None:
    """Let time pass beside a box that hears all and answers at once."""
    end_ms = bip.now_ms + duration_ms
    while bip.now_ms < end_ms:
        bip.advance(max(1, min(bip.sender.deadline_ms(bip.now_ms), end_ms) - bip.now_ms))
        for _, sealed, _ in bip.sent():
            bip.receive(box.take(sealed))


def set_up(directory: Path, options: bytes) -> None:
    """Give the bip in `directory` other settings than the lab's."""
    provision_bip(directory, device_id=DEVICE_ID, key=KEY, channel=CHANNEL, options=options)


def outputs(lab: Lab, gpio: int) -> list[int]:
    """Return a list that goes on taking the levels of a pin."""
    levels: list[int] = []
    said = lab.device.interpreter_said

    def listen(kind: int, body: bytes) -> None:
        if kind == bus_messages.OUTPUT and body[0] == gpio:
            levels.append(body[1])
        said(kind, body)

    lab.device.interpreter_said = listen  # type: ignore[method-assign]
    return levels


async def held_until_heard(lab: Lab) -> None:
    """Press until the palm is told: a tap between two falls may be over before the button is."""
    lab.device.press()
    await lab.feels(Feel.HEARD)
    lab.device.release()


class TestLastResort:
    pytestmark = interpreter

    @pytest.mark.parametrize(
        ("file", "fault"), [("sender.py", _FALLS_AT_IMPORT), ("air.py", _NO_RADIO)]
    )
    async def test_a_program_that_falls_at_each_start_lets_the_press_out(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, fault: str
    ) -> None:
        """Before its record, and after it: one press, one alert, told to the palm."""
        plant(monkeypatch, tmp_path, "start.py", _RESTS_MS="(200, 200, 200, 60000)")
        plant(monkeypatch, tmp_path, file, append=fault)
        async with Lab(tmp_path) as lab:
            await lab.device.start()
            await until(lambda: lab.device.wakes >= 3, "falls")
            await held_until_heard(lab)
            await lab.asleep_for_good()
            assert len(lab.box.states) == 1
            assert lab.felt == [Feel.HEARD]

    async def test_nobody_hears_it_and_the_next_start_calls_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plant(monkeypatch, tmp_path, "start.py", _RESTS_MS="(200, 200, 200, 200)")
        plant(monkeypatch, tmp_path, "last_resort.py", _FOR_MS="300")
        plant(monkeypatch, tmp_path, "sender.py", append=_FALLS_AT_IMPORT)
        async with Lab(tmp_path) as lab:
            lab.hears = False
            await lab.device.start()
            lab.device.press()
            await until(lambda: lab.of_kind(frame.PRESS), "the call")
            lab.device.release()
            assert lab.felt == []
            lab.hears = True
            await lab.feels(Feel.HEARD)

    async def test_a_status_tells_of_it_once_the_program_runs_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plant(monkeypatch, tmp_path, "start.py", _RESTS_MS="(200, 200, 200, 200)")
        plant(monkeypatch, tmp_path, "sender.py", append=_FALLS_WHILE_TOLD_TO)
        async with Lab(tmp_path) as lab:
            (tmp_path / "falls").touch()
            await lab.device.start()
            await held_until_heard(lab)
            (tmp_path / "falls").unlink()
            await until(lambda: lab.box.statuses, "a status")
            await lab.asleep()
            status = lab.box.last_status
            assert complaints(status) & frame.LAST_RESORT
            assert status[6] >= 3
            assert status[14].to_bytes(4, "big") == b"send"
            assert status[15] > 0
            assert status[13] > 0
            assert len(lab.box.states) == 1

    async def test_a_last_resort_that_falls_too_keeps_the_rests(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plant(monkeypatch, tmp_path, "start.py", _RESTS_MS="(200, 60000)")
        plant(monkeypatch, tmp_path, "sender.py", append=_FALLS_AT_IMPORT)
        plant(monkeypatch, tmp_path, "last_resort.py", append=_FALLS_AT_IMPORT)
        async with Lab(tmp_path) as lab:
            await lab.device.start()
            # Four falls, a rest, a start that falls, and a fall that is followed by a long rest.
            await until(lambda: lab.device.wakes >= 6, "falls")
            await lab.asleep_for_good()
            assert lab.device.wakes == 6
            assert lab.sent == []

    def test_the_record_is_where_it_looks_for_it(self) -> None:
        source = (device_tree.FIRMWARE / "bip" / "last_resort.py").read_text()
        assert f"\n_HEAD_LENGTH = {press_module._HEAD_LENGTH}\n" in source
        assert f"\n_ENTRY_LENGTH = {press_module._ENTRY_LENGTH}\n" in source
        assert f"\n_STATE = {press_module._STATE:#04X}\n".replace("X", "x") in source


_FALLS_WHILE_TOLD_TO = """
import os

try:
    os.stat("../falls")
    falls = True
except OSError:
    falls = False
if falls:
    raise MemoryError("planted")
"""


class TestStuck:
    pytestmark = interpreter

    async def test_a_button_that_stays_down_is_told_and_let_go_again_is_not(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plant(monkeypatch, tmp_path, "wake.py", _HOLD_MS="200")
        plant(monkeypatch, tmp_path, "start.py", _HELD_REST_MS="300", _STUCK_REST_MS="300")
        async with Lab(tmp_path) as lab:
            await lab.start()
            number = await lab.press()
            lab.box.raise_to(number, frame.STATE_COMING)
            await until(
                lambda: complaints(lab.box.last_status) & frame.BUTTON_STUCK, "the complaint"
            )
            told = lab.box.statuses
            wakes = lab.device.wakes
            await until(lambda: lab.device.wakes >= wakes + 3, "wakes")
            assert lab.box.statuses == told, "told at each wake"
            await lab.let_go()
            number = await lab.press()
            lab.device.release()
            lab.box.raise_to(number, frame.STATE_COMING)
            await lab.feels(Feel.COMING)
            assert len(lab.box.states) == 2


class TestSettings:
    pytestmark = interpreter

    async def test_a_new_bip_is_silent_until_it_is_set(self, tmp_path: Path) -> None:
        async with Lab(tmp_path) as lab:
            set_up(tmp_path, settings.pack(0, 0, 0, 60, 0, 0, 0))
            await lab.start()
            await lab.press()
            lab.device.release()
            await until(lambda: frame.STATE_HEARD in lab.box.states.values(), "heard")
            await until(lambda: lab.of_kind(frame.POLL), "it knows that it was heard")
            assert lab.felt == []

    async def test_settings_come_by_the_air_are_kept_and_told(self, tmp_path: Path) -> None:
        async with Lab(tmp_path) as lab:
            set_up(tmp_path, settings.pack(0, 0, 0, 60, 0, 0, 0))
            lab.box.settings = (7, 60, 0, 5, parcel.MAY_RAISE, 0, 3300)
            await lab.device.start()
            await until(
                lambda: lab.box.last_status[8:10] == (5, 7), "a status with the new edition"
            )
            await lab.asleep()
            assert lab.box.asks == [(parcel.WANTS_SETTINGS, 0, 0)]
            lab.device.power_cut()
            shaken = outputs(lab, device_tree.board_pins()["MOTOR"])
            await lab.start()
            number = await lab.press()
            lab.device.release()
            lab.box.raise_to(number, frame.STATE_COMING)
            await lab.feels(Feel.COMING)
            assert set(shaken) == {0, 60}
            assert lab.box.asks == [(parcel.WANTS_SETTINGS, 0, 0)]

    @pytest.mark.parametrize("led", [0, 1])
    async def test_a_light_only_where_it_is_allowed(self, tmp_path: Path, led: int) -> None:
        async with Lab(tmp_path) as lab:
            set_up(tmp_path, settings.pack(0, 100, led, 60, 0, 0, 0))
            lit = outputs(lab, device_tree.board_pins()["LED"])
            await lab.start()
            number = await lab.press()
            lab.device.release()
            lab.box.raise_to(number, frame.STATE_COMING)
            await lab.feels(Feel.COMING)
            assert (1 in lit) is bool(led)

    @pytest.mark.parametrize(("low_mv", "is_low"), [(0, True), (3500, True), (3200, False)])
    async def test_a_cell_below_its_limit_is_told(
        self, tmp_path: Path, low_mv: int, is_low: bool
    ) -> None:
        async with Lab(tmp_path) as lab:
            set_up(tmp_path, settings.pack(0, 100, 0, 60, 0, 0, low_mv))
            lab.device._analog_uv[device_tree.board_pins()["BATTERY"]] = 1_650_000
            await lab.start()
            # Measured under the load of one frame, told in the next.
            told = lab.box.statuses
            lab.device._reset(_HARD_RESET)
            await until(lambda: lab.box.statuses > told, "the status after a reset")
            assert lab.box.last_status[0] == 3300
            assert bool(complaints(lab.box.last_status) & frame.BATTERY_LOW) is is_low

    async def test_a_hand_says_more_only_when_it_may(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The whole way: edges, gestures, sender, box. Wide bounds, for a loaded machine."""
        plant(
            monkeypatch,
            tmp_path,
            "gesture.py",
            _LONG_MS="(700, 20000)",
            _GAP_MS="(10, 2900)",
            _QUIET_MS="3000",
        )
        async with Lab(tmp_path) as lab:
            set_up(tmp_path, settings.pack(0, 100, 0, 60, 0x07, 0, 0))
            await lab.start()
            numbers = []
            for hold_s in (1.0, 0.05, 1.0, 0.05):
                numbers.append(await lab.press())
                await asyncio.sleep(hold_s)
                await lab.let_go()
            await lab.feels(Feel.NOTED)
            assert set(lab.box.states) == set(numbers)
            told = [frame.unpack_press(sealed) for sealed in lab.press_payloads()]
            by_press = {one[0]: one[7] for one in told}
            assert by_press == dict(zip(numbers, (0, 1, 2, 3 | frame.WITHDRAWN), strict=True))


def test_settings_that_make_no_sense_leave_a_bip_that_works() -> None:
    nonsense = settings.Settings(settings.pack(0xFFFF, 255, 255, 0, 255, 0xFFFF, 0))
    assert (nonsense.strength_pct, nonsense.status_min, nonsense.battery_low_mv) == (100, 5, 3400)
    assert settings.Settings(settings.pack(1, 1, 1, 0xFFFF, 0, 0, 0)).status_min == 1440
    for short in (None, b"", bytes(10)):
        made = settings.Settings(short)
        assert (made.edition, made.strength_pct, made.led, made.gestures) == (0, 0, False, 0)
        assert made.status_min == 60


def test_statuses_keep_their_interval_and_their_jitter() -> None:
    """From 5 min to a day; a tenth of it is chance, so that a street's bips do not keep step."""
    for status_min in (5, 60, 1440):
        bip, box = Bip(), Box()
        bip.sender.reports.settle(bip.now_ms, status_min, 3)
        bip.sender.reports.status_min = status_min
        times: list[int] = []
        while len(times) < 12:
            bip.now_ms = max(bip.now_ms, bip.sender.deadline_ms(bip.now_ms))
            bip.do(bip.sender.tick(bip.now_ms))
            for _, sealed, _ in bip.sent():
                bip.receive(box.take(sealed))
                times.append(bip.now_ms)
        gaps_min = [(later - earlier) / 60_000 for earlier, later in pairwise(times[1:])]
        assert all(status_min * 0.9 <= gap <= status_min for gap in gaps_min)
        assert len({round(gap, 3) for gap in gaps_min}) > 1
        assert box.last_status[8:10] == (status_min, 3)


def test_what_radio_and_flash_did_not_take_is_told_until_a_status_is_answered() -> None:
    bip, box = Bip(), Box()
    for _ in range(300):
        bip.sender.reports.count_failed_send()
    bip.sender.reports.count_failed_store()
    bip.wake(known_time=True, record=bip.sender.record())
    live(bip, box, 1000)
    assert (box.statuses, box.last_status[10:12]) == (1, (255, 1))
    live(bip, box, 3_700_000)
    assert (box.statuses, box.last_status[10:12]) == (2, (0, 0))


def test_a_low_battery_is_felt_once_a_day_and_never_beside_a_press() -> None:
    class Weary(Bip):
        def wake(self, **how: Any) -> None:
            super().wake(**how)
            self.sender.reports.complain(frame.BATTERY_LOW, True)

    bip, box = Weary(), Box()
    live(bip, box, 5 * 86_400_000)
    assert 4 <= bip.felt.count("battery_low") <= 6
    assert complaints(box.last_status) == frame.BATTERY_LOW
    bip.felt.clear()
    bip.press()
    live(bip, box, 20 * 3_600_000)
    assert bip.felt == ["heard"]


def test_an_ask_is_answered_given_up_or_told_that_nothing_is_kept() -> None:
    asking = device_tree.load("bip", "asking")
    bip, box = Bip(), Box()
    bip.advance(1000)
    bip.receive(box.take(bip.sent()[0][1]))
    bip.sender.asking = asking.Asking(bip.sender.voice)
    payload = parcel.pack_ask(parcel.WANTS_SETTINGS, 3, 0)
    for _ in range(2):
        bip.sender.asking.ask(payload, bip.now_ms)
        assert bip.sender.sleep_ms(bip.now_ms) is None
        bip.advance(2000)
        asked = [sealed for _, sealed, _ in bip.sent() if bip.opened(sealed)[0] == frame.ASK]
        assert len(asked) == 3
        assert len(set(asked)) == 1
        assert bip.sender.asking.is_over
    bip.sender.asking.ask(payload, bip.now_ms)
    bip.advance(10)
    bip.receive(box.take(bip.sent()[0][1]))
    assert bip.sender.asking.is_over
    assert box.asks[-1] == (parcel.WANTS_SETTINGS, 3, 0)
    # What answers no ask of this wake is refused, and so is what a press is answered with.
    refused = bip.sender.voice.refused
    bip.receive(box.sealed(frame.CONFIGURE, parcel.pack_configure(9, 1, 100, 0, 60, 7, 0, 0)))
    assert bip.sender.voice.refused == refused + 1


def test_an_ask_stands_behind_a_press() -> None:
    asking = device_tree.load("bip", "asking")
    bip = Bip()
    bip.sender.asking = asking.Asking(bip.sender.voice)
    bip.sender.asking.ask(b"", bip.now_ms)
    bip.press()
    bip.advance(10_000)
    assert {bip.opened(sealed)[0] for _, sealed, _ in bip.sent()} == {frame.PRESS}


@pytest.mark.parametrize("many", [2, 16])
def test_many_bips_at_once_are_all_heard_within_two_seconds_at_30_percent_loss(many: int) -> None:
    """Each in an air of its own; `bench air` lets them meet in one."""
    chance = random.Random(5)
    bips = [(Bip(seed=seed + 1), Box()) for seed in range(many)]
    for bip, _ in bips:
        bip.advance(chance.randrange(50))
        bip.press()
    for _ in range(200):
        for bip, box in bips:
            for _, sealed, _ in bip.sent():
                if chance.random() > 0.3:
                    reply = box.take(sealed)
                    if chance.random() > 0.3:
                        bip.receive(reply)
            bip.advance(10)
    assert [bip.felt[:1] for bip, _ in bips] == [["heard"]] * many
    assert [len(box.states) for _, box in bips] == [1] * many
