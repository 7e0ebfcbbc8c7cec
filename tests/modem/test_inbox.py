"""What comes in, whatever is wrong with one message, its place, its store or the disk."""

from __future__ import annotations

import asyncio

from tests.modem.paper import DELIVER, REPORT, TPDU
from tests.modem.rig import Rig, running
from vigibip.modem.contract import Modem, ModemError, ModemState
from vigibip.modem.simulated.models import EC25, SIM7600
from vigibip.modem.simulated.settings import Behaviour
from vigibip.modem.simulated.store import Status

OTHER = DELIVER[:-1] + b"\x0f"


def heard_by(rig: Rig) -> bytearray:
    """Return what the modem is sent from now on."""
    heard, feed = bytearray(), rig.sim.feed

    def spy(data: bytes) -> None:
        heard.extend(data)
        feed(data)

    rig.sim.feed = spy  # type: ignore[method-assign]
    return heard


# ---- mistakes of ours


async def test_a_message_that_leads_to_a_mistake_stops_neither_others_nor_sending() -> None:
    async with running() as rig:
        await rig.until_ready()
        taken = rig.told.received

        async def received(modem: Modem, pdu: bytes) -> None:
            if pdu == DELIVER:
                raise KeyError("a mistake")
            await taken(modem, pdu)

        rig.told.received = received  # type: ignore[method-assign]
        rig.sim.deliver(DELIVER)
        rig.sim.deliver(OTHER)
        await rig.clock.advance(5.0)
        assert rig.told.pdus == [OTHER]
        assert rig.state is ModemState.READY
        await rig.clock.advance(300.0)
        assert rig.told.states[-1] is ModemState.READY
        assert not [name for name in rig.modem.counts if name.startswith("rung")]
        # Tried again, then let go: it does not fill the store.
        assert (rig.modem.counts["mistakes"], rig.modem.counts["let-go"]) == (3, 1)
        assert rig.sim.mailbox.stores["ME"].used == 0


async def test_a_message_that_leads_to_a_mistake_once_is_not_lost() -> None:
    async with running() as rig:
        await rig.until_ready()
        taken, mistakes = rig.told.received, [KeyError("a mistake")]

        async def received(modem: Modem, pdu: bytes) -> None:
            if mistakes:
                raise mistakes.pop()
            await taken(modem, pdu)

        rig.told.received = received  # type: ignore[method-assign]
        rig.sim.deliver(DELIVER)
        await rig.clock.advance(70.0)
        assert rig.told.pdus == [DELIVER]


async def test_a_listener_that_fails_while_it_is_told_stops_no_mending() -> None:
    async with running(booted=False) as rig:

        def modem_changed(modem: Modem) -> None:
            raise KeyError("a mistake")

        rig.told.modem_changed = modem_changed  # type: ignore[method-assign]
        await rig.until_ready(60.0)
        rig.sim.set_power(False)
        await rig.until([ModemState.HUNG, ModemState.FAULTY], 120.0)
        rig.sim.set_power(True)
        await rig.until_ready(180.0)


# ---- places and stores


async def test_a_place_that_cannot_be_emptied_hides_no_other() -> None:
    async with running() as rig:
        await rig.until_ready()
        store = rig.sim.mailbox.stores["ME"]
        stuck = store.put(DELIVER)
        delete = store.delete

        def refuse(index: int) -> None:
            if index != stuck:
                delete(index)
            else:
                store.delete(-1)

        store.put(OTHER)
        store.delete, delete = refuse, store.delete  # type: ignore[method-assign]
        await rig.clock.advance(200.0)
        assert rig.told.pdus == [DELIVER, OTHER]
        assert store.used == 1


async def test_what_lies_in_the_other_store_is_found_at_the_start() -> None:
    rig = Rig()
    rig.sim.mailbox.stores["SM"].put(DELIVER)
    rig.sim.mailbox.stores["ME"].put(OTHER)
    rig.sim.start(booted=True)
    rig.modem.start(rig.told)
    try:
        await rig.until_ready()
        await rig.clock.advance(5.0)
        assert rig.told.pdus == [DELIVER, OTHER]
        assert rig.sim.mailbox.stores["SM"].used == 0
        # What comes now goes into the modem's own store, and is read there.
        rig.sim.deliver(DELIVER)
        assert rig.sim.mailbox.stores["ME"].used == 1
        await rig.clock.advance(5.0)
        assert len(rig.told.pdus) == 3
    finally:
        await rig.modem.close()
        rig.sim.close()


async def test_a_disk_that_refuses_at_the_start_leaves_no_store_unread() -> None:
    rig = Rig()
    rig.sim.mailbox.stores["SM"].put(DELIVER)
    rig.sim.start(booted=True)
    rig.told.full = True
    rig.modem.start(rig.told)
    try:
        await rig.until_ready()
        await rig.clock.advance(5.0)
        rig.told.full = False
        # Announced to nobody: only a sweep of the store that receives finds it.
        rig.sim.mailbox.stores["ME"].put(OTHER)
        await rig.clock.advance(130.0)
        assert sorted(rig.told.pdus) == sorted([DELIVER, OTHER])
    finally:
        await rig.modem.close()
        rig.sim.close()


async def test_drafts_go_only_when_the_store_is_full() -> None:
    async with running() as rig:
        await rig.until_ready()
        store = rig.sim.mailbox.stores["ME"]
        for _ in range(store.size - 1):
            store.put(TPDU, Status.UNSENT)
        await rig.clock.advance(130.0)
        assert store.used == store.size - 1
        store.put(TPDU, Status.SENT)
        await rig.clock.advance(130.0)
        assert store.used == 0
        assert rig.told.pdus == []
        assert rig.modem.health.detail == ""


# ---- reports that are announced


async def test_a_report_that_is_announced_is_read_where_it_lies() -> None:
    async with running(model=EC25) as rig:
        await rig.until_ready()
        index = rig.sim.mailbox.stores["SR"].put(REPORT)
        # EC25 names the wrong store, as has been seen.
        rig.sim.tell(f'+CDSI: "SM",{index}')
        await rig.clock.advance(5.0)
        assert rig.told.pdus == [REPORT]
        # The store that receives is the one in use again.
        rig.sim.deliver(DELIVER)
        await rig.clock.advance(5.0)
        assert rig.told.pdus == [REPORT, DELIVER]


async def test_a_report_that_is_announced_and_is_nowhere_does_no_harm() -> None:
    async with running(model=EC25) as rig:
        await rig.until_ready()
        rig.sim.tell('+CDSI: "SM",0')
        await rig.clock.advance(5.0)
        assert rig.told.pdus == []
        rig.sim.deliver(DELIVER)
        await rig.clock.advance(5.0)
        assert rig.told.pdus == [DELIVER]


# ---- many


async def test_a_full_store_is_read_place_by_place() -> None:
    """At 9,600 baud one list of 255 messages would hold the line for a minute and a half."""
    async with running(model=EC25) as rig:
        await rig.until_ready()
        heard = heard_by(rig)
        store = rig.sim.mailbox.stores["ME"]
        for _ in range(store.size):
            store.put(DELIVER)
        taken = store.size
        await rig.clock.advance(70.0)
        assert len(rig.told.pdus) == taken
        assert store.used == 0
        assert b"AT+CMGL" not in heard


async def test_an_alert_waits_for_one_command_only_while_strangers_flood() -> None:
    async with running(model=SIM7600, behaviour=Behaviour(answer_s=0.05)) as rig:
        await rig.until_ready()
        flooding = True

        async def flood() -> None:
            while flooding:
                rig.sim.deliver(DELIVER)
                await rig.clock.sleep(0.06)

        floods = asyncio.create_task(flood())
        slowest_s = 0.0
        for _ in range(10):
            await rig.clock.advance(7.0)
            begun_s = rig.clock.monotonic_s()
            sending = asyncio.create_task(rig.modem.submit(TPDU, urgent=True))
            while not sending.done():
                await rig.clock.advance(0.05)
            assert not isinstance(sending.exception(), ModemError)
            slowest_s = max(slowest_s, rig.clock.monotonic_s() - begun_s)
        flooding = False
        await rig.clock.advance(1.0)
        await floods
        # AT+CMGS itself takes 5 s at most.
        assert slowest_s <= 6.0
        assert len(rig.told.pdus) > 300


async def test_what_comes_in_is_read_though_one_sms_after_the_other_leaves() -> None:
    async with running(behaviour=Behaviour(answer_s=0.05)) as rig:
        await rig.until_ready()
        sending = True

        async def send() -> None:
            while sending:
                await rig.modem.submit(TPDU)

        sends = asyncio.create_task(send())
        for _ in range(20):
            rig.sim.deliver(DELIVER)
        await rig.clock.advance(25.0)
        assert len(rig.told.pdus) == 20
        sending = False
        await rig.clock.advance(10.0)
        await sends
