"""The modem's provider with a modem that does not, and one that says no."""

import itertools

import pytest

from tests.sms.rig import (
    FOR_EVER,
    LONG,
    PASSING,
    Diary,
    ToldModem,
    provider_on,
    sms,
    status_report,
)
from vigibip.base.clock import DrivenClock
from vigibip.modem.contract import ModemCause, ModemError, ModemState, SubmitResult
from vigibip.sms.lanes import Lane
from vigibip.sms.modem_provider import ATTEMPTS_MAX, RETRY_DELAYS_S, ModemProvider
from vigibip.sms.segments import segment


async def test_what_waits_leaves_when_the_modem_comes_back(
    provider: ModemProvider, modem: ToldModem, clock: DrivenClock, diary: Diary
) -> None:
    modem.turn(ModemState.HUNG)
    provider.submit(sms("ALERTE", Lane.ALERT))
    provider.submit(sms("bulletin"))
    await clock.advance(90)
    assert modem.taken == []
    modem.turn(ModemState.READY)
    await clock.advance(30)
    assert modem.texts == ["ALERTE", "bulletin"]
    assert diary.up == [True, False, True]


@pytest.mark.parametrize("state", [ModemState.SEARCHING, ModemState.DENIED])
async def test_an_alert_is_tried_although_the_network_seems_gone(
    provider: ModemProvider, modem: ToldModem, clock: DrivenClock, state: ModemState
) -> None:
    modem.turn(state)
    provider.submit(sms("bulletin"))
    provider.submit(sms("ALERTE", Lane.ALERT))
    await clock.advance(90)
    assert modem.texts == ["ALERTE"]


async def test_what_may_pass_is_tried_again_soon_then_given_up(
    provider: ModemProvider, modem: ToldModem, clock: DrivenClock, diary: Diary
) -> None:
    modem.outcomes.extend([PASSING] * ATTEMPTS_MAX)
    provider.submit(sms("ALERTE", Lane.ALERT))
    await clock.advance(60)
    moments = [began_s for began_s, _, _ in modem.taken]
    assert len(moments) == ATTEMPTS_MAX
    for (before, after), delay_s in zip(itertools.pairwise(moments), RETRY_DELAYS_S, strict=True):
        assert after - before - modem.submit_s == pytest.approx(delay_s, rel=0.25)
    ((failed, error),) = diary.failures
    assert (failed.text, error.cause, error.advice, error.retry) == (
        "ALERTE",
        "congested",
        "Attendre.",
        True,
    )
    assert error.__cause__ is PASSING
    assert diary.gone == []


async def test_what_will_never_go_is_not_tried_again(
    provider: ModemProvider, modem: ToldModem, clock: DrivenClock, diary: Diary
) -> None:
    modem.outcomes.append(FOR_EVER)
    provider.submit(sms("bulletin"))
    await clock.advance(60)
    assert len(modem.taken) == 1
    assert [(error.cause, error.retry) for _, error in diary.failures] == [
        ("number-rejected", False)
    ]


async def test_an_alert_is_tried_again_though_the_modem_says_never(
    provider: ModemProvider, modem: ToldModem, clock: DrivenClock, diary: Diary
) -> None:
    mad = ModemError(ModemCause.BAD_PDU, advice="", retry=False, code="CMS 304")
    modem.outcomes.extend([mad, mad])
    provider.submit(sms("ALERTE", Lane.ALERT))
    await clock.advance(60)
    assert len(modem.taken) == 3
    assert [one.text for one in diary.gone] == ["ALERTE"]
    assert diary.failures == []


async def test_a_listener_that_fails_does_not_end_sending(
    provider: ModemProvider, modem: ToldModem, clock: DrivenClock, diary: Diary
) -> None:
    def left(*_: object) -> None:
        raise KeyError("a mistake")

    right, diary.left = diary.left, left  # type: ignore[method-assign]
    provider.submit(sms("one"))
    await clock.advance(30)
    diary.left = right  # type: ignore[method-assign]
    provider.submit(sms("ALERTE", Lane.ALERT))
    await clock.advance(30)
    assert [one.text for one in diary.gone] == ["ALERTE"]
    assert modem.texts == ["one", "ALERTE"]
    assert provider.up


async def test_a_modem_that_fails_as_it_must_not_fails_one_sms_only(
    provider: ModemProvider,
    modem: ToldModem,
    clock: DrivenClock,
    diary: Diary,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def submit(*_: object, **__: object) -> SubmitResult:
        raise KeyError("a mistake")

    with monkeypatch.context() as broken:
        broken.setattr(modem, "submit", submit)
        provider.submit(sms("ALERTE", Lane.ALERT))
        await clock.advance(5)
    assert [(error.cause, error.retry) for _, error in diary.failures] == [("mistake", True)]
    provider.submit(sms("ALERTE", Lane.ALERT))
    await clock.advance(30)
    assert [one.text for one in diary.gone] == ["ALERTE"]


@pytest.mark.parametrize("state", [ModemState.HUNG, ModemState.SEARCHING])
async def test_a_modem_that_falls_during_an_attempt_is_waited_for(
    provider: ModemProvider,
    modem: ToldModem,
    clock: DrivenClock,
    diary: Diary,
    state: ModemState,
) -> None:
    modem.outcomes.append(PASSING)
    bulletin = sms("bulletin")
    provider.submit(bulletin)
    await clock.advance(1)
    modem.turn(state)
    await clock.advance(90)  # it would fail here if waiting were asking again and again
    assert modem.texts == ["bulletin"]
    modem.turn(ModemState.READY)
    await clock.advance(5)
    assert diary.gone == [bulletin]


async def test_while_one_waits_for_its_next_attempt_others_leave(
    provider: ModemProvider, modem: ToldModem, clock: DrivenClock
) -> None:
    modem.outcomes.append(PASSING)
    provider.submit(sms("ALERTE 1", Lane.ALERT))
    provider.submit(sms("ALERTE 2", Lane.ALERT))
    await clock.advance(60)
    assert modem.texts == ["ALERTE 1", "ALERTE 2", "ALERTE 1"]


async def test_a_newer_text_replaces_one_that_waits_for_its_next_attempt(
    provider: ModemProvider, modem: ToldModem, clock: DrivenClock, diary: Diary
) -> None:
    modem.outcomes.append(PASSING)
    provider.submit(sms("old", Lane.ALERT, key="shop"))
    await clock.advance(3.1)
    provider.submit(sms("new", Lane.ALERT, key="shop"))
    await clock.advance(60)
    assert modem.texts == ["old", "new"]
    assert [one.text for one in diary.gone] == ["new"]


async def test_half_a_text_is_given_up_as_a_whole(
    provider: ModemProvider, modem: ToldModem, clock: DrivenClock, diary: Diary
) -> None:
    modem.outcomes.extend([7, FOR_EVER])
    provider.submit(sms(LONG, report=True))
    await clock.advance(60)
    assert len(modem.taken) == 2
    assert diary.order == [("failed", 1)]
    await modem.events.received(modem, status_report(7))
    assert diary.reports == []


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"text": "a" * 5000}, "bad-text"),
        ({"text": "\ud83d"}, "bad-text"),
        ({"to": "le poste"}, "bad-number"),
    ],
)
async def test_what_is_wrong_comes_as_failed_and_never_from_submit(
    provider: ModemProvider,
    clock: DrivenClock,
    diary: Diary,
    fields: dict[str, str],
    cause: str,
) -> None:
    provider.submit(sms("x", **fields))
    assert diary.failures == []
    await clock.settle()
    assert [(error.cause, error.retry) for _, error in diary.failures] == [(cause, False)]


async def test_what_was_wrong_before_the_start_is_told_after_it(
    clock: DrivenClock, modem: ToldModem, diary: Diary
) -> None:
    provider = provider_on(modem, clock)
    provider.submit(sms("x", to="le poste"))
    provider.submit(sms("early"))
    provider.start(diary)
    await clock.advance(5)
    assert [error.cause for _, error in diary.failures] == ["bad-number"]
    assert [one.text for one in diary.gone] == ["early"]
    await provider.close()


async def test_closing_tells_what_did_not_leave(
    clock: DrivenClock, modem: ToldModem, diary: Diary
) -> None:
    provider = provider_on(modem, clock)
    provider.start(diary)
    for number in range(2):
        provider.submit(sms(f"bulletin {number}"))
    await clock.advance(1)  # one in the modem, one waiting
    await provider.close()
    assert [(one.text, error.cause) for one, error in diary.failures] == [
        ("bulletin 0", "closed"),
        ("bulletin 1", "closed"),
    ]
    assert modem.closed


async def test_capacity_is_told(
    provider: ModemProvider, modem: ToldModem, clock: DrivenClock
) -> None:
    modem.turn(ModemState.ABSENT)
    provider.submit(sms(LONG))
    for number in range(38):
        provider.submit(sms(f"bulletin {number}"))
    provider.submit(sms("ALERTE", Lane.ALERT))
    parts = len(segment(LONG, 1)) + 39
    assert provider.waiting == 40
    assert provider.minutes_to_empty == pytest.approx(parts / 20)
    assert provider.health["waiting_by_lane"] == {"other": 39, "alert": 1}
    assert provider.health["state"] == "absent"
