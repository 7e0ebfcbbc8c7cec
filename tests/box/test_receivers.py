"""Two receivers on one box: what both hear comes once, and the right one answers."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.box.driven import DrivenBox, SmallCarrier
from tests.box.peers import Bip, PtyReceiver, until
from vigibip.base.clock import DrivenClock, SystemClock
from vigibip.box.config import BoxSettings
from vigibip.box.daemon import BoxDaemon
from vigibip.box.faults import FaultCode
from vigibip.box.receivers import Receivers
from vigibip.wire import frame

NEAR, FAR = 0, 1
MAC = b"\x02\x00\x00\x00\x00\x01"
OTHER = b"\x02\x00\x00\x00\x00\x02"
PRESS, POLL = bytes(range(50)), bytes(range(1, 51))


@dataclass
class FakeLink:
    """A SerialLink that a test plays."""

    up: bool = True
    sent: list[bytes] = field(default_factory=list)
    allowed: list[int] = field(default_factory=list)

    def start(self, on_frame: object) -> None:
        self.hear = on_frame

    def send(self, mac: bytes, _sealed: bytes) -> None:
        self.sent.append(mac)

    def allow(self, ids: list[int]) -> None:
        self.allowed = ids

    def describe(self) -> list[dict[str, object]]:
        return [{"up": self.up}]

    async def close(self) -> None:
        self.up = False


class Desk:
    def __init__(self) -> None:
        self.clock = DrivenClock()
        self.links = [FakeLink(), FakeLink()]
        self.both = Receivers(self.links, self.clock)  # type: ignore[arg-type]
        self.taken: list[tuple[int, bytes, bytes]] = []
        self.copies: list[tuple[int, bytes]] = []
        self.both.on_copy = lambda rssi_dbm, sealed: self.copies.append((rssi_dbm, sealed))
        self.both.start(lambda *heard: self.taken.append(heard))

    def hear(self, place: int, sealed: bytes, rssi_dbm: int, mac: bytes = MAC) -> None:
        self.links[place].hear(rssi_dbm, mac, sealed)  # type: ignore[operator]

    def answerers(self, mac: bytes = MAC) -> list[int]:
        """Which of them a reply to `mac` goes out by."""
        for link in self.links:
            link.sent.clear()
        self.both.send(mac, b"reply")
        return [place for place, link in enumerate(self.links) if link.sent]


async def test_what_both_hear_comes_once_and_the_stronger_answers() -> None:
    desk = Desk()
    for first, second in ((NEAR, FAR), (FAR, NEAR)):
        desk.hear(first, PRESS, -40 if first == NEAR else -80)
        await desk.clock.advance(0.01)
        desk.hear(second, PRESS, -40 if second == NEAR else -80)
        assert desk.answerers() == [NEAR]
        await desk.clock.advance(1)
    assert len(desk.taken) == 2
    assert desk.copies == [(-80, PRESS), (-40, PRESS)]


async def test_a_frame_sent_again_is_no_copy_whoever_hears_it() -> None:
    desk = Desk()
    desk.hear(NEAR, PRESS, -40)
    await desk.clock.advance(0.02)
    desk.hear(NEAR, PRESS, -40)
    await desk.clock.advance(0.04)
    desk.hear(FAR, PRESS, -80)
    assert len(desk.taken) == 3
    assert desk.answerers() == [FAR], "the last that heard it"


async def test_other_bytes_and_other_senders_are_never_folded() -> None:
    desk = Desk()
    desk.hear(NEAR, PRESS, -40)
    desk.hear(FAR, POLL, -80)
    desk.hear(NEAR, POLL, -40, OTHER)
    assert len(desk.taken) == 3
    assert (desk.answerers(), desk.answerers(OTHER)) == ([FAR], [NEAR])


async def test_the_other_answers_when_the_better_one_is_gone_and_both_where_none_is_known() -> None:
    desk = Desk()
    desk.hear(NEAR, PRESS, -40)
    desk.hear(FAR, PRESS, -80)
    desk.links[NEAR].up = False
    assert desk.answerers() == [FAR]
    desk.hear(FAR, POLL, -80)
    desk.links[NEAR].up, desk.links[FAR].up = True, False
    assert desk.answerers() == [NEAR]
    desk.links[FAR].up = True
    assert desk.answerers(OTHER) == [NEAR, FAR]
    for link in desk.links:
        link.up = False
    assert desk.answerers() == [NEAR, FAR], "a link that is lost counts what it drops"


async def test_strangers_by_the_thousand_take_no_more_room() -> None:
    desk = Desk()
    chance = random.Random(4)
    for _ in range(3000):
        desk.hear(NEAR, PRESS, -40, chance.randbytes(6))
    assert len(desk.both._heard) == 256
    assert desk.answerers() == [NEAR, FAR]


async def test_both_are_told_whose_bips_are_their_own_and_both_are_described() -> None:
    desk = Desk()
    desk.both.allow([1, 2])
    assert [link.allowed for link in desk.links] == [[1, 2], [1, 2]]
    assert desk.both.describe() == [{"up": True}, {"up": True}]


def test_the_second_port_is_another_one(settings: BoxSettings) -> None:
    given = settings.model_dump() | {"second_receiver_port": settings.receiver_port}
    with pytest.raises(ValueError, match="second_receiver_port"):
        BoxSettings.model_validate(given)


async def test_a_bip_is_missing_while_one_of_two_receivers_still_listens(
    settings: BoxSettings, bip: Bip
) -> None:
    given = settings.model_dump() | {"second_receiver_port": "/dev/null", "bip_missing_after": 3}
    box = DrivenBox(BoxSettings.model_validate(given))
    await box.start()
    try:
        await box.hear(bip, bip.status())
        for subject in ("", "2"):
            box.daemon.faults.begin(FaultCode.RECEIVER, "unplugged", subject)
        await box.clock.advance(86_400)
        assert FaultCode.BIP_MISSING not in box.codes(), "nobody listened"
        box.daemon.faults.clear(FaultCode.RECEIVER, "2")
        await box.clock.advance(4 * 3600)
        assert FaultCode.BIP_MISSING in box.codes()
    finally:
        await box.daemon.stop()


@pytest.fixture
async def second(tmp_path: Path) -> AsyncIterator[PtyReceiver]:
    second = PtyReceiver(tmp_path / "tty2")
    yield second
    second.unplug()


async def test_a_press_that_both_receivers_hear_is_one_alert_and_outlives_one_of_them(
    settings: BoxSettings, receiver: PtyReceiver, second: PtyReceiver, bip: Bip
) -> None:
    given = settings.model_dump() | {"second_receiver_port": second.port}
    carrier = SmallCarrier()
    carrier.up = True
    daemon = BoxDaemon(BoxSettings.model_validate(given), clock=SystemClock(), carriers=[carrier])
    await daemon.start()
    try:
        for one in (receiver, second):
            await until(lambda one=one: one.settings == [(6, [bip.device_id])], "its settings")
            one.hello()
        pressed = bip.press()
        receiver.hear(bip.mac, pressed, rssi_dbm=-80)
        second.hear(bip.mac, pressed, rssi_dbm=-45)
        await until(lambda: receiver.replies(bip) + second.replies(bip), "a reply")
        assert carrier.take() == [bip.alert_id(1)]
        receiver.unplug()
        await until(lambda: FaultCode.RECEIVER in daemon.faults.codes(), "its loss")
        assert [str(fault) for fault in daemon.faults.standing()] == ["receiver"]
        second.down.clear()
        second.hear(bip.mac, bip.poll(1))
        await until(lambda: second.states(bip) == [frame.STATE_HEARD], "the other's answer")
        told = daemon.description()["receivers"]
        assert [one["up"] for one in told] == [False, True]
        receiver.settings.clear()
        receiver.plug()
        second.unplug()
        await until(lambda: receiver.settings, "it is found again")
        receiver.hello()
        await until(
            lambda: [str(fault) for fault in daemon.faults.standing()] == ["receiver:2"],
            "the second's loss alone",
        )
    finally:
        await daemon.stop()
