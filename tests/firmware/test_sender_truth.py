"""Whatever the air, an enemy and the power do: nothing false is felt, and no press is lost."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.firmware.honest_box import (
    ENCRYPT,
    FEEL_STATES,
    OTHER_KEY,
    RANKS,
    Bip,
    Box,
    block_cipher,
    press_module,
)
from vigibip.wire import frame

_PROGRESS = [
    frame.STATE_NOT_REACHED,
    frame.STATE_DELIVERED,
    frame.STATE_UNANSWERED,
    frame.STATE_COMING,
]
_CHOICE = st.integers(0, 10_000)


class BadWorld(RuleBasedStateMachine):
    """An air that loses, keeps back, doubles and mixes; an enemy who replays; power that fails."""

    def __init__(self) -> None:
        super().__init__()
        self.bip = Bip()
        self.box = Box()
        self.pressed: list[int] = []
        self.uplink: list[bytes] = []
        self.downlink: list[bytes] = []
        self.felt_before = 0
        self.given_way = 0

    def _collect(self) -> None:
        self.uplink += [sealed for _, sealed, _ in self.bip.sent()]

    @rule()
    def press(self) -> None:
        unheard_before = self._unheard()
        self.pressed.append(self.bip.press())
        if len(unheard_before) == press_module.PRESSES_MAX:
            self.given_way += 1
        self._collect()

    @rule(duration_ms=st.sampled_from([1, 30, 60, 300, 1000, 5000, 20_000, 200_000]))
    def time_passes(self, duration_ms: int) -> None:
        self.bip.advance(duration_ms)
        self._collect()

    @precondition(lambda self: self.uplink)
    @rule(choice=_CHOICE, stores=st.booleans())
    def the_box_hears_some_frame(self, choice: int, stores: bool) -> None:
        sealed = self.uplink[choice % len(self.uplink)]
        self.downlink.append(self.box.take(sealed, stores=stores))

    @precondition(lambda self: any(self.box.states.values()))
    @rule(choice=_CHOICE, state=st.sampled_from(_PROGRESS))
    def something_becomes_true(self, choice: int, state: int) -> None:
        known = [number for number, reached in self.box.states.items() if reached]
        self.box.raise_to(known[choice % len(known)], state)

    @precondition(lambda self: self.downlink)
    @rule(choice=_CHOICE)
    def the_bip_hears_some_reply(self, choice: int) -> None:
        self._hear(self.downlink[choice % len(self.downlink)])

    @precondition(lambda self: self.downlink)
    @rule(choice=_CHOICE, position=st.integers(0, 49), bit=st.integers(0, 7))
    def the_bip_hears_a_damaged_reply(self, choice: int, position: int, bit: int) -> None:
        damaged = bytearray(self.downlink[choice % len(self.downlink)])
        damaged[position] ^= 1 << bit
        felt = len(self.bip.felt)
        self.bip.receive(bytes(damaged))
        assert len(self.bip.felt) == felt

    @rule(choice=_CHOICE, state=st.sampled_from(list(FEEL_STATES.values())))
    def an_enemy_forges_a_reply(self, choice: int, state: int) -> None:
        counters = list(self.bip.asked) or [1]
        counter = counters[choice % len(counters)]
        number = self.bip.asked.get(counter, 1)
        felt = len(self.bip.felt)
        self.bip.receive(self.box.reply(counter, number, state, block_cipher(OTHER_KEY)))
        assert len(self.bip.felt) == felt

    @precondition(lambda self: self.uplink)
    @rule(choice=_CHOICE)
    def an_enemy_sends_the_bip_its_own_frame(self, choice: int) -> None:
        felt = len(self.bip.felt)
        self.bip.receive(self.uplink[choice % len(self.uplink)])
        assert len(self.bip.felt) == felt

    @rule(power_cut=st.booleans())
    def the_program_falls(self, power_cut: bool) -> None:
        self.bip.wake(known_time=not power_cut)
        self._collect()

    def _hear(self, reply: bytes) -> None:
        felt = len(self.bip.felt)
        self.bip.receive(reply)
        self._collect()
        news = self.bip.felt[felt:]
        assert len(news) <= 1
        if news:
            answered, number, state, _ = frame.unpack_reply(frame.open_frame(ENCRYPT, reply)[3])
            assert FEEL_STATES[news[0]] == state
            assert number == self.pressed[-1], "felt for an older press than the last"
            assert self.bip.asked.get(answered) == number
            assert RANKS[self.box.states[number]] >= RANKS[state]

    def _unheard(self) -> list[int]:
        kept = press_module.unpack_record(self.bip.sender.record())
        return [press.number for press in kept[0] if press.is_unheard()]

    @invariant()
    def no_press_is_lost(self) -> None:
        kept = press_module.unpack_record(self.bip.flash.record)
        stored = [press.number for press in kept[0]] if kept else []
        gone = [
            number
            for number in self.pressed
            if not self.box.states.get(number) and number not in stored
        ]
        assert len(gone) <= self.given_way

    @invariant()
    def not_sent_is_felt_once_a_press(self) -> None:
        assert self.bip.felt.count("not_sent") <= len(self.pressed)

    def teardown(self) -> None:
        """Good weather at last: every press that is kept reaches the box and is known heard."""
        self.bip.wake(known_time=True)
        waiting = self._unheard()
        for _ in range(60):
            if not self._unheard():
                break
            self.bip.advance(50)
            for _, sealed, _ in self.bip.sent():
                self.bip.receive(self.box.take(sealed))
        assert not self._unheard()
        assert all(self.box.states[number] for number in waiting)
        # A counter that was ever sealed with is below what the flash holds as reserved.
        assert all(used < self.bip.flash.reserved for used in self.bip.flash.used)


BadWorld.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestBadWorld = BadWorld.TestCase


def test_the_world_is_bad_enough_to_see_a_bip_that_believes_anything() -> None:
    """The machine's own check: a forged reply under the bip's key would be caught as false."""
    world = BadWorld()
    world.press()
    number = world.pressed[0]
    forged = world.box.reply(number, number, frame.STATE_DELIVERED)
    world.box.states[number] = frame.STATE_NONE
    try:
        world._hear(forged)
    except AssertionError:
        return
    raise AssertionError("a false 'delivered' passed")
