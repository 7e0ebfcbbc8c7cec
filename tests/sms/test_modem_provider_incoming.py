"""The modem's provider: what is reported, and what comes in."""

import pytest

from tests.sms.rig import (
    FOR_EVER,
    LONG,
    MORNING,
    OFFICER,
    PASSING,
    STRANGER,
    Diary,
    ToldModem,
    sms,
    status_report,
    texts_from,
)
from vigibip.base.clock import DrivenClock
from vigibip.base.errors import StorageError
from vigibip.sms.address import Address
from vigibip.sms.contract import IncomingSms
from vigibip.sms.modem_provider import ModemProvider
from vigibip.sms.pdu import encode_deliver
from vigibip.sms.segments import segment
from vigibip.sms.user_data import UserData, of_segment

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
