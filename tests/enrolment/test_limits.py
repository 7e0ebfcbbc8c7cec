"""Strangers at the enrolment's door: few at a time, and slower at each refusal."""

from vigibip.base.clock import DrivenClock
from vigibip.post.enrolment_limits import (
    ADDRESS_BURST,
    REFUSAL_COST,
    TOTAL_BURST,
    AttemptLimiter,
)


async def test_an_installer_with_a_street_of_boxes_is_never_slowed() -> None:
    limiter = AttemptLimiter(DrivenClock())
    assert all(limiter.admit("192.0.2.1") for _ in range(40))


async def test_one_address_is_limited_and_comes_back_with_time() -> None:
    clock = DrivenClock()
    limiter = AttemptLimiter(clock)
    admitted = sum(limiter.admit("192.0.2.1") for _ in range(1000))
    assert admitted == ADDRESS_BURST
    assert limiter.admit("192.0.2.2")
    await clock.advance(1)
    assert limiter.admit("192.0.2.1")
    assert not limiter.admit("192.0.2.1")


async def test_many_addresses_are_limited_in_all() -> None:
    limiter = AttemptLimiter(DrivenClock())
    admitted = sum(limiter.admit(f"192.0.2.{number}") for number in range(1000))
    assert admitted == TOTAL_BURST


async def test_who_guesses_is_soon_down_to_one_try_in_ten_seconds() -> None:
    clock = DrivenClock()
    limiter = AttemptLimiter(clock)
    tries = 0
    hours = 1
    for _ in range(hours * 3600):
        if limiter.admit("192.0.2.1"):
            tries += 1
            limiter.refused("192.0.2.1")
        await clock.advance(1)
    assert tries <= hours * 3600 / REFUSAL_COST + ADDRESS_BURST / REFUSAL_COST + 1


async def test_debt_ends() -> None:
    clock = DrivenClock()
    limiter = AttemptLimiter(clock)
    for _ in range(1000):
        limiter.refused("192.0.2.1")
    await clock.advance(62)
    assert limiter.admit("192.0.2.1")


async def test_memory_is_bounded() -> None:
    clock = DrivenClock()
    limiter = AttemptLimiter(clock)
    for number in range(5000):
        limiter.refused(f"2001:db8::{number:x}")
    assert len(limiter._addresses) == 1024
