"""The whole box on real parts: serial line, disk, broker; and a post that answers."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest

from tests.box.peers import Bip, Post, PtyReceiver, until
from vigibip.alert import topics
from vigibip.alert.messages import Receipt
from vigibip.base.clock import SystemClock
from vigibip.box.config import BoxSettings
from vigibip.box.daemon import BoxDaemon
from vigibip.wire import frame

pytestmark = pytest.mark.requires_program("mosquitto")


@pytest.fixture
async def real_box(
    enrolled: BoxSettings, bip: Bip, receiver: PtyReceiver, post: Post
) -> AsyncIterator[BoxDaemon]:
    daemon = BoxDaemon(enrolled, clock=SystemClock(), chance=random.Random(1))
    await daemon.start()
    yield daemon
    await daemon.stop()


async def test_a_press_is_heard_delivered_and_answered(
    real_box: BoxDaemon, bip: Bip, receiver: PtyReceiver, post: Post
) -> None:
    # Here the disk is slower than the post: "delivered" would overtake "heard".
    post.receipts = False
    receiver.hello()
    await until(lambda: receiver.settings, "settings for the receiver")
    pressed = bip.press(age_s=3)
    receiver.hear(bip.mac, pressed)
    await until(lambda: frame.STATE_HEARD in receiver.states(bip), "heard")
    await until(lambda: post.alerts, "the alert at the post")
    alert = post.alerts[0]
    assert (alert.alert, alert.age_s, alert.late) == (bip.alert_id(1), 3, False)
    assert (alert.battery_mv, alert.rssi_dbm) == (3900, -61)

    post.tell(topics.RECEIPT, Receipt(alert=bip.alert_id(1), verdict="accepted"))
    await until(lambda: not real_box.busy, "the receipt taken")
    receiver.hear(bip.mac, bip.poll(1))
    await until(lambda: receiver.states(bip)[-1] == frame.STATE_DELIVERED, "delivered")

    post.answer(1, bip.alert_id(1))
    await until(lambda: post.acknowledged == [1], "the answer acknowledged")
    receiver.hear(bip.mac, bip.poll(1))
    await until(lambda: receiver.states(bip)[-1] == frame.STATE_COMING, "coming")
    assert len(post.alerts) == 1
