"""The modem's provider: what leaves when, what comes of it, and what comes in."""

import itertools
from collections.abc import AsyncIterator

import pytest

from tests.sms.rig import (
    FOR_EVER,
    MORNING,
    OFFICER,
    PASSING,
    POST,
    STRANGER,
    Diary,
    ToldModem,
    provider_on,
    sms,
    status_report,
    texts_from,
)
from vigibip.base.clock import DrivenClock
from vigibip.base.errors import StorageError
from vigibip.modem.contract import ModemCause, ModemError, ModemState, SubmitResult
from vigibip.sms.address import Address
from vigibip.sms.contract import IncomingSms, SmsProvider
from vigibip.sms.lanes import WAITING_MAX, Lane
from vigibip.sms.modem_provider import ATTEMPTS_MAX, RETRY_DELAYS_S, ModemProvider
from vigibip.sms.pdu import encode_deliver
from vigibip.sms.segments import segment
from vigibip.sms.user_data import UserData, of_segment

LONG = "Bulletin de la police municipale : " + "attention aux faux agents du gaz. " * 8


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


# ---- what leaves when


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


# ---- a modem that does not, and one that says no


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


# ---- delivery reports


async def test_a_report_finds_its_sms(
    provider: ModemProvider, modem: ToldModem, clock: DrivenClock, diary: Diary
) -> None:
    modem.outcomes.extend([7, 8])
    provider.submit(sms("one", report=True))
    provider.submit(sms("two", report=True))
    await clock.advance(10)
    assert all(submit.report for _, submit, _ in modem.taken)
    await modem.events.received(modem, status_report(8, 0x41))
    await modem.events.received(modem, status_report(7, 0x00))
    assert [(one.text, delivered) for one, delivered, _ in diary.reports] == [
        ("two", False),
        ("one", True),
    ]
    assert diary.reports[0][2] == "incompatible destination"


async def test_a_report_of_another_recipient_or_still_trying_tells_nothing(
    provider: ModemProvider, modem: ToldModem, clock: DrivenClock, diary: Diary
) -> None:
    modem.outcomes.append(7)
    provider.submit(sms("one", report=True))
    await clock.advance(5)
    await modem.events.received(modem, status_report(7, 0x00, OFFICER))
    await modem.events.received(modem, status_report(7, 0x30))
    assert diary.reports == []
    await modem.events.received(modem, status_report(7, 0x00))
    await modem.events.received(modem, status_report(7, 0x00))
    assert len(diary.reports) == 1


async def test_a_report_that_overtakes_the_modems_answer_is_kept(
    provider: ModemProvider, modem: ToldModem, clock: DrivenClock, diary: Diary
) -> None:
    async def overtake() -> None:
        await modem.events.received(modem, status_report(7))

    modem.outcomes.append(7)
    provider.submit(sms("one", report=True))
    await clock.advance(1)
    await overtake()
    assert diary.order == []
    await clock.advance(5)
    assert diary.order == [("left", 1), ("reported", 1)]


async def test_parts_are_reported_as_one(
    provider: ModemProvider, modem: ToldModem, clock: DrivenClock, diary: Diary
) -> None:
    modem.outcomes.extend([254, 255, 0])
    provider.submit(sms(LONG, report=True))
    await clock.advance(30)
    for reference, before in ((0, 0), (255, 0), (254, 1)):
        await modem.events.received(modem, status_report(reference))
        assert len(diary.reports) == before
    assert [delivered for _, delivered, _ in diary.reports] == [True]


async def test_one_part_that_never_arrives_decides(
    provider: ModemProvider, modem: ToldModem, clock: DrivenClock, diary: Diary
) -> None:
    modem.outcomes.extend([1, 2, 3])
    provider.submit(sms(LONG, report=True))
    await clock.advance(30)
    for reference, status in ((2, 0x46), (1, 0), (3, 0)):
        await modem.events.received(modem, status_report(reference, status))
    assert [(delivered, why) for _, delivered, why in diary.reports] == [
        (False, "validity period expired")
    ]


async def test_nobody_knows_is_not_delivered(
    provider: ModemProvider, modem: ToldModem, clock: DrivenClock, diary: Diary
) -> None:
    modem.outcomes.append(7)
    provider.submit(sms("one", report=True))
    await clock.advance(5)
    await modem.events.received(modem, status_report(7, 0x01))
    assert [delivered for _, delivered, _ in diary.reports] == [None]


async def test_a_reference_that_comes_round_speaks_of_the_newer(
    provider: ModemProvider, modem: ToldModem, clock: DrivenClock, diary: Diary
) -> None:
    modem.outcomes.extend([7, 7])
    provider.submit(sms("old", report=True))
    provider.submit(sms("new", report=True))
    await clock.advance(10)
    await modem.events.received(modem, status_report(7))
    # Nobody knows which one it speaks of: the older one may be what arrived.
    assert [(one.text, delivered) for one, delivered, _ in diary.reports] == [("new", None)]


async def test_a_reference_that_comes_round_after_its_report_is_as_good_as_new(
    provider: ModemProvider, modem: ToldModem, clock: DrivenClock, diary: Diary
) -> None:
    modem.outcomes.extend([7, 7])
    provider.submit(sms("old", report=True))
    await clock.advance(10)
    await modem.events.received(modem, status_report(7))
    provider.submit(sms("new", report=True))
    await clock.advance(10)
    await modem.events.received(modem, status_report(7))
    assert [(one.text, delivered) for one, delivered, _ in diary.reports] == [
        ("old", True),
        ("new", True),
    ]


# ---- what comes in


async def test_a_text_comes_in(provider: ModemProvider, modem: ToldModem, diary: Diary) -> None:
    (pdu,) = texts_from(OFFICER, "12 J'y vais")
    await modem.events.received(modem, pdu)
    assert diary.texts == [
        IncomingSms(sender=OFFICER, text="12 J'y vais", sent_utc=MORNING, provider="told")
    ]


async def test_a_long_text_comes_in_once_and_only_whole(
    provider: ModemProvider, modem: ToldModem, diary: Diary
) -> None:
    *some, last = texts_from(OFFICER, LONG)
    for pdu in [*some, *some]:
        await modem.events.received(modem, pdu)
    assert diary.texts == []
    for _ in range(2):
        await modem.events.received(modem, last)
    assert [one.text for one in diary.texts] == [LONG]


async def test_what_the_disk_refuses_comes_again(
    provider: ModemProvider, modem: ToldModem, diary: Diary
) -> None:
    diary.storage_refuses = 1
    *some, last = texts_from(OFFICER, LONG)
    for pdu in some:
        await modem.events.received(modem, pdu)
    with pytest.raises(StorageError):
        await modem.events.received(modem, last)
    await modem.events.received(modem, last)
    assert [one.text for one in diary.texts] == [LONG]
    assert not provider.busy


@pytest.mark.parametrize(
    "pdu",
    [
        b"",
        bytes(300),
        b"\x00\x04\xff",
        encode_deliver(Address.parse(STRANGER), UserData(dcs=4, body=b"\xff"), sent_utc=MORNING),
        encode_deliver(Address.parse(STRANGER), UserData(body=b"x"), sent_utc=MORNING, pid=0x40),
        encode_deliver(Address.parse(STRANGER), UserData(body=b"x"), sent_utc=MORNING, pid=0x7F),
        encode_deliver(
            Address.parse(STRANGER),
            UserData(header=bytes.fromhex("05040b8423f0"), body=b"x"),
            sent_utc=MORNING,
        ),
    ],
    ids=["empty", "zeros", "short", "data", "silent", "for-the-sim", "ports"],
)
async def test_what_is_for_nobody_is_let_go(
    provider: ModemProvider, modem: ToldModem, diary: Diary, pdu: bytes
) -> None:
    await modem.events.received(modem, pdu)
    assert diary.texts == []
    assert provider.counts["unreadable"] + provider.counts["not-for-people"] == 1


async def test_a_name_that_looks_like_a_number_is_no_number(
    provider: ModemProvider, modem: ToldModem, diary: Diary
) -> None:
    data = of_segment(segment("12 J'y vais")[0])
    pdu = encode_deliver(Address.name("+3363998000"), data, sent_utc=MORNING)
    await modem.events.received(modem, pdu)
    assert [one.sender for one in diary.texts] == ["alpha:+3363998000"]


async def test_strangers_parts_do_not_push_out_an_officers(
    provider: ModemProvider, modem: ToldModem, diary: Diary
) -> None:
    *some, last = texts_from(OFFICER, LONG)
    for pdu in some:
        await modem.events.received(modem, pdu)
    for number in range(500):
        await modem.events.received(modem, texts_from(f"+3363999{number:04d}", LONG)[0])
    await modem.events.received(modem, last)
    assert [one.sender for one in diary.texts] == [OFFICER]


async def test_neither_numbers_nor_texts_are_logged(
    provider: ModemProvider,
    modem: ToldModem,
    clock: DrivenClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    modem.outcomes.extend([PASSING, FOR_EVER])
    provider.submit(sms("secret", to=OFFICER))
    await clock.advance(60)
    await modem.events.received(modem, texts_from(OFFICER, "secret")[0][:-3])
    assert "failed" in caplog.text
    assert "cannot be read" in caplog.text
    assert "secret" not in caplog.text
    assert "39980002" not in caplog.text + repr(sms("secret", to=OFFICER))
