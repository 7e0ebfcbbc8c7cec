"""Which modem an SMS leaves by, and sequences from a disk that does not answer."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from vigibip.base.clock import DrivenClock
from vigibip.base.errors import StorageError
from vigibip.post.sms_sender import Sender, Unit, to_box
from vigibip.post.sms_sequences import Sequences
from vigibip.post.store.second_path import SecondPathStore
from vigibip.sms.contract import OutgoingSms, SmsProvider, SmsTicket
from vigibip.sms.errors import SmsError
from vigibip.sms.lanes import Lane

NUMBER = "+33639981001"


class PaperProvider:
    """Keeps what it is given until somebody says that it left."""

    minutes_to_empty = 0.0

    def __init__(self, name: str) -> None:
        self.name = name
        self.up = True
        self.waiting: dict[int, OutgoingSms] = {}
        self._tickets = 0

    def submit(self, sms: OutgoingSms) -> SmsTicket:
        self._tickets += 1
        self.waiting[self._tickets] = sms
        return SmsTicket(self._tickets)

    def withdraw(self, key: str) -> bool:
        found = [number for number, sms in self.waiting.items() if sms.key == key]
        for number in found:
            del self.waiting[number]
        return bool(found)


@pytest.fixture
def two() -> tuple[PaperProvider, PaperProvider]:
    return PaperProvider("one"), PaperProvider("two")


def sender_of(*providers: PaperProvider) -> Sender:
    return Sender(cast("tuple[SmsProvider, ...]", providers))


def unit(key: str = "receipt") -> Unit:
    return to_box(NUMBER, "texte #AAAA", Lane.ANSWER, key, 600, report=False)


def test_what_waits_at_a_dead_modem_goes_by_the_first_that_comes_up(
    two: tuple[PaperProvider, PaperProvider],
) -> None:
    one, other = two
    sender = sender_of(one, other)
    one.up = other.up = False
    waits = unit()
    sender.send(waits, cast("SmsProvider", one))
    assert len(one.waiting) == 1
    other.up = True
    sender.provider_up(cast("SmsProvider", other))
    assert (len(one.waiting), len(other.waiting)) == (0, 1)
    # The dead one comes back: what another has in hand stays there.
    one.up = True
    sender.provider_up(cast("SmsProvider", one))
    assert (len(one.waiting), len(other.waiting)) == (0, 1)
    sender.left(cast("SmsProvider", other), SmsTicket(1))
    assert waits.over


def test_what_a_modem_has_given_up_does_not_come_back_to_it(
    two: tuple[PaperProvider, PaperProvider],
) -> None:
    one, other = two
    sender = sender_of(one, other)
    sender.send(unit(), cast("SmsProvider", one))
    one.waiting.clear()
    sender.failed(cast("SmsProvider", one), SmsTicket(1), SmsError("no", cause="unknown"))
    assert len(other.waiting) == 1
    one.up = other.up = False
    one.up = True
    sender.provider_up(cast("SmsProvider", one))
    assert (len(one.waiting), len(other.waiting)) == (0, 1)


class SlowStore:
    """Reserves sequences once its disk answers."""

    def __init__(self) -> None:
        self.answers = asyncio.Event()
        self.asked = 0

    async def reserve_sequences(self, _box_id: str, count: int, floor: int) -> int:
        self.asked += 1
        await self.answers.wait()
        return floor + count * self.asked


async def test_a_hanging_disk_is_asked_once_and_what_it_gives_late_is_used(
    clock: DrivenClock,
) -> None:
    store = SlowStore()
    sequences = Sequences(cast("SecondPathStore", store), clock)

    async def refused(count: int) -> None:
        taking = [asyncio.ensure_future(sequences.take("box-1")) for _ in range(count)]
        await clock.advance(5)
        for one in taking:
            assert one.done()
            with pytest.raises(StorageError):
                one.result()

    await refused(2)
    await refused(1)
    assert store.asked == 1
    store.answers.set()
    await clock.advance(1)
    got: list[Any] = [await sequences.take("box-1") for _ in range(40)]
    assert store.asked == 2
    assert len(set(got)) == 40


async def test_who_asks_just_as_the_disk_answers_is_held_up_by_nothing(clock: DrivenClock) -> None:
    store = SlowStore()
    sequences = Sequences(cast("SecondPathStore", store), clock)
    first = asyncio.ensure_future(sequences.take("box-1"))
    await clock.run_ready()
    store.answers.set()
    # More than one reservation holds, before anybody has heard that it is there.
    others = [sequences.take("box-1") for _ in range(40)]
    got = await asyncio.gather(first, *others)
    assert len(set(got)) == 41
