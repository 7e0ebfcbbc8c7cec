"""The town's mobile network: it carries, it can be tapped and forged, and it stamps what passes."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.sms.rig import Diary
from vigibip.alert.ids import AlertId
from vigibip.alert.sms_form import SmsKind, SmsMessage, write_sms
from vigibip.base.clock import DrivenClock, SystemClock
from vigibip.sms.contract import OutgoingSms
from vigibip.sms.errors import PduError
from vigibip.sms.lanes import Lane
from vigibip.sms.modem_provider import ModemProvider
from vigibip.town.mobile import (
    STRANGER_NUMBER,
    Mobile,
    MobilePlan,
    about,
    box_number,
    post_number,
)

KEY = bytes(32)
IDS = tuple(AlertId(0x01020304, number) for number in range(1, 4))
ALERT = write_sms(
    KEY, "ALERTE Tabac", SmsMessage(kind=SmsKind.ALERT, sequence=7, alerts=IDS[:1], age_s=4)
)


Stamp = tuple[str, str, float]


@asynccontextmanager
async def driven() -> AsyncIterator[tuple[DrivenClock, Mobile, list[Stamp]]]:
    clock = DrivenClock()
    stamps: list[Stamp] = []
    plan = MobilePlan(submit_s=(2.0, 2.0))
    mobile = Mobile(clock, plan, lambda *stamp: stamps.append(stamp))
    try:
        yield clock, mobile, stamps
    finally:
        await mobile.close()


@pytest.mark.parametrize(
    ("kind", "name", "ids", "fields"),
    [
        (SmsKind.ALERT, "alert", IDS[:1], {"age_s": None}),
        (SmsKind.RECEIPT, "receipt", IDS, {}),
        (SmsKind.REFUSAL, "receipt", IDS[:2], {}),
        (SmsKind.COMING, "coming", IDS, {"answers": 9}),
        (SmsKind.PROBE, "", (), {}),
    ],
)
def test_what_a_message_is_about_is_read_without_its_key(
    kind: SmsKind, name: str, ids: tuple[AlertId, ...], fields: dict[str, int]
) -> None:
    text = write_sms(KEY, "VigiBip", SmsMessage(kind=kind, sequence=3, alerts=ids, **fields))  # type: ignore[arg-type]
    assert about(text) == (name, [str(one) for one in ids])


def test_what_is_no_message_is_about_nothing() -> None:
    assert about("bonjour #à tous") == ("", [])
    assert about(ALERT[: len(ALERT) // 2]) == ("", [])
    chance = random.Random(1)
    for _ in range(2_000):
        about("#" + "".join(chance.choice("ABCDEFGHIJ234567") for _ in range(chance.randrange(90))))


async def test_an_alert_is_stamped_where_it_passes() -> None:
    async with driven() as (clock, mobile, stamps):
        provider = ModemProvider(
            mobile.driver(box_number(1), "box"), clock=clock, chance=random.Random(1)
        )
        mobile.modem(post_number(1))
        provider.start(Diary())
        await clock.advance(20)
        provider.submit(OutgoingSms(to=post_number(1), text=ALERT, lane=Lane.ALERT, key="a"))
        await clock.advance(20)
        await provider.close()
    assert [(stage, subject) for stage, subject, _ in stamps] == [
        (f"sms.alert.{what}", str(IDS[0])) for what in ("modem", "operator", "delivered")
    ]
    handed_s, taken_s, arrived_s = (at_s for _, _, at_s in stamps)
    assert handed_s == 20.0
    assert taken_s - handed_s == pytest.approx(2.0)
    assert arrived_s - taken_s == pytest.approx(3.0)


async def test_people_write_to_each_other_and_long_texts_come_in_parts() -> None:
    async with driven() as (clock, mobile, stamps):
        officer, stranger = mobile.phone("+33639983001"), mobile.phone(STRANGER_NUMBER)
        officer.send(stranger.number, "J'arrive à 14h [€] 👮")
        officer.send(stranger.number, "long " * 50)
        await clock.advance(4)
        assert stranger.texts[0].text == "J'arrive à 14h [€] 👮"
        assert len(stranger.texts) == 3
        assert {text.sender for text in stranger.texts} == {officer.number}
        assert stamps == []


async def test_a_forged_sender_is_what_the_receiver_sees() -> None:
    async with driven() as (_, mobile, _stamps):
        officer = mobile.phone("+33639983001")
        mobile.forge(box_number(3), officer.number, "ALERTE")
        assert [(text.sender, text.text) for text in officer.texts] == [(box_number(3), "ALERTE")]
        with pytest.raises(PduError):
            mobile.forge(box_number(3), officer.number, "x" * 200)


async def test_at_a_terminal_any_program_finds_a_modem(tmp_path: Path) -> None:
    mobile = Mobile(SystemClock(), MobilePlan(), lambda *_: None)
    path = tmp_path / "modem"
    mobile.at_terminal(box_number(1), path)
    with path.open("r+b", buffering=0) as port:
        await asyncio.to_thread(port.write, b"AT+CIMI\r")
        answer = b""
        async with asyncio.timeout(20):
            while b"OK\r\n" not in answer:
                answer += await asyncio.to_thread(port.read, 100)
    assert b"001010000000001" in answer
    await mobile.close()
    assert not path.exists()
