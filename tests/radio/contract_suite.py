"""What every radio system promises. A radio's tests derive from RadioContract and bring a rig."""

import asyncio

import pytest

from tests.radio.rig import Rig, announcement
from vigibip.radio.contract import RadioState, RelayResult
from vigibip.radio.errors import RadioClosedError


class RadioContract:
    """Needs a fixture `rig`: started, in driven time."""

    async def test_an_announcement_is_sent_and_tells_its_stages_in_order(self, rig: Rig) -> None:
        stages: list[str] = []
        outcome = await rig.drive(rig.radio.announce(announcement(), stages.append))
        assert outcome.result is RelayResult.SENT
        assert outcome.reason is None
        assert outcome.faults == ()
        assert stages == ["ptt", "audio"]
        assert not rig.transmits()

    async def test_a_stage_is_told_while_the_radio_transmits(self, rig: Rig) -> None:
        transmitting = []
        await rig.drive(
            rig.radio.announce(announcement(), lambda _: transmitting.append(rig.transmits()))
        )
        assert transmitting == [True, True]

    async def test_two_at_once_take_turns(self, rig: Rig) -> None:
        stages: list[str] = []
        first = rig.radio.announce(announcement(number=1), lambda s: stages.append(f"1 {s}"))
        second = rig.radio.announce(announcement(number=2), lambda s: stages.append(f"2 {s}"))
        outcomes = await rig.drive(asyncio.gather(first, second))
        assert [outcome.result for outcome in outcomes] == [RelayResult.SENT] * 2
        assert stages == ["1 ptt", "1 audio", "2 ptt", "2 audio"]

    async def test_an_absent_radio_is_an_outcome_and_no_exception(self, rig: Rig) -> None:
        await rig.vanish()
        stages: list[str] = []
        outcome = await rig.drive(rig.radio.announce(announcement(), stages.append))
        assert outcome.result is RelayResult.FAILED
        assert outcome.reason
        assert stages == []
        assert rig.radio.health.state in (RadioState.ABSENT, RadioState.FAULTY)

    async def test_a_cancelled_announcement_leaves_the_air_at_once(self, rig: Rig) -> None:
        task = asyncio.create_task(rig.radio.announce(announcement(), lambda _: None))
        await rig.until(rig.transmits)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not rig.transmits()
        outcome = await rig.drive(rig.radio.announce(announcement(), lambda _: None))
        assert outcome.result is RelayResult.SENT

    async def test_answers_are_heard_in_order(self, rig: Rig) -> None:
        if not rig.radio.capabilities.two_way:
            pytest.skip("a one-way radio")
        await rig.answers(23, "4711")
        await rig.answers(7, "123456")
        heard = [await rig.drive(rig.radio.next_answer()) for _ in range(2)]
        assert [(answer.number, answer.code) for answer in heard] == [(23, "4711"), (7, "123456")]
        assert heard[0].heard_monotonic_s < heard[1].heard_monotonic_s <= rig.clock.monotonic_s()

    async def test_closing_wakes_whoever_waits(self, rig: Rig) -> None:
        waiting = [asyncio.create_task(rig.radio.next_answer()) for _ in range(2)]
        await rig.clock.advance(1)
        await rig.radio.close()
        for task in waiting:
            with pytest.raises(RadioClosedError):
                await task

    async def test_a_closed_radio_stays_closed(self, rig: Rig) -> None:
        await rig.radio.close()
        await rig.radio.close()
        with pytest.raises(RadioClosedError):
            await rig.radio.next_answer()
        with pytest.raises(RadioClosedError):
            await rig.radio.announce(announcement(), lambda _: None)

    async def test_closing_ends_a_transmission(self, rig: Rig) -> None:
        task = asyncio.create_task(rig.radio.announce(announcement(), lambda _: None))
        await rig.until(rig.transmits)
        await rig.radio.close()
        assert not rig.transmits()
        outcome = await rig.drive(task)
        assert outcome.result is RelayResult.FAILED

    def test_the_name_is_fit_for_records(self, rig: Rig) -> None:
        assert rig.radio.name.isascii()
        assert rig.radio.name.islower()
