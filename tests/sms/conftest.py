"""A provider on a modem that does what a test tells it to."""

from collections.abc import AsyncIterator

import pytest

from tests.sms.rig import (
    Diary,
    ToldModem,
    provider_on,
)
from vigibip.base.clock import DrivenClock
from vigibip.sms.modem_provider import ModemProvider


@pytest.fixture
def clock() -> DrivenClock:
    return DrivenClock()


@pytest.fixture
def modem(clock: DrivenClock) -> ToldModem:
    return ToldModem(clock)


@pytest.fixture
def diary() -> Diary:
    return Diary()


@pytest.fixture
async def provider(
    modem: ToldModem, clock: DrivenClock, diary: Diary
) -> AsyncIterator[ModemProvider]:
    one = provider_on(modem, clock)
    one.start(diary)
    await clock.settle()
    yield one
    await one.close()
