"""The daemon itself: a mistake in one of its parts must not go unnoticed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.post.harness import Site, held_writer, until
from vigibip.base.clock import DrivenClock, SystemClock
from vigibip.base.errors import StorageError
from vigibip.post import answers, lane
from vigibip.post.authority import Authority
from vigibip.post.cards import new_card
from vigibip.post.config import BrokerSettings, EnrolmentSettings, PostSettings, RadioSettings
from vigibip.post.daemon import PostDaemon
from vigibip.post.faults import FaultKind, Faults
from vigibip.post.run import PartEndedError, run_post
from vigibip.post.store import Store
from vigibip.post.telling import Telling
from vigibip.radio.channel import ChannelServer, SimulatedChannel
from vigibip.radio.clips import ClipStore
from vigibip.radio.errors import SynthesisError
from vigibip.radio.settings import VoiceSettings

ONE = "00000001000000aa"


def test_a_part_that_ends_by_a_mistake_ends_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def mistaken(_telling: Telling) -> None:
        raise LookupError("a mistake")

    monkeypatch.setattr(Telling, "run", mistaken)
    Authority.create(tmp_path / "authority")
    settings = PostSettings(
        data_dir=tmp_path,
        broker=BrokerSettings(host="127.0.0.1", port=1),
        enrolment=EnrolmentSettings(host="127.0.0.1", port=0),
    )
    with pytest.raises(PartEndedError):
        run_post(settings)


async def test_a_disk_that_hangs_does_not_keep_the_post_from_ending(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = await site.add_box()
    with held_writer(site.store), monkeypatch.context() as timely:
        # The store's work does take time now.
        timely.setattr(site.clock, "settle", site.clock.run_ready)
        box.press(ONE)
        await until(lambda: ("post.received", ONE) in site.stamps)
        ending = asyncio.create_task(site.stop_post())
        for _ in range(60):
            await site.clock.advance(1)
        await until(ending.done)
        await ending
        assert box.receipts == []


async def test_an_end_that_was_asked_for_is_no_failure(site: Site) -> None:
    post = site.post
    assert post is not None
    failed = asyncio.create_task(post.failed())
    await site.stop_post()
    await DrivenClock.run_ready()
    assert not failed.done()
    failed.cancel()


async def test_an_answer_that_cannot_be_judged_does_not_cost_the_next(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = await site.add_box()
    card = await new_card(site.store, "Alpha 1", site.settings.answers)
    box.press(ONE)
    await until(lambda: box.accepted == [ONE])
    tried: list[str] = []

    def mistaken(code: str, _salt: bytes) -> bytes:
        tried.append(code)
        raise LookupError("a mistake")

    with monkeypatch.context() as broken:
        broken.setattr(answers, "digest", mistaken)
        site.radio.key(1, card.codes[0])
        await until(lambda: tried)
        await site.settle()
    site.radio.key(1, card.codes[0])
    await until(lambda: box.states == [("coming", (ONE,))])


async def test_faults_that_cannot_be_written_do_not_cost_the_next(
    store: Store, clock: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def mistaken(_changes: Any) -> None:
        raise LookupError("a mistake")

    faults = Faults(store, clock)
    with monkeypatch.context() as broken:
        broken.setattr(store, "record_faults", mistaken)
        faults.raise_fault(FaultKind.BROKER_LOST)
        await clock.advance(2)
    faults.raise_fault(FaultKind.NO_RADIO)
    await faults.stop()
    assert [fault.kind for fault in await store.faults()] == ["no-radio"]


async def test_a_post_that_restarts_on_a_full_disk_relays_and_heals(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = await site.add_box()
    await site.stop_post()

    async def refuse(_store: Store, _run: Any) -> None:
        raise StorageError("the disk is full")

    with monkeypatch.context() as full:
        full.setattr(Store, "write", refuse)
        await site.start_post()
        assert site.post is not None
        assert ("store-failed", "") in site.post.faults
        box.press(ONE)
        await until(lambda: site.radio.said)
        assert site.radio.said[0].announcement.number >= 900
        assert box.receipts == []
    await site.advance(6)
    await until(lambda: box.accepted == [ONE])
    await site.settle()
    assert ("store-failed", "") not in site.post.faults


async def test_a_mistake_in_the_relay_ends_the_process(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = site.post
    assert post is not None
    failed = asyncio.create_task(post.failed())
    box = await site.add_box()

    def mistaken(*_: object, **__: object) -> None:
        raise LookupError("a mistake")

    monkeypatch.setattr(lane, "choose", mistaken)
    box.press(ONE)
    await until(failed.done)


async def test_common_clips_that_are_missing_are_prepared_beside_the_alerts(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    ended: list[str] = []

    async def prepare(_clips: ClipStore) -> int:
        begun.set()
        await go_on.wait()
        ended.append("prepared")
        raise SynthesisError("the voice hangs")

    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    monkeypatch.setattr(ClipStore, "prepare_common", prepare)
    channel = SimulatedChannel(SystemClock(), None, cut_short=True)
    server = ChannelServer(channel, site.directory / "channel")
    await server.start()
    box = await site.add_box()
    await site.stop_post()
    voice = VoiceSettings(audio_out=f"unix:{site.directory}/channel", ptt_lead_ms=0)
    settings = site.settings.model_copy(update={"radio": RadioSettings(voice=voice)})
    post = PostDaemon(settings, clock=SystemClock())
    try:
        await post.start()
        await asyncio.wait_for(begun.wait(), 10)
        await until(lambda: post.connected)
        box.press(ONE)
        await until(lambda: box.accepted == [ONE])
        await until(lambda: channel.transmissions)
        assert not ended, "nothing waited for it"
        go_on.set()
        await until(lambda: post.faults.get(("radio-degraded", "voice")) == "the voice hangs")
    finally:
        await post.stop()
        await server.close()
        await channel.close()
