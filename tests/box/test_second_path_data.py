"""What the second path needs of data: contacts down, an officer's answer up, over a real broker."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from tests.box.peers import Bip, MemoryLink, Post, until
from tests.box.sms_town import CODES, OFFICER, POST_NUMBERS, PocketProvider, officer_contact
from vigibip.alert import topics
from vigibip.alert.messages import Contacts
from vigibip.alert.officer_codes import WORDS
from vigibip.base.clock import DrivenClock
from vigibip.box.config import BoxSettings
from vigibip.box.daemon import BoxDaemon
from vigibip.box.faults import FaultCode
from vigibip.town.broker import Broker
from vigibip.wire import frame

pytestmark = pytest.mark.requires_program("mosquitto")


class Box:
    """A daemon in driven time with the real data carrier and a provider of memory."""

    def __init__(self, settings: BoxSettings) -> None:
        sms = {"modem": {"port": "/dev/null"}}
        self.clock = DrivenClock(datetime.now(UTC), settle=self.settle)
        self.link = MemoryLink()
        self.sms = PocketProvider()
        self.sms.up = True
        self.daemon = BoxDaemon(
            BoxSettings.model_validate(settings.model_dump() | {"sms": sms}),
            clock=self.clock,
            link=self.link,
            sms_provider=self.sms,
            chance=random.Random(3),
        )

    async def settle(self) -> None:
        end_s = time.monotonic() + 0.5
        while True:
            await DrivenClock.run_ready()
            if self.sms.queue:
                self.sms.flush()
            if not self.daemon.busy or time.monotonic() > end_s:
                return
            await asyncio.sleep(0.001)

    async def data_is(self, up: bool) -> None:
        for _ in range(200):
            if self.daemon.description()["carriers"][0]["up"] is up:
                return
            await self.clock.advance(1)
        raise AssertionError(f"data does not become {up}")

    @property
    def edition(self) -> int:
        return int(self.daemon.description()["sms"]["contacts_edition"])


@pytest.fixture
async def box(enrolled: BoxSettings, bip: Bip) -> AsyncIterator[Box]:
    box = Box(enrolled)
    await box.daemon.start()
    await box.data_is(True)
    yield box
    await box.daemon.stop()


def contacts(edition: int) -> Contacts:
    fields = {"edition": edition, "post_numbers": POST_NUMBERS, "officer": officer_contact()}
    return Contacts.model_validate(fields)


async def test_contacts_are_believed_under_the_posts_key_alone(box: Box, post: Post) -> None:
    post.tell(topics.CONTACTS, contacts(9), key=bytes(32))
    post.tell_raw(topics.CONTACTS, b"nonsense")
    post.tell(topics.CONTACTS, contacts(2))
    await until(lambda: box.edition, "contacts")
    assert box.edition == 2
    assert box.daemon.faults.codes() == {FaultCode.FORGED_MESSAGE}
    await box.clock.advance(60)
    await until(lambda: post.statuses and post.statuses[-1].contacts_edition == 2, "its edition")


async def test_an_officers_answer_reaches_the_post_when_data_is_back(
    box: Box, post: Post, broker: Broker, bip: Bip
) -> None:
    post.tell(topics.CONTACTS, contacts(1))
    await until(lambda: box.edition, "contacts")
    await broker.stop()
    await box.data_is(False)
    box.link.hear(-60, bip.mac, bip.press())
    await box.clock.advance(95)
    (text,) = [sms.text for sms in box.sms.take() if sms.to == OFFICER]
    (word,) = [one for one in re.findall("[A-Z]+", text) if one in WORDS]
    await box.sms.bring(OFFICER, f"{word} {CODES[0]}")
    await box.settle()
    box.link.hear(-60, bip.mac, bip.poll(1))
    await box.settle()
    assert box.link.states(bip)[-1] == frame.STATE_COMING

    await broker.start()
    post.connected()
    post.subscribe(topics.ALL_UP)
    await box.data_is(True)
    end_s = time.monotonic() + 30
    while not post.officer_answers:
        assert time.monotonic() < end_s, "the post was not told"
        await box.clock.advance(5)
    assert post.officer_answers[0].alert == bip.alert_id(1)
    assert post.ids()[0] == bip.alert_id(1)
