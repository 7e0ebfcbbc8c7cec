"""From the air to an alert: what opens, what is new, what is told, and what is refused."""

from __future__ import annotations

import random

import pytest

from tests.box.driven import DrivenBox
from tests.box.peers import Bip
from vigibip.box.config import BoxSettings
from vigibip.box.faults import FaultCode
from vigibip.box.pairing import pair_device, revoke_paired
from vigibip.wire import frame, parcel, window

HEARD, DELIVERED, NONE = frame.STATE_HEARD, frame.STATE_DELIVERED, frame.STATE_NONE


async def test_the_carrier_has_a_press_before_the_disk_and_the_bip_hears_after_it(
    box: DrivenBox, bip: Bip
) -> None:
    box.link.hear(-61, bip.mac, bip.press())
    assert box.carrier.take() == [bip.alert_id(1)]
    assert box.link.states(bip) == []
    await box.settle()
    assert box.sql("SELECT device, press, state FROM alerts") == [(bip.device_id, 1, "heard")]
    assert box.link.states(bip) == [HEARD]


async def test_the_same_bytes_again_are_answered_again_and_are_one_alert(
    box: DrivenBox, bip: Bip
) -> None:
    pressed = bip.press()
    await box.hear(bip, pressed, pressed, pressed)
    await box.hear(bip, pressed)
    assert box.carrier.take() == [bip.alert_id(1)]
    # The two that came while the disk worked were answered by its commit.
    assert box.link.states(bip) == [HEARD, HEARD]
    box.carrier.receipt(bip.alert_id(1))
    await box.hear(bip, pressed)
    assert box.link.states(bip)[-1] == DELIVERED


async def test_a_reply_names_the_frame_that_it_answers_and_the_press(
    box: DrivenBox, bip: Bip
) -> None:
    await box.hear(bip, bip.press())
    await box.hear(bip, bip.press(press=1, age_s=60))
    replies = [bip.read_reply(sealed) for _, sealed in box.link.sent]
    assert [(one.answered, one.press) for one in replies] == [(1, 1), (2, 1)]
    assert len({one.counter for one in replies}) == 2


async def test_a_counter_used_for_two_frames_is_refused(box: DrivenBox, bip: Bip) -> None:
    await box.hear(bip, bip.press(age_s=0, counter=5))
    box.link.sent.clear()
    await box.hear(bip, bip.press(age_s=1, counter=5))
    assert box.link.sent == []
    assert len(box.carrier.take()) == 1
    assert FaultCode.COUNTER_REUSED in box.codes()
    await box.restart()
    await box.hear(bip, bip.press(age_s=2, counter=5))
    assert box.link.sent == []


async def test_a_press_resumed_by_a_later_wake_is_the_same_alert(box: DrivenBox, bip: Bip) -> None:
    await box.hear(bip, bip.press())
    box.carrier.receipt(bip.alert_id(1))
    await box.hear(bip, bip.press(press=1, age_s=30))
    assert box.carrier.take() == [bip.alert_id(1)]
    assert box.link.states(bip, answered=2) == [DELIVERED]


async def test_a_press_whose_first_frame_was_lost_keeps_its_name(box: DrivenBox, bip: Bip) -> None:
    bip.press()
    await box.hear(bip, bip.press(press=1, age_s=frame.AGE_UNKNOWN))
    (alert,) = box.carrier.sent
    assert (alert.alert, alert.age_s) == (bip.alert_id(1), None)


async def test_counters_out_of_order_are_new_inside_the_window(box: DrivenBox, bip: Bip) -> None:
    numbers = list(range(1, window.WIDTH + 1))
    random.Random(3).shuffle(numbers)
    await box.hear(bip, *(bip.press(counter=number) for number in numbers))
    assert sorted(box.carrier.take()) == [bip.alert_id(number) for number in sorted(numbers)]
    assert not box.codes()


async def test_a_known_press_is_answered_however_old(box: DrivenBox, bip: Bip) -> None:
    first = bip.press(counter=1)
    await box.hear(bip, first, bip.press(counter=500))
    await box.restart()
    box.link.sent.clear()
    await box.hear(bip, first)
    assert box.link.states(bip, answered=1) == [HEARD]
    assert FaultCode.LATE_PRESS not in box.codes()


async def test_an_unknown_press_from_before_the_window_goes_to_the_post_marked_late(
    box: DrivenBox, bip: Bip
) -> None:
    old = bip.press(counter=3)
    await box.hear(bip, bip.press(counter=500))
    box.carrier.take()
    await box.hear(bip, old)
    (alert,) = box.carrier.sent
    assert (alert.alert, alert.late) == (bip.alert_id(3), True)
    assert box.link.states(bip, answered=3) == [HEARD]
    assert FaultCode.LATE_PRESS in box.codes()
    await box.hear(bip, old)
    assert len(box.carrier.sent) == 1


async def test_a_press_that_a_failed_disk_forgot_is_never_taken_for_seen(
    box: DrivenBox, bip: Bip
) -> None:
    """Its window bit may have reached the disk with another press; the press itself did not."""
    lost = bip.press()
    box.break_disk()
    await box.hear(bip, lost)
    assert box.link.states(bip) == []
    box.mend_disk()
    await box.hear(bip, bip.press())
    # As a power cut right here would leave it.
    box.sql("DELETE FROM alerts WHERE press = 1", "DELETE FROM frames WHERE counter = 1")
    await box.restart()
    box.carrier.take()
    box.link.sent.clear()
    await box.hear(bip, lost)
    assert box.carrier.take() == [bip.alert_id(1)]
    assert box.link.states(bip) == [HEARD]


async def test_polls_and_statuses_are_answered_with_what_stands(box: DrivenBox, bip: Bip) -> None:
    await box.press(bip)
    assert await box.state(bip, 1) == HEARD
    assert await box.state(bip, 99) == NONE
    await box.hear(bip, bip.status())
    assert box.link.states(bip)[-1] == NONE
    told = box.daemon.description()
    assert told["devices"][0]["battery_mv"] == 3800
    assert box.sql("SELECT battery_mv FROM devices") == [(None,)]
    await box.clock.advance(3600)
    assert box.sql("SELECT battery_mv, heard_ms FROM devices") == [(3800, 1767603600000)]


async def test_an_old_poll_is_not_answered(box: DrivenBox, bip: Bip) -> None:
    polled = bip.poll(1)
    await box.hear(bip, polled)
    await box.hear(bip, polled)
    assert len(box.link.sent) == 2  # the same bytes: its reply may have been lost
    await box.hear(bip, bip.press(counter=500))
    box.link.sent.clear()
    await box.hear(bip, polled)
    assert box.link.sent == []


async def test_a_bip_that_asks_for_what_is_not_kept_for_it_is_told_so(
    box: DrivenBox, bip: Bip
) -> None:
    asked = bip.seal(frame.ASK, 9, parcel.pack_ask(parcel.WANTS_SETTINGS, 0, 0))
    await box.hear(bip, asked, asked)
    told = [bip.read_reply(sealed) for _, sealed in box.link.sent]
    assert [(reply.answered, reply.press, reply.state) for reply in told] == [(9, 0, 0)] * 2
    assert box.carrier.take() == []


async def test_what_does_not_open_is_counted_and_never_answered(
    box: DrivenBox, bip: Bip, settings: BoxSettings
) -> None:
    valid = bip.press()
    stranger = Bip(bip.device_id, bytes(16))
    chance = random.Random(11)
    poisoned = [b"", valid[:-1], valid + b"\0", bytes(250), bytes(5000), stranger.press()]
    poisoned += [valid[:length] for length in range(len(valid))]
    poisoned += [chance.randbytes(chance.randrange(0, 300)) for _ in range(500)]
    poisoned.append(bip.seal(frame.REPLY, 7, frame.pack_reply(1, 1, DELIVERED, 0)))
    poisoned.append(bip.seal(frame.CONFIGURE, 7, bytes(192)))
    poisoned.append(bip.seal(frame.UPDATE, 8, bytes(192)))
    poisoned.append(Bip(0x0BADB1B0).press())
    for position in range(len(valid)):
        for bit in range(8):
            flipped = bytearray(valid)
            flipped[position] ^= 1 << bit
            poisoned.append(bytes(flipped))
    await box.hear(bip, *poisoned)
    assert box.carrier.take() == []
    assert box.link.sent == []
    counts = box.daemon.description()["frames"]
    assert {"seal", "length", "version", "kind", "unknown_device"} == set(counts)
    assert sum(counts.values()) == len(poisoned)
    assert FaultCode.FRAME_VERSION in box.codes()
    await box.hear(bip, valid)
    assert box.carrier.take() == [bip.alert_id(1)]


async def test_a_press_that_names_no_press_is_still_an_alert(box: DrivenBox, bip: Bip) -> None:
    payload = frame.pack_press(0, 0, 3900, 0, 0, 0, 0)
    await box.hear(bip, bip.seal(frame.PRESS, 4, payload))
    assert box.carrier.take() == [bip.alert_id(4)]
    assert FaultCode.BIP_FIRMWARE in box.codes()


@pytest.mark.parametrize("rssi_dbm", [-128, 127, 0, -61])
@pytest.mark.parametrize("battery_mv", [0, 65535])
async def test_a_sensor_never_stops_an_alert(
    box: DrivenBox, bip: Bip, rssi_dbm: int, battery_mv: int
) -> None:
    payload = frame.pack_press(1, 4_000_000_000, battery_mv, 65535, 255, 127, 255)
    await box.hear(bip, bip.seal(frame.PRESS, 1, payload), rssi_dbm=rssi_dbm)
    assert box.carrier.take() == [bip.alert_id(1)]
    assert box.link.states(bip) == [HEARD]


async def test_a_bip_paired_or_revoked_while_the_box_runs(
    box: DrivenBox, bip: Bip, settings: BoxSettings
) -> None:
    other = Bip(0x00000007, bytes(range(100, 116)))
    await box.hear(other, other.press())
    assert box.carrier.take() == []
    box.sql(
        "INSERT INTO devices (id, key, name, paired_ms) "
        f"VALUES (7, x'{other.key.hex()}', 'arrière-boutique', 0)"
    )
    await box.clock.advance(settings.device_poll_s)
    assert await box.press(other) in box.carrier.take()
    box.sql("UPDATE devices SET revoked_ms = 1 WHERE id = 7")
    await box.clock.advance(settings.device_poll_s)
    assert await box.press(other) not in box.carrier.take()
    assert await box.press(bip) in box.carrier.take()


async def test_reply_counters_never_come_twice_even_across_restarts(
    box: DrivenBox, bip: Bip
) -> None:
    for _ in range(3):
        for _ in range(300):
            await box.hear(bip, bip.poll(1))
        await box.restart()
    counters = [bip.read_reply(sealed).counter for _, sealed in box.link.sent]
    assert len(counters) == 900
    assert counters == sorted(set(counters))


async def test_the_receiver_is_told_whose_bips_are_its_own_and_a_guest_is_never_answered(
    box: DrivenBox, bip: Bip, settings: BoxSettings
) -> None:
    assert box.link.allowed == [bip.device_id]
    neighbours = Bip(0x66)
    await box.hear(neighbours, neighbours.press())
    assert (box.link.sent, box.carrier.take()) == ([], [])
    pair_device(settings, f"{neighbours.device_id:08x}", "réserve", neighbours.key.hex())
    await box.clock.advance(600)
    assert sorted(box.link.allowed) == sorted([bip.device_id, neighbours.device_id])
    revoke_paired(settings, f"{bip.device_id:08x}")
    await box.clock.advance(600)
    assert box.link.allowed == [neighbours.device_id]
