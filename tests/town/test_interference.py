"""A jammer's pulses and the turns of heavy Wi-Fi, and what they do to the air."""

from __future__ import annotations

import math
import statistics

import pytest

from vigibip.base.clock import DrivenClock
from vigibip.town.air import Air, Way
from vigibip.town.interference import WIFI_FRAME_MAX_S, HeavyWifi, Jammer
from vigibip.wire.serial import BROADCAST

RECEIVER, BIP = b"\x02recv1", b"\x02bipA1"


def test_pulses_begin_and_end_when_they_are_told() -> None:
    jammer = Jammer(on_s=1.0, off_s=2.0, start_s=10.0, end_s=14.5)
    edges = [0.0]
    while not math.isinf(edge_s := jammer.next_edge_s(edges[-1])):
        edges.append(edge_s)
    assert edges[1:] == [10.0, 11.0, 13.0, 14.0]
    assert [jammer.taken(at_s) for at_s in (9.9, 10.5, 11.0, 12.9, 13.5, 14.0)] == [
        *(False, True, False, False, True, False)
    ]
    assert jammer.free_at_s(13.2) == pytest.approx(14.0)
    assert Jammer(on_s=1.0, off_s=2.0, end_s=0.5).free_at_s(0.2) == 0.5
    assert Jammer(start_s=1.0).free_at_s(2.0) == math.inf


def test_beside_heavy_wifi_a_frame_waits_about_as_many_frames_as_there_are_stations() -> None:
    wifi = HeavyWifi(8, seed=3)
    waits_s = [wifi.free_at_s(5.0) - 5.0 for _ in range(20_000)]
    assert statistics.fmean(waits_s) == pytest.approx(8.5 * WIFI_FRAME_MAX_S, rel=0.05)
    assert min(waits_s) >= 0


async def test_what_is_sent_in_a_pulse_is_lost_and_who_listens_is_told_of_its_edges() -> None:
    clock = DrivenClock()
    air = Air(clock)
    heard: list[bytes] = []
    taken: list[bool] = []
    receiver = air.attach(Way.DOWN, RECEIVER, lambda: 6, lambda _r, _m, sent: heard.append(sent))
    receiver.on_taken = taken.append
    bip = air.attach(Way.UP, BIP, lambda: None, lambda *_: None)
    start_s = clock.monotonic_s() + 1
    air.jam(6, Jammer(on_s=1.0, off_s=1.0, start_s=start_s, end_s=start_s + 3))
    for number in range(9):
        await clock.advance(0.5)
        bip.send(6, BROADCAST, bytes((number,)))
    # Jammed from 1.0 to 2.0 and from 3.0 to 4.0 s.
    assert heard == [bytes((number,)) for number in (0, 3, 4, 7, 8)]
    assert air.counts.up.lost == 4
    assert taken == [False, True, False, True, False]
    bip.send(11, BROADCAST, b"other channel")
    assert air.counts.up.lost == 4
    await air.close()
