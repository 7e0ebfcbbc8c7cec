"""The path is proven before it is needed, and a person is told when it is not."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest

from tests.box.peers import Bip
from tests.box.sms_town import POST_NUMBERS, SmsBox
from vigibip.alert.sms_form import SmsKind
from vigibip.box.config import BoxSettings
from vigibip.box.faults import FaultCode
from vigibip.sms.lanes import Lane

HOUR_S = 3600.0


@pytest.fixture
async def box(sms_settings: BoxSettings, bip: Bip) -> AsyncIterator[SmsBox]:
    """Data is up, and the path was never proven."""
    box = SmsBox(sms_settings)
    await box.start()
    await box.give_contacts()
    box.carrier.connect()
    yield box
    await box.daemon.stop()


async def probes(box: SmsBox, seconds: float, *, reply: bool = True) -> list[tuple[float, str]]:
    """Let time pass; return when a probe left and to whom, and answer each as the post does."""
    went = []
    step_s = 30.0 if seconds <= HOUR_S else 300.0
    for _ in range(int(seconds / step_s)):
        for sms, message in box.read():
            if message.kind is SmsKind.PROBE:
                went.append((box.clock.monotonic_s(), sms.to))
                assert sms.lane is Lane.PROBE
                if reply:
                    await box.post_says(SmsKind.PROBE_REPLY, answers=message.sequence)
        await box.clock.advance(step_s)
    return went


async def test_a_box_that_starts_proves_its_path_and_then_once_a_day(box: SmsBox) -> None:
    went = await probes(box, 4 * 24 * HOUR_S)
    assert went[0][0] <= 900
    assert 4 <= len(went) <= 6
    gaps = [after - before for (before, _), (after, _) in itertools.pairwise(went)]
    assert all(19 * HOUR_S < gap < 29 * HOUR_S for gap in gaps)
    assert len({round(gap) for gap in gaps}) > 1
    # Nothing of its path; its bip says no word in all these days.
    assert box.codes() == {FaultCode.BIP_MISSING}
    proven = {"state": "proven", "why": "", "detail": "", "advice": "", "tries": 1}
    assert box.told["probe"] == proven
    assert box.told["proven"]


async def test_a_path_without_replies_is_unproven_and_both_numbers_were_tried(
    box: SmsBox,
) -> None:
    went = await probes(box, HOUR_S, reply=False)
    assert [to for _, to in went[:2]] == POST_NUMBERS
    fault = next(one for one in box.daemon.faults.standing())
    assert fault.code is FaultCode.SMS_UNPROVEN
    assert fault.detail == "never proven: no-reply"
    # It goes on, seldom, and the next reply ends the fault.
    went = await probes(box, 24 * HOUR_S, reply=False)
    assert 4 <= len(went) <= 20
    await probes(box, 8 * HOUR_S)
    assert FaultCode.SMS_UNPROVEN not in box.codes()


async def test_since_when_is_told(box: SmsBox) -> None:
    await probes(box, HOUR_S)
    await probes(box, 30 * HOUR_S, reply=False)
    (fault,) = box.daemon.faults.standing()
    assert fault.detail.startswith("last proven 2026-01-05T09:")


async def test_after_data_falls_it_is_proven_within_ten_minutes(box: SmsBox) -> None:
    await probes(box, 3 * HOUR_S)
    box.carrier.lose()
    fell_s = box.clock.monotonic_s()
    went = await probes(box, HOUR_S)
    assert len(went) == 1
    assert fell_s <= went[0][0] <= fell_s + 630
    # A data that comes and goes asks for no more: the path was just proven.
    for _ in range(5):
        box.carrier.connect()
        await box.clock.advance(10)
        box.carrier.lose()
    assert await probes(box, HOUR_S - 600) == []


async def test_data_that_comes_and_goes_while_nothing_answers_makes_no_storm(box: SmsBox) -> None:
    await probes(box, HOUR_S, reply=False)
    went = []
    for _ in range(48):
        box.carrier.lose()
        went += await probes(box, 600, reply=False)
        box.carrier.connect()
        went += await probes(box, 300, reply=False)
    # One round an hour at most, and in each both numbers have their turn.
    assert 4 <= len(went) <= 2 * 12
    began = [at_s for at_s, _ in went][::2]
    assert all(after - before > HOUR_S for before, after in itertools.pairwise(began))


async def test_a_modem_that_comes_and_goes_while_nothing_answers_makes_no_storm(
    box: SmsBox,
) -> None:
    await probes(box, HOUR_S, reply=False)
    went = []
    for _ in range(48):
        box.sms.go_down("hung")
        went += await probes(box, 300, reply=False)
        box.sms.go_up()
        went += await probes(box, 600, reply=False)
    assert 4 <= len(went) <= 2 * 12


async def test_data_that_is_back_before_the_probe_needs_none(box: SmsBox) -> None:
    await probes(box, 3 * HOUR_S)
    box.carrier.lose()
    box.carrier.connect()
    assert await probes(box, HOUR_S) == []


async def test_an_open_alert_goes_before_every_probe(box: SmsBox, bip: Bip) -> None:
    alert = await box.press(bip)
    assert await probes(box, 2 * HOUR_S) == []
    box.carrier.receipt(alert)
    assert len(await probes(box, 3 * HOUR_S)) == 1


async def test_a_receipt_by_sms_is_a_proof_too(box: SmsBox, bip: Bip) -> None:
    box.carrier.lose()
    alert = await box.press(bip)
    await box.post_says(SmsKind.RECEIPT, alert)
    assert box.told["proven"]
    await box.post_says(SmsKind.COMING, alert, answers=1)


async def test_after_an_alert_by_sms_a_probe_follows_for_the_post_waits_for_it(
    box: SmsBox, bip: Bip
) -> None:
    await probes(box, HOUR_S)
    box.carrier.lose()
    alert = await box.press(bip)
    await box.post_says(SmsKind.RECEIPT, alert)
    began_s = box.clock.monotonic_s()
    # Whoever smashes the box needs a moment; the post takes an alert for 40 minutes' sign of life.
    went = [at_s - began_s for at_s, _ in await probes(box, 2 * HOUR_S)]
    assert len(went) == 1
    assert 300 <= went[0] <= 630
    # The next one is that of the day.
    assert await probes(box, 15 * HOUR_S) == []


async def test_a_press_that_waits_puts_the_probe_off_and_its_receipt_asks_for_it_again(
    box: SmsBox, bip: Bip
) -> None:
    await probes(box, HOUR_S)
    box.carrier.lose()
    first = await box.press(bip)
    await box.post_says(SmsKind.RECEIPT, first)
    second = await box.press(bip)
    assert await probes(box, HOUR_S) == []
    await box.post_says(SmsKind.RECEIPT, second)
    assert len(await probes(box, 900)) == 1


async def test_a_power_cut_after_an_alert_does_not_keep_the_post_waiting(
    box: SmsBox, bip: Bip
) -> None:
    await probes(box, HOUR_S)
    box.carrier.lose()
    alert = await box.press(bip)
    await box.post_says(SmsKind.RECEIPT, alert)
    await box.restart()
    assert len(await probes(box, 900)) == 1


async def test_a_receipt_that_nobody_waits_for_is_none(box: SmsBox, bip: Bip) -> None:
    await box.post_says(SmsKind.RECEIPT, bip.alert_id(7))
    await box.post_says(SmsKind.PROBE_REPLY, answers=12345)
    assert box.told["proven"] is None


async def test_a_proof_outlives_a_restart(box: SmsBox) -> None:
    await probes(box, HOUR_S)
    proven = box.told["proven"]
    await box.restart()
    assert box.told["proven"] == proven
    box.carrier.connect()
    assert await probes(box, 10 * HOUR_S) == []


async def test_a_modem_that_is_gone_is_its_own_fault_and_unproven_another(box: SmsBox) -> None:
    box.sms.go_down("hung")
    await box.clock.advance(60)
    assert FaultCode.MODEM not in box.codes()
    await box.clock.advance(60)
    modem = next(one for one in box.daemon.faults.standing() if one.code is FaultCode.MODEM)
    assert modem.detail == "hung ; vérifier"
    assert await probes(box, HOUR_S) == []
    assert FaultCode.SMS_UNPROVEN in box.codes()
    box.sms.go_up()
    assert len(await probes(box, 1200)) == 1
    assert box.codes() == set()


async def test_a_ready_modem_whose_alerts_are_all_refused_is_told_at_once(
    box: SmsBox, bip: Bip
) -> None:
    await probes(box, HOUR_S)
    assert box.codes() == set()
    box.carrier.lose()
    box.sms.held = True
    alert = await box.press(bip)
    for _ in range(4):
        box.sms.fail("not-subscribed", retry=True)
        await box.clock.advance(11)
    (fault,) = box.daemon.faults.standing()
    assert fault.code is FaultCode.SMS_UNPROVEN
    assert fault.detail.endswith(": refused ; not-subscribed ; vérifier la carte")
    # What came through at last ends it.
    box.sms.held = False
    await box.clock.advance(400)
    assert box.alerts()
    await box.post_says(SmsKind.RECEIPT, alert)
    assert box.codes() == set()


@pytest.mark.parametrize("state", ["no-sim", "sim-pin", "sim-puk", "sim-failure", "faulty"])
async def test_what_a_person_must_mend_is_told_at_once(box: SmsBox, state: str) -> None:
    box.sms.go_down(state)
    assert FaultCode.MODEM in box.codes()


async def test_the_three_faults_have_three_words(box: SmsBox) -> None:
    from vigibip.box.fault_words import WORDS

    words = [WORDS[code] for code in (FaultCode.DATA, FaultCode.SMS_UNPROVEN, FaultCode.MODEM)]
    assert len({one.what for one in words}) == len({one.todo for one in words}) == 3


async def test_a_probe_that_the_modem_refuses_tries_the_other_number(box: SmsBox) -> None:
    box.sms.held = True
    while not box.sms.queue:
        await box.clock.advance(10)
    assert [sms.to for _, sms in box.sms.queue] == [POST_NUMBERS[0]]
    box.sms.fail("congested", retry=True)
    assert [sms.to for _, sms in box.sms.queue] == [POST_NUMBERS[1]]
    box.sms.fail("congested", retry=True)
    assert box.told["probe"] == {
        "state": "failed",
        "why": "refused",
        "detail": "congested",
        "advice": "vérifier la carte",
        "tries": 2,
    }
    assert box.sms.queue == []
