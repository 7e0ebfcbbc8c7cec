"""Silence is noticed, three kinds of it, and never because the post itself was silent or deaf."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from vigibip.alert.messages import Alert
from vigibip.base.clock import DrivenClock
from vigibip.post.box_watch import NAMED_MAX, BoxWatch
from vigibip.post.config import BoxWatchSettings
from vigibip.post.faults import OTHERS, Faults
from vigibip.post.known_boxes import KnownBoxes
from vigibip.post.store import Store
from vigibip.post.store.incidents import IntakeRules
from vigibip.post.store.records import KnownBox
from vigibip.post.store.second_path import SecondPathStore
from vigibip.post.ways import Ways

STEP_S = 20.0
HOUR_S = 3600.0


class Watched:
    """A watch over `boxes`; whether the broker and a modem are there is the test's to say."""

    def __init__(self, store: Store, faults: Faults, clock: DrivenClock) -> None:
        self.clock, self.store, self.faults = clock, store, faults
        self.connected = True
        self.modem_up: bool | None = True
        self.boxes = KnownBoxes(store)
        self.second = SecondPathStore(store, clock)
        self.start()

    def start(self) -> None:
        """Begin as after a restart: nothing is remembered but what `restore` brings."""
        self.ways = Ways(self.clock)
        self.watch = BoxWatch(
            self.boxes,
            self.ways,
            self.second,
            self.faults,
            BoxWatchSettings(),
            self.clock,
            unproven_after_s=30 * HOUR_S,
            connected=lambda: self.connected,
            modem_up=lambda: self.modem_up,
        )

    async def restore(self) -> None:
        await self.boxes.load()
        self.ways.restore(await self.second.paths())

    async def add_box(self, phone: str | None = "+33639981001") -> str:
        shop = await self.store.create_shop(
            name="Tabac", spoken="Tabac", address="12 rue des Lilas", phone=phone
        )
        key = os.urandom(32)
        await self.store.set_box_keys(shop.box_id, up_key=key, down_key=key, serial="1")
        await self.restore()
        return shop.box_id

    async def press_by_sms(self, box_id: str, sequence: int) -> None:
        """As the intake does it, once it is committed."""
        alert = Alert(alert="00000001000000aa", age_s=0)
        rules = IntakeRules(worker="post-1")
        await self.store.accept_alert(box_id, alert, rules=rules, sms=sequence)
        self.ways.proven(box_id)
        self.ways.alert_by_sms(box_id)

    async def run(self, duration_s: float, *heard: str, step_s: float = STEP_S) -> None:
        """Let time pass, looking as often as the watch does; `heard` boxes speak each time."""
        for _ in range(int(duration_s / step_s)):
            await self.clock.advance(step_s)
            for box_id in heard:
                self.ways.heard(box_id)
            await self.watch.look()

    @property
    def kinds(self) -> set[str]:
        return {kind for kind, _ in self.faults.present}


@pytest.fixture
async def watched(store: Store, clock: DrivenClock) -> AsyncIterator[Watched]:
    faults = Faults(store, clock)
    await faults.start()
    yield Watched(store, faults, clock)
    await faults.stop()


async def test_a_box_that_falls_silent_on_data_is_told_and_its_return_too(
    watched: Watched,
) -> None:
    box = await watched.add_box()
    await watched.run(300, box)
    assert watched.kinds == set()
    await watched.run(160)
    assert watched.kinds == set()
    await watched.run(60)
    assert watched.kinds == {"data-lost"}
    watched.ways.heard(box)
    await watched.run(20)
    assert watched.kinds == set()


async def test_a_box_that_was_never_heard_is_not_called_silent(watched: Watched) -> None:
    await watched.add_box()
    await watched.run(2 * HOUR_S)
    assert watched.kinds == set()


async def test_silent_boxes_behind_a_broker_that_is_gone_are_the_brokers_fault(
    watched: Watched,
) -> None:
    box = await watched.add_box()
    await watched.run(60, box)
    watched.connected = False
    await watched.run(HOUR_S)
    assert watched.kinds == set()
    # Back again, boxes have their time to come back too.
    watched.connected = True
    await watched.run(160)
    assert watched.kinds == set()
    await watched.run(60)
    assert watched.kinds == {"data-lost"}


async def test_a_restart_calls_nobody_silent_at_once_and_forgets_no_silence(
    watched: Watched,
) -> None:
    box = await watched.add_box()
    await watched.run(400, box)
    await watched.watch.write_heard()
    await watched.clock.advance(HOUR_S)
    watched.start()
    await watched.restore()
    await watched.run(160)
    assert watched.kinds == set()
    await watched.run(60)
    assert watched.kinds == {"data-lost"}
    watched.start()
    await watched.restore()
    await watched.run(20)
    assert watched.kinds == {"data-lost"}
    watched.ways.heard(box)
    await watched.run(20)
    assert watched.kinds == set()


async def test_without_data_and_without_a_proof_by_sms_a_box_is_lost(watched: Watched) -> None:
    box = await watched.add_box()
    await watched.run(300, box)
    await watched.run(1300)
    assert watched.kinds == {"data-lost"}
    await watched.run(200)
    assert watched.kinds == {"data-lost", "box-lost"}
    watched.ways.proven(box)
    await watched.run(20)
    assert watched.kinds == {"data-lost"}


async def test_a_proof_by_sms_keeps_a_box_that_data_lost(watched: Watched) -> None:
    box = await watched.add_box()
    await watched.run(300, box)
    await watched.run(600)
    watched.ways.proven(box)
    await watched.run(2 * HOUR_S)
    assert watched.kinds == {"data-lost"}


async def test_a_post_whose_modems_are_down_calls_no_box_lost_or_unproven(
    watched: Watched,
) -> None:
    box = await watched.add_box()
    await watched.run(300, box)
    watched.modem_up = False
    await watched.run(40 * HOUR_S, step_s=300)
    assert watched.kinds == {"data-lost"}
    # Its modems are back: the boxes' next probes come within hours.
    watched.modem_up = True
    await watched.run(20 * 60, step_s=60)
    assert "sms-unproven" not in watched.kinds
    await watched.run(9 * HOUR_S, step_s=300)
    assert watched.kinds == {"data-lost", "box-lost", "sms-unproven"}


async def test_a_box_lost_after_a_press_is_a_matter_for_the_police(watched: Watched) -> None:
    box = await watched.add_box(phone=None)
    await watched.run(300, box)
    rules = IntakeRules(worker="post-1")
    alert = Alert(alert="00000001000000aa", age_s=0)
    await watched.store.accept_alert(box, alert, rules=rules)
    await watched.run(1500)
    assert watched.kinds == {"data-lost", "box-lost-after-press"}
    watched.ways.heard(box)
    await watched.run(20)
    assert watched.kinds == set()


async def test_a_path_is_unproven_after_thirty_hours_and_says_since_when(
    watched: Watched,
) -> None:
    box, other = await watched.add_box(), await watched.add_box("+33639981002")
    await watched.run(600, box, other)
    watched.ways.proven(box)
    proven = f"{watched.clock.utc():%Y-%m-%d %H:%M:%S} UTC"
    await watched.run(29 * HOUR_S, box, other, step_s=600)
    assert watched.kinds == set()
    await watched.run(2 * HOUR_S, box, other, step_s=600)
    assert watched.faults.present == {
        ("sms-unproven", box): proven,
        ("sms-unproven", other): "",
    }
    watched.ways.proven(box)
    await watched.run(20, box, other)
    assert watched.faults.present == {("sms-unproven", other): ""}


async def test_a_box_that_is_heard_for_the_first_time_is_known_to_be_soon(
    watched: Watched,
) -> None:
    box = await watched.add_box()
    await watched.run(20, box)
    (path,) = await watched.second.paths()
    assert path.heard_at == watched.clock.utc()


async def test_ten_thousand_silent_boxes_are_bounded_work_and_a_readable_page(
    watched: Watched,
) -> None:
    key = os.urandom(32)
    boxes = {f"box-{number:08d}": KnownBox(key, key, "Tabac", "") for number in range(10_000)}
    watched.boxes.use(boxes)
    for box_id in boxes:
        watched.ways.heard(box_id)
    await watched.run(300, step_s=60)
    lost = [subject for kind, subject in watched.faults.present if kind == "data-lost"]
    assert len(lost) == 201
    assert watched.faults.present[("data-lost", OTHERS)] == "+9800"
    # While the broker is gone, those that are not named are silent still.
    watched.connected = False
    await watched.run(20)
    assert watched.faults.present[("data-lost", OTHERS)] == "+9800"
    watched.connected = True
    await watched.run(20)
    for box_id in list(boxes)[:9_000]:
        watched.ways.heard(box_id)
    await watched.run(20)
    lost = [subject for kind, subject in watched.faults.present if kind == "data-lost"]
    assert len(lost) == 201
    assert watched.faults.present[("data-lost", OTHERS)] == "+800"
    for box_id in boxes:
        watched.ways.heard(box_id)
    await watched.run(20)
    assert watched.kinds == set()


async def test_of_many_lost_boxes_the_one_that_was_pressed_is_told_as_such(
    watched: Watched,
) -> None:
    pressed = await watched.add_box(phone=None)
    key = os.urandom(32)
    others = {f"box-{number:08d}": KnownBox(key, key, "Tabac", "") for number in range(NAMED_MAX)}
    watched.boxes.use({**others, pressed: watched.boxes[pressed]})
    await watched.run(60, *watched.boxes)
    # The others are lost before it.
    await watched.run(300, pressed)
    alert = Alert(alert="00000001000000aa", age_s=0)
    await watched.store.accept_alert(pressed, alert, rules=IntakeRules(worker="post-1"))
    await watched.run(1700)
    assert ("box-lost-after-press", pressed) in watched.faults.present
    assert ("box-lost", pressed) not in watched.faults.present


async def test_an_alerts_own_sms_is_no_proof_for_long(watched: Watched) -> None:
    box = await watched.add_box()
    await watched.run(60, box)
    await watched.press_by_sms(box, 1)
    # It was cut off, or broken: no probe follows, as one would.
    await watched.run(2000)
    assert watched.kinds == {"data-lost"}
    await watched.run(600)
    assert watched.kinds == {"data-lost", "box-lost-after-press"}
    # A restart forgets neither.
    watched.start()
    await watched.restore()
    await watched.run(300)
    assert watched.kinds == {"data-lost", "box-lost-after-press"}


async def test_a_box_that_speaks_by_sms_alone_is_not_lost_after_its_press(
    watched: Watched,
) -> None:
    box = await watched.add_box()
    await watched.run(60, box)
    await watched.press_by_sms(box, 1)
    await watched.run(1800, step_s=300)
    # Without a receipt it goes on; with one it probes.
    await watched.press_by_sms(box, 2)
    await watched.run(600, step_s=300)
    await watched.second.take_sms(box, 3)
    watched.ways.proven(box)
    await watched.run(24 * HOUR_S, step_s=600)
    assert watched.kinds == {"data-lost"}
    watched.start()
    await watched.restore()
    await watched.run(HOUR_S, step_s=300)
    assert watched.kinds == {"data-lost"}


async def test_a_proof_by_sms_says_for_thirty_hours_that_a_box_is_there(watched: Watched) -> None:
    box = await watched.add_box()
    await watched.run(300, box)
    watched.ways.proven(box)
    await watched.run(29 * HOUR_S, step_s=600)
    assert watched.kinds == {"data-lost"}
    await watched.run(2 * HOUR_S, step_s=600)
    assert watched.kinds == {"data-lost", "box-lost", "sms-unproven"}


async def test_a_disk_that_hangs_does_not_blind_the_watch(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    box, pressed = await watched.add_box(phone=None), await watched.add_box(phone=None)
    await watched.run(300, box, pressed)
    alert = Alert(alert="00000001000000aa", age_s=0)
    await watched.store.accept_alert(pressed, alert, rules=IntakeRules(worker="post-1"))
    asked = []
    hangs = asyncio.Event()

    async def hang(*_: object) -> None:
        asked.append(1)
        await hangs.wait()

    with monkeypatch.context() as on_a_hung_disk:
        on_a_hung_disk.setattr(watched.second, "pressed_since", hang)
        on_a_hung_disk.setattr(watched.second, "record_heard", hang)
        watching = asyncio.create_task(watched.watch.run())
        await watched.clock.advance(2000)
        assert {"data-lost", "box-lost", "store-failed"} <= watched.kinds
        assert len(asked) <= 2
        watching.cancel()
    hangs.set()
    await watched.run(60)
    assert ("box-lost-after-press", pressed) in watched.faults.present
    assert ("box-lost", box) in watched.faults.present
