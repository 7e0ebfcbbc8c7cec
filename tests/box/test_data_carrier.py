"""The data carrier against a real broker, over a network that can be cut, in driven time."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.box.peers import (
    DOWN_KEY,
    UP_KEY,
    Bip,
    MemoryLink,
    Post,
    enrolment_for,
    until,
)
from tests.support.bad_broker import CONNACK, CONNECT, SUBSCRIBE, suback
from vigibip.alert import topics
from vigibip.alert.messages import MESSAGE_MAX_BYTES, Answer, Receipt, authenticate, seal_message
from vigibip.base.clock import DrivenClock
from vigibip.box.config import BoxSettings
from vigibip.box.daemon import BoxDaemon
from vigibip.box.enrolment import save_enrolment
from vigibip.box.faults import FaultCode
from vigibip.post.authority import Authority
from vigibip.town.broker import Broker
from vigibip.town.network import Cut, NetworkLink
from vigibip.wire import frame

pytestmark = pytest.mark.requires_program("mosquitto")


class Box:
    """A daemon in driven time whose carrier is the real one."""

    def __init__(self, settings: BoxSettings, bip: Bip, clock: DrivenClock | None = None) -> None:
        self.bip = bip
        # Not before the authority of these tests, which is made on the machine's clock.
        self.clock = clock or DrivenClock(datetime.now(UTC))
        self.clock.settle = self.settle
        self.link = MemoryLink()
        self.daemon = BoxDaemon(settings, clock=self.clock, link=self.link, chance=random.Random(2))

    async def settle(self) -> None:
        """Return once nothing is under way, or the network holds it up."""
        end_s = time.monotonic() + 0.5
        while True:
            await DrivenClock.run_ready()
            if not self.daemon.busy or time.monotonic() > end_s:
                return
            await asyncio.sleep(0.001)

    def up(self) -> bool:
        told = self.daemon.description()
        return bool(told["carriers"][0]["up"])

    async def come_up(self) -> None:
        for _ in range(100):
            if self.up():
                return
            await self.clock.advance(1)
        raise AssertionError("no connection within 100 s of driven time")

    async def press(self) -> str:
        self.link.hear(-60, self.bip.mac, self.bip.press())
        await DrivenClock.run_ready()
        return self.bip.alert_id(self.bip.counter)

    async def state(self, press: int) -> int:
        self.link.hear(-60, self.bip.mac, self.bip.poll(press))
        await self.settle()
        return self.link.states(self.bip)[-1]

    def codes(self) -> set[FaultCode]:
        return self.daemon.faults.codes()

    def carrier_counts(self) -> dict[str, int]:
        told = self.daemon.description()
        counts: dict[str, int] = told["carriers"][0]["counts"]
        return counts


@pytest.fixture
async def network(broker: Broker) -> AsyncIterator[NetworkLink]:
    network = NetworkLink(broker.host, broker.port)
    await network.start()
    yield network
    await network.stop()


@pytest.fixture
async def box(
    settings: BoxSettings, bip: Bip, authority: Authority, network: NetworkLink
) -> AsyncIterator[Box]:
    save_enrolment(settings.enrolment_path, enrolment_for(authority, network.host, network.port))
    box = Box(settings, bip)
    await box.daemon.start()
    await until(box.up, "a connection")
    yield box
    await box.daemon.stop()


async def test_an_alert_is_published_by_the_call_and_delivered_by_the_receipt(
    box: Box, post: Post
) -> None:
    alert = await box.press()
    await until(lambda: post.ids() == [alert])
    await until(lambda: not box.daemon.busy)
    assert await box.state(1) == frame.STATE_DELIVERED
    assert not box.daemon.busy


@pytest.mark.parametrize("kind", [Cut.RESET, Cut.REFUSED])
async def test_a_connection_that_breaks_comes_back_and_what_waited_goes(
    box: Box, post: Post, network: NetworkLink, kind: Cut
) -> None:
    await network.cut(kind)
    await until(lambda: FaultCode.DATA in box.codes(), "the fault")
    alert = await box.press()
    if kind is Cut.REFUSED:
        await box.clock.advance(600)
        assert post.alerts == []
        assert await box.state(1) == frame.STATE_NOT_REACHED
    await network.restore()
    await box.come_up()
    await until(lambda: post.ids() == [alert])
    await until(lambda: not box.daemon.busy)
    assert await box.state(1) == frame.STATE_DELIVERED
    assert FaultCode.DATA not in box.codes()


async def test_a_fresh_press_does_not_wait_for_the_next_attempt(
    box: Box, post: Post, network: NetworkLink
) -> None:
    await network.cut(Cut.REFUSED)
    await until(lambda: FaultCode.DATA in box.codes(), "the fault")
    await box.clock.advance(600)
    await network.restore()
    # Attempts are up to 30 s apart by now.
    alert = await box.press()
    await box.clock.advance(1)
    await until(lambda: post.ids() == [alert])


async def test_a_link_that_died_in_silence_is_noticed_by_what_is_not_acknowledged(
    box: Box, post: Post, network: NetworkLink
) -> None:
    await network.cut(Cut.SILENT)
    alert = await box.press()
    await box.clock.advance(9)
    assert box.carrier_counts()["dead_links"] == 1
    # What the silence held back arrives after all, and twice is once by its id.
    await network.restore()
    await box.come_up()
    await until(lambda: post.alerts)
    await until(lambda: not box.daemon.busy)
    assert set(post.ids()) == {alert}
    assert await box.state(1) == frame.STATE_DELIVERED


async def test_a_post_that_is_silent_is_asked_again_over_the_same_connection(
    box: Box, post: Post, network: NetworkLink
) -> None:
    post.receipts = False
    alert = await box.press()
    await until(lambda: post.ids() == [alert])
    connections = network.counts.connections
    await box.clock.advance(20)
    await until(lambda: len(post.ids()) >= 2)
    assert network.counts.connections == connections
    assert set(post.ids()) == {alert}


async def test_a_broker_killed_and_restarted_loses_nothing(
    box: Box, post: Post, broker: Broker
) -> None:
    await broker.kill()
    await until(lambda: FaultCode.DATA in box.codes(), "the fault")
    alerts = [await box.press() for _ in range(5)]
    await box.clock.advance(60)
    await broker.start()
    post.connected()
    post.subscribe(topics.ALL_UP)
    await box.come_up()
    await until(lambda: set(post.ids()) == set(alerts))
    await until(lambda: not box.daemon.busy)
    assert await box.state(5) == frame.STATE_DELIVERED


async def test_forged_wrong_and_foreign_messages_are_counted_and_change_nothing(
    box: Box, post: Post
) -> None:
    post.receipts = False
    alert = await box.press()
    await until(lambda: post.ids() == [alert])
    accepted = Receipt(alert=alert, verdict="accepted")
    coming = Answer(sequence=1, alerts=[alert], state="coming")
    sealed = seal_message(DOWN_KEY, accepted)
    # Sealed with the key of the other direction, with none, cut short, changed in one bit.
    post.tell(topics.RECEIPT, accepted, key=UP_KEY)
    post.tell(topics.ANSWER, coming, key=UP_KEY)
    post.tell_raw(topics.RECEIPT, accepted.model_dump_json().encode())
    post.tell_raw(topics.RECEIPT, b"")
    post.tell_raw(topics.RECEIPT, sealed[:-1])
    post.tell_raw(topics.RECEIPT, bytes((sealed[0] ^ 1,)) + sealed[1:])
    forged = 6
    # The post's own, and not what the schema says: a receipt said as an answer, no JSON.
    post.tell(topics.ANSWER, accepted)
    post.tell(topics.RECEIPT, coming)
    post.tell_raw(topics.RECEIPT, seal_text(b"{"))
    post.tell_raw(topics.ANSWER, seal_text(b'{"kind": "answer", "sequence": 0, "alerts": []}'))
    post.tell_raw(topics.RECEIPT, seal_text(b'"' + b"x" * (MESSAGE_MAX_BYTES - 100) + b'"'))
    post.tell_raw(topics.RECEIPT, seal_text(b"[" * 8000))
    wrong = 6
    # The last one: whoever has it has all that was said before.
    post.tell("surprise", accepted)
    await until(lambda: box.carrier_counts().get("unknown_topic"))
    counts = box.carrier_counts()
    assert (counts["forged"], counts["wrong_schema"], counts["unknown_topic"]) == (forged, wrong, 1)
    assert await box.state(1) == frame.STATE_HEARD
    assert {FaultCode.FORGED_MESSAGE, FaultCode.POST_MESSAGE} <= box.codes()
    assert box.up()
    post.tell(topics.RECEIPT, accepted)
    await until(lambda: not box.daemon.busy)
    assert await box.state(1) == frame.STATE_DELIVERED


async def test_the_post_learns_how_the_box_is_and_that_its_answer_arrived(
    box: Box, post: Post
) -> None:
    alert = await box.press()
    await until(lambda: post.ids() == [alert])
    post.answer(41, alert)
    await until(lambda: post.acknowledged == [41])
    await box.clock.advance(60)
    await until(lambda: post.statuses)
    assert post.statuses[-1].queued == 0


class MuteBroker:
    """Takes TCP and TLS; acknowledges CONNECT and SUBSCRIBE only once it `speaks`."""

    def __init__(self, authority: Authority) -> None:
        files = authority.server_files("broker", ["127.0.0.1"])
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(files.certificate, files.key)
        self.speaks = False
        self.connections = 0

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(ConnectionError, asyncio.CancelledError):
            while packet := await reader.read(1024):
                if not self.speaks:
                    continue
                if packet[0] >> 4 == CONNECT:
                    writer.write(CONNACK)
                elif packet[0] >> 4 == SUBSCRIBE:
                    writer.write(suback(packet[2:]))
        writer.close()

    async def stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()


async def test_a_broker_that_never_says_connack_is_a_fault_and_is_tried_again(
    settings: BoxSettings, bip: Bip, authority: Authority
) -> None:
    broker = MuteBroker(authority)
    port = await broker.start()
    save_enrolment(settings.enrolment_path, enrolment_for(authority, "127.0.0.1", port))
    box = Box(settings, bip)
    await box.daemon.start()
    await until(lambda: broker.connections == 1, "TLS")
    assert FaultCode.DATA not in box.codes()
    await box.clock.advance(5)
    assert FaultCode.DATA in box.codes()
    broker.speaks = True
    await box.clock.advance(22)
    await until(lambda: FaultCode.DATA not in box.codes(), "a connection by another attempt")
    assert broker.connections == 2
    assert box.up()
    assert box.daemon.description()["carriers"][0]["counts"]["hung_attempts"] == 1
    await box.daemon.stop()
    await broker.stop()


async def test_a_broker_that_is_not_our_authoritys_is_not_talked_to(
    tmp_path: Path, settings: BoxSettings, bip: Bip, broker: Broker
) -> None:
    stranger = Authority.create(tmp_path / "stranger")
    save_enrolment(settings.enrolment_path, enrolment_for(stranger, broker.host, broker.port))
    box = Box(settings, bip)
    await box.daemon.start()
    await until(lambda: FaultCode.DATA in box.codes())
    (fault,) = (one for one in box.daemon.faults.standing() if one.code is FaultCode.DATA)
    assert "CERTIFICATE_VERIFY_FAILED" in fault.detail
    assert not box.up()
    await box.daemon.stop()


async def test_a_broker_under_another_name_is_not_talked_to(
    settings: BoxSettings, bip: Bip, broker: Broker, authority: Authority
) -> None:
    # The certificate names 127.0.0.1 and localhost; this is the same address, written otherwise.
    save_enrolment(settings.enrolment_path, enrolment_for(authority, "127.1", broker.port))
    box = Box(settings, bip)
    await box.daemon.start()
    await until(lambda: FaultCode.DATA in box.codes())
    (fault,) = (one for one in box.daemon.faults.standing() if one.code is FaultCode.DATA)
    assert "CERTIFICATE_VERIFY_FAILED" in fault.detail
    await box.daemon.stop()


async def test_with_an_unsure_clock_the_authority_is_still_verified(
    tmp_path: Path, settings: BoxSettings, bip: Bip, broker: Broker, authority: Authority
) -> None:
    save_enrolment(settings.enrolment_path, enrolment_for(authority, broker.host, broker.port))
    behind = DrivenClock(datetime(2020, 1, 1, tzinfo=UTC))
    box = Box(settings, bip, behind)
    await box.daemon.start()
    await until(box.up, "a connection")
    assert FaultCode.CLOCK_UNSURE in box.codes()
    await box.daemon.stop()
    stranger = Authority.create(tmp_path / "stranger")
    save_enrolment(settings.enrolment_path, enrolment_for(stranger, broker.host, broker.port))
    box = Box(settings, bip, DrivenClock(datetime(2020, 1, 1, tzinfo=UTC)))
    await box.daemon.start()
    await until(lambda: FaultCode.DATA in box.codes())
    assert not box.up()
    await box.daemon.stop()


async def test_the_clocks_floor_is_the_latest_time_that_was_written(
    settings: BoxSettings, bip: Bip, broker: Broker, authority: Authority
) -> None:
    save_enrolment(settings.enrolment_path, enrolment_for(authority, broker.host, broker.port))
    start = datetime.now(UTC) + timedelta(days=1)
    box = Box(settings, bip, DrivenClock(start))
    await box.daemon.start()
    await until(box.up, "a connection")
    await box.daemon.stop()
    for clock, sure in ((start - timedelta(hours=1), False), (start + timedelta(hours=1), True)):
        box = Box(settings, bip, DrivenClock(clock))
        await box.daemon.start()
        await until(box.up, "a connection")
        assert (FaultCode.CLOCK_UNSURE not in box.codes()) is sure
        await box.daemon.stop()


async def test_a_box_enrolled_with_a_late_clock_connects(
    tmp_path: Path, settings: BoxSettings, bip: Bip
) -> None:
    # To this machine, whose clock OpenSSL reads, the post's clock is 200 days ahead.
    ahead = Authority.create(
        tmp_path / "ahead", clock=DrivenClock(datetime.now(UTC) + timedelta(days=200))
    )
    broker = MuteBroker(ahead)
    broker.speaks = True
    port = await broker.start()
    save_enrolment(settings.enrolment_path, enrolment_for(ahead, "127.0.0.1", port))
    box = Box(settings, bip)
    await box.daemon.start()
    await until(box.up, "a connection")
    assert FaultCode.CLOCK_UNSURE in box.codes()
    await box.daemon.stop()
    await broker.stop()


def seal_text(text: bytes) -> bytes:
    return authenticate(DOWN_KEY, text) + text
