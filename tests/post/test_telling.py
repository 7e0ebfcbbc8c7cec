"""What boxes acknowledge, while the disk does not answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.post.harness import BoxClient, Site, until
from vigibip.alert import topics
from vigibip.alert.messages import AnswerAck, seal_message
from vigibip.base.clock import DrivenClock
from vigibip.post.store import Store

PRESS = "00000001000000aa"


def acknowledge(box: BoxClient, count: int) -> None:
    for sequence in range(1, count + 1):
        ack = AnswerAck(sequence=sequence)
        box.send(topics.ANSWER_ACK, seal_message(box.up_key, ack))


async def test_acknowledgements_on_a_hanging_disk_leave_room_for_a_press(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = await site.add_box()
    real, answers = Store.write, asyncio.Event()

    async def hang(self: Store, run: Any) -> Any:
        await answers.wait()
        return await real(self, run)

    monkeypatch.setattr(Store, "write", hang)
    # What hangs is under way for ever: the clock must not wait for it.
    monkeypatch.setattr(site.clock, "settle", DrivenClock.run_ready)
    assert site.post is not None
    in_hand = site.post._intake._in_hand
    try:
        for _ in range(2):
            acknowledge(box, 40)
            await until(lambda: in_hand[box.box_id] == 40)
            await site.advance(2.1)
            await until(lambda: in_hand[box.box_id] == 0)
        box.press(PRESS)
        await until(lambda: ("post.received", PRESS) in site.stamps)
        await site.advance(2.1)
        await until(lambda: site.radio.numbers == [999])
        assert ("box-floods", box.box_id) not in site.post.faults
    finally:
        answers.set()
    monkeypatch.setattr(site.clock, "settle", site.settle)
    await until(lambda: PRESS in box.accepted)
