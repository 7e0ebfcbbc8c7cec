"""The modem's provider: what leaves when."""

import pytest

from tests.sms.rig import (
    LONG,
    OFFICER,
    PASSING,
    POST,
    Diary,
    ToldModem,
    provider_on,
    sms,
)
from vigibip.base.clock import DrivenClock
from vigibip.modem.contract import ModemState
from vigibip.sms.contract import SmsProvider
from vigibip.sms.lanes import WAITING_MAX, Lane
from vigibip.sms.modem_provider import ModemProvider


def test_it_is_an_sms_provider(clock: DrivenClock, modem: ToldModem) -> None:
    one: SmsProvider = provider_on(modem, clock)
    assert one.capabilities.rate_per_min == 20
    assert (one.name, one.up, one.waiting) == ("told", False, 0)


@pytest.mark.parametrize(
    ("state", "up", "tries"),
    [
        (ModemState.READY, True, True),
        (ModemState.SEARCHING, False, True),
        (ModemState.DENIED, False, True),
        (ModemState.HUNG, False, False),
        (ModemState.NO_SIM, False, False),
    ],
)
async def test_it_tells_whether_an_alert_would_be_tried(
    provider: ModemProvider, modem: ToldModem, state: ModemState, up: bool, tries: bool
) -> None:
    modem.turn(state)
    assert (provider.up, provider.tries_alerts) == (up, tries)
    provider.submit(sms("ALERTE", Lane.ALERT))
    await modem.clock.settle()
    assert bool(modem.taken) is tries


async def test_an_alert_leaves_at_once(
    provider: ModemProvider, modem: ToldModem, clock: DrivenClock, diary: Diary
) -> None:
    alert = sms("ALERTE", Lane.ALERT)
    provider.submit(alert)
    await clock.advance(3)
    ((began_s, submit, urgent),) = modem.taken
    assert (began_s, urgent, submit.to.e164(), submit.data.text) == (0, True, POST, "ALERTE")
    assert diary.gone == [alert]


async def test_an_alert_goes_before_the_next_sms_whatever_waits(
    provider: ModemProvider, modem: ToldModem, clock: DrivenClock
) -> None:
    for number in range(50):
        provider.submit(sms(f"bulletin {number}"))
    await clock.advance(1)  # the first one is in the modem
    provider.submit(sms("ALERTE", Lane.ALERT))
    await clock.advance(10)
    assert modem.texts[:3] == ["bulletin 0", "ALERTE", "bulletin 1"]
    assert modem.most_at_once == 1


async def test_an_alert_goes_between_the_parts_of_another_text(
    provider: ModemProvider, modem: ToldModem, clock: DrivenClock, diary: Diary
) -> None:
    provider.submit(sms(LONG))
    await clock.advance(1)
    provider.submit(sms("ALERTE", Lane.ALERT))
    await clock.advance(30)
    assert modem.texts[1] == "ALERTE"
    assert modem.texts[0] is not None
    assert modem.texts[0] + "".join(str(text) for text in modem.texts[2:]) == LONG
    assert [one.text for one in diary.gone] == ["ALERTE", LONG]


async def test_lanes_leave_in_their_order_and_probes_last(
    provider: ModemProvider, modem: ToldModem, clock: DrivenClock
) -> None:
    for lane in (Lane.OTHER, Lane.PROBE, Lane.OTHER, Lane.ANSWER, Lane.ALERT):
        provider.submit(sms(f"{lane.name} {provider.waiting}", lane))
    await clock.advance(60)
    assert modem.texts == ["ALERT 4", "ANSWER 3", "OTHER 0", "OTHER 2", "PROBE 1"]


async def test_the_rate_holds_back_all_but_alerts(
    clock: DrivenClock, modem: ToldModem, diary: Diary
) -> None:
    modem.submit_s = 0.1
    provider = provider_on(modem, clock, rate_per_min=6)
    provider.start(diary)
    for number in range(3):
        provider.submit(sms(f"bulletin {number}"))
    await clock.advance(5)
    for number in range(2):
        provider.submit(sms(f"ALERTE {number}", Lane.ALERT))
    await clock.advance(60)
    moments = {str(submit.data.text): began_s for began_s, submit, _ in modem.taken}
    assert moments["bulletin 0"] == 0
    assert moments["ALERTE 0"] == 5
    assert moments["ALERTE 1"] == pytest.approx(5.1)
    # The alerts' share of the rate comes off the others': 10 s for each of the three before it.
    assert moments["bulletin 1"] == pytest.approx(30)
    assert moments["bulletin 2"] == pytest.approx(40)
    await provider.close()


async def test_a_newer_text_replaces_one_that_waits_for_the_same_number_only(
    provider: ModemProvider, modem: ToldModem, clock: DrivenClock, diary: Diary
) -> None:
    provider.submit(sms("first"))
    await clock.advance(0)
    provider.submit(sms("old", key="shop"))
    provider.submit(sms("old", key="shop", to=OFFICER))
    provider.submit(sms("new", key="shop"))
    await clock.advance(30)
    sent = [(submit.to.e164(), submit.data.text) for _, submit, _ in modem.taken]
    assert sent == [(POST, "first"), (POST, "new"), (OFFICER, "old")]
    assert len(diary.gone) == 3
    assert diary.failures == []


async def test_what_is_withdrawn_does_not_leave(
    provider: ModemProvider, modem: ToldModem, clock: DrivenClock, diary: Diary
) -> None:
    provider.submit(sms("first"))
    await clock.advance(0)
    for to in (POST, OFFICER):
        provider.submit(sms("waits", key="shop", to=to))
    assert provider.withdraw("shop")
    assert not provider.withdraw("shop")
    assert not provider.withdraw("first")  # it is in the modem
    await clock.advance(30)
    assert modem.texts == ["first"]
    assert diary.order == [("left", 1)]


async def test_what_is_withdrawn_in_the_modem_is_not_tried_again(
    provider: ModemProvider, modem: ToldModem, clock: DrivenClock, diary: Diary
) -> None:
    modem.outcomes.append(PASSING)
    provider.submit(sms("ALERTE", Lane.ALERT))
    await clock.advance(1)
    assert not provider.withdraw("ALERTE")
    await clock.advance(60)
    assert modem.texts == ["ALERTE"]
    assert [error.retry for _, error in diary.failures] == [True]


async def test_too_much_waiting_drops_the_least_important_and_tells(
    provider: ModemProvider, clock: DrivenClock, diary: Diary, modem: ToldModem
) -> None:
    modem.turn(ModemState.ABSENT)
    for number in range(WAITING_MAX):
        provider.submit(sms(f"probe {number}", Lane.PROBE))
    provider.submit(sms("ALERTE", Lane.ALERT))
    await clock.settle()
    ((dropped, error),) = diary.failures
    assert (dropped.text, error.cause, error.retry) == (
        f"probe {WAITING_MAX - 1}",
        "dropped",
        True,
    )
    assert provider.waiting == WAITING_MAX


async def test_what_is_pointless_by_then_does_not_leave(
    provider: ModemProvider, modem: ToldModem, clock: DrivenClock, diary: Diary
) -> None:
    modem.turn(ModemState.ABSENT)
    provider.submit(sms("code", valid_s=60.0))
    await clock.advance(59)
    assert diary.failures == []
    await clock.advance(2)
    assert [(one.text, error.cause) for one, error in diary.failures] == [("code", "expired")]
    modem.turn(ModemState.READY)
    await clock.advance(10)
    assert modem.taken == []


async def test_the_network_is_told_how_long_it_is_good_for(
    provider: ModemProvider, modem: ToldModem, clock: DrivenClock
) -> None:
    modem.turn(ModemState.ABSENT)
    provider.submit(sms("code", valid_s=1200.0))
    await clock.advance(600)
    modem.turn(ModemState.READY)
    await clock.advance(5)
    assert [submit.validity_s for _, submit, _ in modem.taken] == [600]
