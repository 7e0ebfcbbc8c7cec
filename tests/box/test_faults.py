"""What a person is told is wrong, from its beginning to its end."""

from __future__ import annotations

from tests.box.driven import DrivenBox
from tests.box.peers import Bip
from vigibip.base.clock import DrivenClock
from vigibip.box.faults import FaultCode, Faults


async def test_a_dead_post_behind_a_live_broker_is_a_fault_until_its_next_receipt(
    box: DrivenBox, bip: Bip
) -> None:
    alert = await box.press(bip)
    await box.clock.advance(29.9)
    assert not box.codes()
    await box.clock.advance(0.1)
    assert box.codes() == {FaultCode.POST_SILENT}
    await box.clock.advance(2)
    assert box.carrier.statuses[-1].faults == ["post-silent"]
    box.carrier.receipt(alert)
    assert not box.codes()


async def test_the_posts_silence_counts_from_the_connection_and_from_what_it_last_said(
    box: DrivenBox, bip: Bip
) -> None:
    box.carrier.lose()
    await box.press(bip)
    await box.clock.advance(3600)
    assert FaultCode.POST_SILENT not in box.codes()
    box.carrier.connect()
    await box.clock.advance(20)
    # It takes other alerts: one that it leaves out does not make it silent.
    box.carrier.receipt(await box.press(bip))
    await box.clock.advance(25)
    assert FaultCode.POST_SILENT not in box.codes()
    await box.clock.advance(65)
    assert FaultCode.POST_SILENT in box.codes()


async def test_a_parked_alert_is_a_fault_for_as_long_as_it_is_parked(
    box: DrivenBox, bip: Bip
) -> None:
    taken, answered = await box.press(bip), await box.press(bip)
    box.carrier.receipt(taken, "refused", "no")
    box.carrier.receipt(answered, "refused", "no")
    await box.clock.advance(25 * 3600)
    assert box.codes() == {FaultCode.REFUSED}
    await box.restart()
    await box.clock.advance(25 * 3600)
    assert box.codes() == {FaultCode.REFUSED}
    box.carrier.receipt(taken)
    assert box.codes() == {FaultCode.REFUSED}
    box.carrier.answer(1, answered, state="unanswered")
    assert not box.codes()
    await box.restart()
    assert not box.codes()


async def test_frames_of_another_version_are_one_fault_that_hides_nothing(
    box: DrivenBox, bip: Bip
) -> None:
    # No seal covers the version: anybody near can send these, of any id.
    told_before = len(box.carrier.statuses)
    forged = bytes((99,)) + bip.press()[1:]
    for number in range(2000):
        box.link.hear(-40, bip.mac, bytes((200 + number % 50,)) + forged[1:])
    await box.settle()
    assert [str(fault) for fault in box.daemon.faults.standing()] == ["frame-version"]
    await box.clock.advance(5)
    assert len(box.carrier.statuses) == told_before + 1
    box.break_disk()
    alert = await box.press(bip)
    assert box.carrier.take() == [alert]
    assert FaultCode.STORAGE in box.codes()
    box.mend_disk()
    await box.clock.advance(24 * 3600)
    assert not box.codes() - {FaultCode.POST_SILENT}


def test_many_parked_alerts_hide_neither_the_disk_nor_another_bips_fault() -> None:
    faults = Faults(DrivenClock())
    for number in range(60):
        faults.begin(FaultCode.REFUSED, "no", f"{number:016x}")
    faults.tell(FaultCode.COUNTER_REUSED, "counter 7", "1a2b3c4d")
    for number in range(60):
        faults.tell(FaultCode.LATE_PRESS, "press 7", f"{number:08x}")
    faults.begin(FaultCode.STORAGE, "no", "counters")
    faults.begin(FaultCode.STORAGE, "no", "devices")
    told = [str(fault) for fault in faults.standing()]
    assert {"counter-reused:1a2b3c4d", "storage:counters", "storage:devices"} <= set(told)
    # With those about the box itself, all of them fit into a status.
    about_one = {FaultCode.REFUSED, FaultCode.LATE_PRESS, FaultCode.COUNTER_REUSED}
    alone = {code for code in FaultCode if not code.startswith("bip-")} - about_one
    assert len(told) + len(alone) <= 32
