"""A press in driven time: what leaves, what is felt, what is kept."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.firmware.honest_box import (
    CHANNEL,
    DEVICE_ID,
    ENCRYPT,
    OTHER_KEY,
    RECEIVER,
    Bip,
    Box,
    block_cipher,
    core,
)
from vigibip.wire import frame


def settled() -> Bip:
    """A bip whose first status is behind it."""
    bip = Bip()
    box = Box()
    bip.advance(1000)
    for _, sealed, _ in bip.sent():
        bip.receive(box.take(sealed))
    return bip


def kinds(sent: list[tuple[int, bytes, bytes]]) -> list[int]:
    return [frame.read_header(sealed)[0] for _, sealed, _ in sent]


def test_a_press_is_stored_and_then_sent_at_once() -> None:
    bip = settled()
    actions = bip.sender.press(bip.now_ms)
    assert [action[0] for action in actions] == [core.STORE, core.SEND]
    sealed = actions[1][1]
    kind, device_id, counter, payload = frame.open_frame(ENCRYPT, sealed)
    press, age_s, _, _, _, _, wake, _, _ = frame.unpack_press(payload)
    assert (kind, device_id, press, age_s, wake) == (frame.PRESS, DEVICE_ID, counter, 0, 0)


def test_within_one_wake_it_repeats_the_same_bytes_and_each_third_goes_to_all() -> None:
    bip = settled()
    bip.press()
    bip.advance(400)
    sent = bip.sent()
    assert len(sent) >= 4
    assert len({sealed for _, sealed, _ in sent}) == 1
    addresses = [address for _, _, address in sent]
    assert [address == core.BROADCAST for address in addresses[:6]] == [
        index % 3 == 2 for index in range(len(addresses[:6]))
    ]


def test_the_first_repetition_is_soon_and_they_grow_apart() -> None:
    bip = settled()
    bip.press()
    times = []
    while len(times) < 5:
        bip.now_ms = bip.sender.deadline_ms(bip.now_ms)
        bip.do(bip.sender.tick(bip.now_ms))
        times.append(bip.now_ms)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert 40 <= times[0] - 1_001_000 <= 60
    assert gaps[-1] > gaps[0]
    assert max(gaps) <= 340


def test_heard_then_delivered_then_coming_are_each_felt_once() -> None:
    bip, box = settled(), Box()
    number = bip.press()
    (_, sealed, _), *_ = bip.sent()
    reply = box.take(sealed)
    for _ in range(3):
        bip.receive(reply)
    bip.advance(1100)
    box.raise_to(number, frame.STATE_DELIVERED)
    for _, poll, _ in bip.sent():
        bip.receive(box.take(poll))
        bip.receive(box.take(poll))
    bip.advance(1100)
    box.raise_to(number, frame.STATE_COMING)
    for _, poll, _ in bip.sent():
        bip.receive(box.take(poll))
    assert bip.felt == ["heard", "delivered", "coming"]
    assert bip.open_presses() == []
    assert bip.sender.sleep_ms(bip.now_ms) is not None


def test_delivered_at_once_implies_heard_and_ends_the_retransmission() -> None:
    bip, box = settled(), Box()
    number = bip.press()
    sealed = bip.sent()[0][1]
    box.take(sealed)
    box.raise_to(number, frame.STATE_DELIVERED)
    bip.receive(box.take(sealed))
    bip.advance(900)
    assert bip.felt == ["delivered"]
    assert bip.sent() == []


def test_not_reached_may_be_followed_by_delivered_but_never_the_other_way() -> None:
    bip, box = settled(), Box()
    number = bip.press()
    sealed = bip.sent()[0][1]
    answered = frame.read_header(sealed)[2]
    bip.receive(box.take(sealed))
    late = [
        box.reply(answered, number, state)
        for state in (
            frame.STATE_NOT_REACHED,
            frame.STATE_HEARD,
            frame.STATE_DELIVERED,
            frame.STATE_NOT_REACHED,
            frame.STATE_HEARD,
            frame.STATE_UNANSWERED,
            frame.STATE_DELIVERED,
            frame.STATE_COMING,
            frame.STATE_UNANSWERED,
        )
    ]
    for reply in late:
        bip.receive(reply)
    assert bip.felt == ["heard", "not_reached", "delivered", "unanswered", "coming"]


def test_a_box_that_has_not_stored_it_yet_ends_nothing() -> None:
    bip, box = settled(), Box()
    bip.press()
    sealed = bip.sent()[0][1]
    bip.receive(box.take(sealed, stores=False))
    bip.advance(300)
    assert bip.felt == []
    assert bip.sent()


def refused_replies() -> dict[str, bytes]:
    box = Box()
    good = box.reply(65, 65, frame.STATE_COMING)
    other = frame.seal_frame(
        ENCRYPT, frame.REPLY, DEVICE_ID + 1, 5, frame.pack_reply(65, 65, frame.STATE_COMING, 0)
    )
    up = frame.seal_frame(
        ENCRYPT, frame.PRESS, DEVICE_ID, 5, frame.pack_reply(65, 65, frame.STATE_COMING, 0)
    )
    return {
        "another key": box.reply(65, 65, frame.STATE_COMING, block_cipher(OTHER_KEY)),
        "another bip": other,
        "another direction": up,
        "a counter that was never sent": box.reply(64, 65, frame.STATE_COMING),
        "counter 0": box.reply(0, 65, frame.STATE_COMING),
        "another press": box.reply(65, 64, frame.STATE_COMING),
        "truncated": good[:-1],
        "too long": good + b"\x00",
        "empty": b"",
        "another version": b"\x02" + good[1:],
        "a flipped bit": good[:20] + bytes((good[20] ^ 1,)) + good[21:],
        "an unknown kind": good[:1] + b"\x7f" + good[2:],
        "an unknown state": box.reply(65, 65, 99),
    }


@pytest.mark.parametrize("name", refused_replies())
def test_nothing_is_felt_for(name: str) -> None:
    bip = settled()
    # The status before it took the first block's first number; a wake has a block of its own.
    bip.wake(known_time=True)
    assert bip.press() == 65
    bip.receive(refused_replies()[name])
    assert bip.felt == []
    assert bip.open_presses() == [65]


def test_a_reply_of_an_earlier_wake_counts_no_more() -> None:
    bip, box = settled(), Box()
    bip.press()
    kept_back = box.take(bip.sent()[0][1])
    bip.wake(known_time=True)
    bip.receive(kept_back)
    assert bip.felt == []
    bip.advance(10)
    bip.receive(box.take(bip.sent()[0][1]))
    assert bip.felt == ["heard"]


def test_a_silent_channel_starts_a_hunt_that_keeps_coming_home() -> None:
    bip = settled()
    bip.press()
    bip.advance(6000)
    channels = [channel for channel, _, _ in bip.sent()]
    assert channels[:5] == [CHANNEL] * 5
    assert set(channels) == set(range(1, 14))
    away = [index for index, channel in enumerate(channels[5:]) if channel == CHANNEL]
    assert max(later - earlier for earlier, later in pairwise(away)) <= 4


def test_what_answers_elsewhere_is_kept_as_the_way_and_used_first_next_time() -> None:
    bip, box = settled(), Box()
    bip.press()
    bip.advance(4000)
    replaced = b"\x02other"
    channel, sealed, _ = next(entry for entry in reversed(bip.sent()) if entry[0] != CHANNEL)
    while bip.channel != channel:
        bip.advance(50)
    bip.sent()
    bip.receive(box.take(sealed), address=replaced)
    assert bip.links == [(channel, replaced)]
    bip.press()
    assert bip.sent()[-1][::2] == (channel, replaced)


def test_a_wake_gives_up_after_a_while_tells_it_once_and_goes_on_at_the_next() -> None:
    bip, box = settled(), Box()
    number = bip.press()
    bip.advance(16_000)
    assert bip.felt == ["not_sent"]
    rest_ms = bip.sender.sleep_ms(bip.now_ms)
    assert rest_ms is not None
    assert rest_ms <= 17_000
    bip.sent()
    bip.advance(20_000)
    sent = bip.sent()
    kind, _, counter, payload = frame.open_frame(ENCRYPT, sent[0][1])
    named, age_s, _, _, _, _, wake, _, _ = frame.unpack_press(payload)
    assert (kind, named, wake) == (frame.PRESS, number, 1)
    assert counter != number
    assert 15 <= age_s <= 36
    bip.advance(120_000)
    assert bip.felt == ["not_sent"]
    bip.sent()
    while not bip.air:
        bip.advance(1000)
    bip.receive(box.take(bip.sent()[0][1]))
    assert bip.felt == ["not_sent", "heard"]
    assert list(box.states) == [number]


def test_after_a_power_cut_the_age_is_unknown_and_says_so() -> None:
    bip = settled()
    number = bip.press()
    bip.sent()
    bip.wake(known_time=False)
    bip.advance(10)
    named, age_s, *_ = frame.unpack_press(frame.open_frame(ENCRYPT, bip.sent()[0][1])[3])
    assert (named, age_s) == (number, frame.AGE_UNKNOWN)


def test_mashing_makes_presses_each_sent_at_once_and_before_the_older_ones() -> None:
    bip = settled()
    numbers = []
    for _ in range(3):
        bip.sent()
        numbers.append(bip.press())
        assert len(bip.sent()) == 1
        bip.advance(30)
    bip.sent()
    while not bip.air:
        bip.advance(10)
    told = [frame.open_frame(ENCRYPT, sealed)[2] for _, sealed, _ in bip.sent()]
    assert told == list(reversed(numbers))


def test_more_presses_than_it_can_keep_never_cost_the_first_nor_the_last() -> None:
    bip = settled()
    numbers = [bip.press() for _ in range(12)]
    kept = bip.open_presses()
    assert len(kept) == 8
    assert kept == [*numbers[:7], numbers[-1]]


def test_a_heard_press_gives_way_before_an_unheard_one() -> None:
    bip, box = settled(), Box()
    heard = bip.press()
    bip.receive(box.take(bip.sent()[0][1]))
    unheard = [bip.press() for _ in range(8)]
    assert heard in box.states
    assert bip.open_presses() == unheard


def test_the_palm_is_told_of_the_newest_press_only() -> None:
    bip, box = settled(), Box()
    first = bip.press()
    sealed_first = bip.sent()[0][1]
    bip.receive(box.take(sealed_first))
    second = bip.press()
    box.raise_to(first, frame.STATE_DELIVERED)
    bip.receive(box.take(sealed_first))
    box.raise_to(first, frame.STATE_COMING)
    bip.receive(box.take(sealed_first))
    assert bip.felt == ["heard"]
    bip.receive(box.take(bip.sent()[-1][1]))
    assert bip.felt == ["heard", "heard"]
    assert bip.open_presses() == [second]


def test_an_older_press_goes_on_until_it_is_heard_and_nothing_of_it_is_felt() -> None:
    bip, box = settled(), Box()
    first = bip.press()
    bip.sent()
    bip.press()
    bip.receive(box.take(bip.sent()[0][1]))
    assert bip.felt == ["heard"]
    bip.advance(20_000)
    assert bip.felt == ["heard"], "not sent, said after heard"
    bip.sent()
    bip.wake(known_time=True, record=bip.sender.record())
    bip.advance(10)
    sent = [frame.open_frame(ENCRYPT, sealed) for _, sealed, _ in bip.sent()]
    again = next(entry for entry in sent if entry[0] == frame.PRESS)
    assert frame.unpack_press(again[3])[0] == first
    box.states[first] = frame.STATE_COMING
    bip.receive(box.reply(again[2], first, frame.STATE_COMING))
    assert bip.felt == ["heard"]
    assert first not in bip.open_presses()


def test_a_replayed_reply_moves_neither_the_way_nor_the_aim() -> None:
    bip, box = settled(), Box()
    bip.press()
    reply = box.take(bip.sent()[0][1], stores=False)
    bip.receive(reply)
    for number in range(30):
        bip.advance(100)
        bip.receive(reply, address=bytes((2, 0, 0, 0, 0, number)))
    assert bip.links == []
    assert {channel for channel, _, _ in bip.sent()} != {CHANNEL}, "a replay keeps it from hunting"


def test_once_all_channels_were_silent_every_second_shot_goes_home() -> None:
    bip = settled()
    bip.press()
    bip.advance(4000)
    bip.sent()
    bip.advance(8000)
    channels = [channel for channel, _, _ in bip.sent()]
    assert set(channels) == set(range(1, 14))
    assert channels.count(CHANNEL) >= len(channels) // 2


def test_a_channel_that_the_radio_does_not_take_is_not_taken_for_the_way() -> None:
    bip, box = settled(), Box()
    bip.press()
    while bip.channel != 12:
        bip.advance(10)
    sealed = bip.sent()[-1][1]
    bip.sender.stay_on(11)
    bip.receive(box.take(sealed))
    assert bip.links == [(11, RECEIVER)]


def test_a_counter_that_fails_in_the_hunt_leaves_aim_and_radio_at_one() -> None:
    from vigibip.wire.counter import ReservedCounter

    bip, box = settled(), Box()
    bip.press()
    bip.advance(16_000)
    bip.wake(known_time=True)

    def refuse(end: int) -> None:
        raise OSError(5)

    bip.sender.recount(ReservedCounter(1000, refuse))
    with pytest.raises(OSError, match="5"):
        bip.sender.tick(bip.now_ms)
    bip.sender.recount(ReservedCounter(0x80000000, lambda end: None))
    for _ in range(40):
        bip.advance(60)
        if bip.channel != CHANNEL:
            break
    bip.sent()
    bip.advance(200)
    assert bip.channel == bip.sender.voice.aim.tuned
    bip.receive(box.take(bip.sent()[-1][1]))
    assert bip.felt[-1] == "heard"


def test_polls_are_new_frames_every_second_and_rarer_later() -> None:
    bip, box = settled(), Box()
    bip.press()
    bip.receive(box.take(bip.sent()[0][1]))
    counters = []
    fast = slow = late = 0
    start_ms = bip.now_ms
    while bip.now_ms - start_ms < 2 * 3_600_000:
        bip.advance(100)
        for _, sealed, _ in bip.sent():
            kind, _, counter, _ = frame.open_frame(ENCRYPT, sealed)
            bip.receive(box.take(sealed))
            if kind != frame.POLL:
                continue
            counters.append(counter)
            since_ms = bip.now_ms - start_ms
            fast += since_ms <= 120_000
            slow += 120_000 < since_ms <= 1_800_000
            late += since_ms > 1_800_000
    assert len(set(counters)) == len(counters)
    assert 115 <= fast <= 121
    assert 150 <= slow <= 170
    assert 1 <= late <= 3


def test_a_poll_without_a_reply_is_tried_again_and_then_lets_it_sleep() -> None:
    bip, box = settled(), Box()
    bip.press()
    bip.receive(box.take(bip.sent()[0][1]))
    bip.advance(125_000)
    bip.sent()
    bip.advance(10_000)
    polls = [sealed for _, sealed, _ in bip.sent()]
    assert 3 <= len(polls) <= 6
    assert len(set(polls)) == len(polls)
    bip.advance(1000)
    assert bip.sender.sleep_ms(bip.now_ms) is not None


def test_statuses_come_hourly_with_jitter_and_bind_nothing() -> None:
    bip, box = settled(), Box()
    times = []
    for _ in range(6 * 3600):
        bip.advance(1000)
        sent = bip.sent()
        assert set(kinds(sent)) <= {frame.STATUS}
        for _, sealed, _ in sent[:1]:
            times.append(bip.now_ms)
            bip.receive(box.take(sealed))
    gaps_s = {round((b - a) / 1000) for a, b in pairwise(times)}
    assert all(3200 <= gap <= 3602 for gap in gaps_s)
    assert len(gaps_s) > 1
    assert bip.felt == []


def test_a_status_counts_what_was_not_sent_and_not_reached() -> None:
    bip, box = settled(), Box()
    number = bip.press()
    bip.advance(16_000)
    bip.sent()
    while not bip.air:
        bip.advance(1000)
    sealed = bip.sent()[0][1]
    bip.receive(box.take(sealed))
    box.raise_to(number, frame.STATE_NOT_REACHED)
    bip.receive(box.take(sealed))
    while True:
        bip.advance(60_000)
        opened = [frame.open_frame(ENCRYPT, sealed) for _, sealed, _ in bip.sent()]
        status = next((entry[3] for entry in opened if entry[0] == frame.STATUS), None)
        if status is not None:
            break
    unheard, unreached, crashes, uptime_min = frame.unpack_status(status)[4:8]
    assert (unheard, unreached, crashes) == (1, 1, 0)
    assert uptime_min >= 54


def test_a_press_waits_for_no_status_and_no_poll() -> None:
    bip = Bip()
    bip.press()
    assert kinds(bip.sent()) == [frame.PRESS]
    bip.advance(10_000)
    assert set(kinds(bip.sent())) == {frame.PRESS}


def test_a_heard_press_is_forgotten_a_day_later_and_an_unheard_one_never() -> None:
    bip, box = settled(), Box()
    bip.press()
    bip.receive(box.take(bip.sent()[0][1]))
    bip.advance(26 * 3_600_000)
    assert bip.open_presses() == []
    unheard = bip.press()
    bip.advance(26 * 3_600_000)
    assert bip.open_presses() == [unheard]


def test_a_counter_that_cannot_be_reserved_raises_and_another_takes_over() -> None:
    from vigibip.wire.counter import ReservedCounter

    bip = settled()

    def refuse(end: int) -> None:
        raise OSError(5)

    bip.sender.recount(ReservedCounter(1000, refuse))
    with pytest.raises(OSError, match="5"):
        bip.sender.press(bip.now_ms)
    assert bip.open_presses() == []
    bip.sender.recount(ReservedCounter(0x80000000, lambda end: None))
    assert bip.press() == 0x80000000


def test_its_receiver_is_the_one_that_answered() -> None:
    bip, box = settled(), Box()
    bip.press()
    assert bip.sent()[0][2] == RECEIVER
    bip.press()
    bip.receive(box.take(bip.sent()[0][1]), address=b"\x02mend!")
    bip.press()
    assert bip.sent()[-1][2] == b"\x02mend!"
