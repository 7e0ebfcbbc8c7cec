"""The receiver's own files in the real interpreter, between an air and a serial port."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.firmware.lab import plant, until
from vigibip.town.device import Device, DeviceHooks, DeviceState
from vigibip.wire import serial

pytestmark = [
    pytest.mark.requires_program("micropython"),
    pytest.mark.xdist_group("interpreter"),
]

MAC = b"\x02recv1"
BIP = b"\x02bipA1"
FRAME = bytes(range(50))
OWN = int.from_bytes(FRAME[2:6], "big")
VERSION = 2
PROBE = b"vigibip?"
Sent = tuple[int, bytes, bytes]


class Line:
    """The box's end of the serial port."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self._decoder = serial.Decoder()
        self.messages: list[tuple[int, bytes]] = []
        self.hung_up = False

    def write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._handle, data) :]
            except BlockingIOError:
                time.sleep(0.001)

    def read(self) -> list[tuple[int, bytes]]:
        """Take what has come; return all messages so far."""
        try:
            data = os.read(self._handle, 4096)
            self.hung_up = not data
            self.messages += self._decoder.feed(data)
        except BlockingIOError:
            pass
        except OSError:
            self.hung_up = True
        return self.messages

    def of_kind(self, kind: int) -> list[bytes]:
        return [body for told, body in self.read() if told == kind]

    def close(self) -> None:
        os.close(self._handle)


class Bench:
    """A receiver with its air; `sent` is what it transmitted, and `probes` how often it probed."""

    def __init__(self, directory: Path) -> None:
        self.sent: list[Sent] = []
        self.probes = 0
        self.device = Device(
            directory,
            "receiver",
            mac=MAC,
            hooks=DeviceHooks(on_transmit=self._on_transmit),
        )
        self.lines: list[Line] = []

    async def plug(self, *, told: bool = True) -> Line:
        """Return its line; `told`: the box's settings are under way."""
        await self.device.start()
        line = Line(self.device.port_path)
        self.lines.append(line)
        await until(lambda: line.of_kind(serial.HELLO), "HELLO")
        # It has told the bus of its radio before, but this end may look at the line first.
        await until(lambda: self.device.channel == 6, "its radio")
        if told:
            line.write(settings(6, [OWN]))
        return line

    def _on_transmit(self, *sent: int | bytes) -> None:
        if sent[2] == PROBE:
            assert sent[1] == serial.BROADCAST
            self.probes += 1
        else:
            self.sent.append(sent)  # type: ignore[arg-type]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    await bench.device.close()
    for line in bench.lines:
        line.close()


def settings(channel: int, ids: list[int] | None = None) -> bytes:
    return serial.encode_message(serial.SETTINGS, serial.pack_settings(channel, ids))


def of(device_id: int, number: int = 0) -> bytes:
    return b"\x01\x01" + device_id.to_bytes(4, "big") + bytes((number,)) * 44


def down(mac: bytes = BIP, frame: bytes = FRAME) -> bytes:
    return serial.encode_message(serial.DOWN_FRAME, serial.pack_down_frame(mac, frame))


async def test_it_says_hello_and_carries_both_ways(bench: Bench) -> None:
    line = await bench.plug()
    assert line.of_kind(serial.HELLO) == [serial.pack_hello(VERSION, 6, 1)]
    bench.device.deliver(BIP, FRAME, rssi_dbm=-67, channel=6)
    await until(lambda: line.of_kind(serial.UP_FRAME), "the frame on the line")
    assert serial.unpack_up_frame(line.of_kind(serial.UP_FRAME)[0]) == (-67, BIP, FRAME)
    line.write(down())
    await until(lambda: bench.sent, "the frame in the air")
    assert bench.sent == [(6, BIP, FRAME)]


async def test_settings_move_it_to_another_channel(bench: Bench) -> None:
    line = await bench.plug()
    line.write(serial.encode_message(serial.SETTINGS, serial.pack_settings(11)))
    await until(lambda: bench.device.channel == 11, "channel 11")
    assert not bench.device.deliver(BIP, FRAME, channel=6)
    assert bench.device.deliver(BIP, FRAME, channel=11)
    await until(lambda: line.of_kind(serial.UP_FRAME), "the frame on the line")


async def test_noise_on_the_line_costs_nothing_that_comes_after_it(bench: Bench) -> None:
    chance = random.Random(5)
    line = await bench.plug()
    for _ in range(20):
        line.write(chance.randbytes(chance.randrange(400)))
    # Ctrl-C and Ctrl-D are bytes like any other.
    line.write(b"\x03\x04" * 20 + b"\x00" + down())
    await until(lambda: bench.sent, "the frame in the air")
    assert bench.sent[-1] == (6, BIP, FRAME)
    assert bench.device.state is DeviceState.AWAKE


async def test_oversize_and_stunted_frames_go_no_further(bench: Bench) -> None:
    line = await bench.plug()
    for length in (1, 17, 251, 1400):
        bench.device.deliver(BIP, bytes(length), channel=6)
    line.write(down(frame=bytes(5)))
    bench.device.deliver(BIP, FRAME, channel=6)
    await until(lambda: line.of_kind(serial.UP_FRAME), "the one good frame")
    line.write(down())
    await until(lambda: bench.sent, "the one good frame in the air")
    assert [serial.unpack_up_frame(body)[2] for body in line.of_kind(serial.UP_FRAME)] == [FRAME]
    assert bench.sent == [(6, BIP, FRAME)]


async def test_more_bips_than_the_radio_knows_addresses_are_all_answered(bench: Bench) -> None:
    line = await bench.plug()
    macs = [bytes((2, 1, 1, 1, 1, number)) for number in range(64)]
    for mac in macs:
        line.write(down(mac))
        await until(lambda mac=mac: any(sent[1] == mac for sent in bench.sent), "its reply")
    line.write(down(serial.BROADCAST))
    await until(lambda: bench.sent[-1][1] == serial.BROADCAST, "the broadcast")


async def test_a_box_that_does_not_read_makes_it_neither_deaf_nor_dead(bench: Bench) -> None:
    line = await bench.plug()
    for number in range(600):
        bench.device.deliver(BIP, bytes((number % 256,)) * 60, channel=6)
        if number % 50 == 0:
            await asyncio.sleep(0)
    line.write(down())
    await until(lambda: bench.sent, "a reply still goes out")
    before = len(line.of_kind(serial.UP_FRAME))
    bench.device.deliver(BIP, FRAME, channel=6)
    await until(
        lambda: any(body[7:] == FRAME for body in line.of_kind(serial.UP_FRAME)[before:]),
        "a fresh frame once the box reads again",
    )
    assert bench.device.state is DeviceState.AWAKE
    assert bench.device.wakes == 1


async def test_sixteen_bips_pressed_at_once_beside_a_flood_of_forged_frames_are_all_carried(
    bench: Bench,
) -> None:
    """The interpreter is paced by the host: no figure of an ESP32 follows from it."""
    line = await bench.plug()
    houseful = list(range(100, 164))
    line.write(settings(6, houseful))
    heard: set[bytes] = set()

    def all_heard(pressed: set[bytes]) -> bool:
        heard.update(serial.unpack_up_frame(body)[2] for body in line.of_kind(serial.UP_FRAME))
        return pressed <= heard

    bench.device.deliver(BIP, of(100, 255), channel=6)
    await until(lambda: all_heard({of(100, 255)}), "the list is in force")
    for burst in range(5):
        pressed = [of(device_id, burst) for device_id in houseful[:16]]
        for repetition in range(3):
            for place, press in enumerate(pressed):
                sender = bytes((2, 0, 0, 0, 0, place))
                for forged in (0x66000000 + place, houseful[20 + place], houseful[40]):
                    noise = of(forged, 100 + 3 * burst + repetition)
                    bench.device.deliver(b"\x02evil1", noise, channel=6)
                assert bench.device.deliver(sender, press, channel=6)
            await asyncio.sleep(0)
        await until(lambda pressed=pressed: all_heard(set(pressed)), f"all of burst {burst}")
    assert bench.device.wakes == 1


async def test_with_every_place_taken_it_has_memory_to_spare(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """64 bips, each with what waits, four guests, and a box that reads nothing of it."""
    plant(monkeypatch, tmp_path, "carrier.py", AIR_EACH_MS="500")
    line = await bench.plug()
    houseful = list(range(100, 164))
    line.write(settings(6, houseful))
    # What the pseudo-terminal takes before it is full, and then the places.
    for number in range(6):
        for device_id in houseful:
            sent = of(device_id, number)
            await until(lambda sent=sent: bench.device.deliver(BIP, sent, channel=6), "room")
    for stranger in range(4):
        bench.device.deliver(BIP, of(stranger), channel=6)
    told: list[tuple[int, ...]] = []

    def counted() -> bool:
        told[:] = [serial.unpack_air(body) for body in line.of_kind(serial.AIR)]
        return bool(told) and told[-1][1] + told[-1][7] + told[-1][9] >= 6 * 64

    await until(counted, "all that the radio had room for")
    assert min(air[10] for air in told) > 24_000
    assert bench.device.wakes == 1


async def test_short_of_memory_it_starts_anew_and_says_why(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plant(monkeypatch, tmp_path, "carrier.py", AIR_EACH_MS="300")
    plant(
        monkeypatch,
        tmp_path,
        "bridge.py",
        _MEMORY_LEAST="1 << 40 if machine.reset_cause() == 1 else 0",
    )
    line = await bench.plug()
    await until(lambda: len(line.of_kind(serial.HELLO)) > 1 and bench.device.wakes == 2, "again")
    why = serial.pack_hello(VERSION, 6, 2, serial.WHY_MEMORY)
    await until(lambda: line.of_kind(serial.HELLO)[-1] == why, "why")
    line.write(settings(6, [OWN]))
    bench.device.deliver(BIP, FRAME, channel=6)
    await until(lambda: line.of_kind(serial.UP_FRAME), "a frame after that")
    await until(lambda: len(line.of_kind(serial.AIR)) > 1, "counts")
    assert serial.unpack_air(line.of_kind(serial.AIR)[-1])[10] > 0


async def test_whatever_falls_it_starts_anew_and_says_that(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plant(monkeypatch, tmp_path, "carrier.py", append=_FALLS_ONCE)
    line = await bench.plug()
    bench.device.deliver(BIP, b"fall" * 10, channel=6)
    why = serial.pack_hello(VERSION, 6, 2, serial.WHY_EXCEPTION)
    await until(lambda: why in line.of_kind(serial.HELLO), "it is there again")
    line.write(settings(6, [OWN]))
    bench.device.deliver(BIP, FRAME, channel=6)
    await until(lambda: line.of_kind(serial.UP_FRAME), "a frame after that")


_FALLS_ONCE = """

_put = waiting.Waiting.put


def _falls(self, now_ms, rssi_dbm, address, frame):
    if frame.startswith(b"fall"):
        raise KeyError("as no program should")
    return _put(self, now_ms, rssi_dbm, address, frame)


waiting.Waiting.put = _falls
"""


async def test_pulled_and_put_back_it_is_there_again_behind_the_same_path(bench: Bench) -> None:
    line = await bench.plug()
    bench.device.unplug()
    await until(lambda: line.read() is not None and line.hung_up, "the port hangs up")
    assert not bench.device.port_path.exists()
    assert bench.device.channel is None
    again = await bench.plug()
    again.write(down())
    await until(lambda: bench.sent, "it carries again")


async def test_it_still_tells_the_air_s_counts_when_its_ticks_have_gone_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ESP32's ticks go round after 12.4 days, and half of that looks like the past."""
    plant(monkeypatch, tmp_path, "ticks.py", append="\ntime.pace = 1 << 17\n")
    bench = Bench(tmp_path)
    try:
        line = await bench.plug()

        def days() -> float:
            told = line.of_kind(serial.AIR)
            return serial.unpack_air(told[-1])[0] / 86400 if told else 0

        await until(lambda: days() > 14, "two weeks of the receiver's life")
        bench.device.deliver(BIP, FRAME, channel=6)
        await until(lambda: line.of_kind(serial.UP_FRAME), "a frame after that")
        assert bench.device.wakes == 1
    finally:
        await bench.device.close()
        for line in bench.lines:
            line.close()


async def test_a_channel_that_the_chip_refuses_leaves_it_on_its_own_and_says_which(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plant(monkeypatch, tmp_path, "carrier.py", AIR_EACH_MS="300")
    plant(
        monkeypatch,
        tmp_path,
        "ticks.py",
        append="import network\n\nnetwork.WLAN.channel_max = 11\n",
    )
    line = await bench.plug()
    line.write(serial.encode_message(serial.SETTINGS, serial.pack_settings(13)))
    hellos = len(line.of_kind(serial.HELLO))
    await until(lambda: len(line.of_kind(serial.HELLO)) > hellos + 1, "HELLO again")
    assert line.of_kind(serial.HELLO)[-1] == serial.pack_hello(VERSION, 6, 1)
    assert bench.device.deliver(BIP, FRAME, channel=6)
    await until(lambda: line.of_kind(serial.UP_FRAME), "a frame on the old channel")
    line.write(serial.encode_message(serial.SETTINGS, serial.pack_settings(11)))
    await until(lambda: bench.device.channel == 11, "a channel that it may have")
    assert bench.device.wakes == 1


async def test_a_buffer_out_of_step_costs_one_frame(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plant(monkeypatch, tmp_path, "ticks.py", append=_OUT_OF_STEP)
    line = await bench.plug()
    bench.device.deliver(BIP, b"bad" * 10, channel=6)
    bench.device.deliver(BIP, FRAME, channel=6)
    await until(lambda: line.of_kind(serial.UP_FRAME), "the frame after it")
    assert serial.unpack_up_frame(line.of_kind(serial.UP_FRAME)[0])[2] == FRAME
    assert bench.device.wakes == 1


_OUT_OF_STEP = """
import espnow

_recv = espnow.ESPNow.recv


def _raises(self, timeout_ms):
    address, frame = _recv(self, timeout_ms)
    if frame and frame.startswith(b"bad"):
        raise ValueError("ESPNow.recv(): buffer error")
    return address, frame


espnow.ESPNow.recv = _raises
"""


async def test_a_radio_that_takes_two_seconds_for_a_frame_leaves_it_hearing_and_fed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A jammed channel: the module waits that long for room in its buffers, then gives up."""
    plant(monkeypatch, tmp_path, "ticks.py", append=_JAMMED)
    plant(monkeypatch, tmp_path, "bridge.py", _WATCHDOG_MS="1000")
    line = await bench.plug()
    line.write(b"".join(down(bytes((2, 0, 0, 0, 0, number))) for number in range(16)))
    bench.device.deliver(BIP, FRAME, channel=6)
    await until(lambda: line.of_kind(serial.UP_FRAME), "a frame while it sends")
    await until(lambda: len(bench.sent) >= 16, "all replies")
    assert bench.device.wakes == 1


_JAMMED = """
import espnow

_send = espnow.ESPNow.send


def _slowly(self, *args):
    time.sleep_ms(200)
    return _send(self, *args)


espnow.ESPNow.send = _slowly
"""


@pytest.mark.slow
async def test_it_tells_the_air_s_counts_and_repeats_hello_until_it_is_answered(
    bench: Bench,
) -> None:
    line = await bench.plug(told=False)
    bench.device.deliver(BIP, FRAME, channel=6)
    bench.device.deliver(BIP, bytes(3), channel=6)
    line.write(b"\x05garbage\x00" + down())
    await until(lambda: line.of_kind(serial.AIR), "AIR", 20)
    uptime_s, *counts = serial.unpack_air(line.of_kind(serial.AIR)[0])
    assert uptime_s == 10
    assert counts[:5] == [1, 1, 0, 1, 1]
    assert len(line.of_kind(serial.HELLO)) == 2


async def test_a_jammed_channel_is_told_at_once_and_so_is_its_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The minute is shortened: the core's own test has it whole."""
    plant(
        monkeypatch, tmp_path, "jam.py", _WINDOW_S="3", _JAM_MS="800", _OVER_MS="100", _HELD_MS="50"
    )
    line = await bench.plug()

    def jammed() -> list[int]:
        return [serial.unpack_air(body)[14] for body in line.of_kind(serial.AIR)]

    await until(lambda: bench.probes, "a probe")
    bench.device.air_taken(True)
    await until(lambda: jammed() == [1], "the jam")
    line.write(down())
    count = bench.probes
    bench.device.deliver(BIP, FRAME, channel=6)
    await until(lambda: line.of_kind(serial.UP_FRAME), "it goes on carrying up")
    assert (bench.probes, bench.sent) == (count, []), "nothing leaves meanwhile"
    bench.device.air_taken(False)
    await until(lambda: (6, BIP, FRAME) in bench.sent, "what waited leaves")
    await until(lambda: jammed() == [1, 0], "its end")
    assert bench.device.wakes == 1
