"""The modem of the contract, on a simulated one in driven time: start, SIM, network, store."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

import pytest

from tests.modem.paper import DELIVER, REPORT, TPDU
from tests.modem.rig import Rig, running
from vigibip.modem.contract import SUBMIT_MAX_S, ModemCause, ModemError, ModemHealth, ModemState
from vigibip.modem.port import PortError
from vigibip.modem.simulated.models import EC25, EG25, GENERIC, SIM7600
from vigibip.modem.simulated.port import SimulatedLines
from vigibip.modem.simulated.settings import DENIED, NOWHERE, Behaviour, Coverage, Noise, Registered
from vigibip.modem.simulated.sim_card import SimCard

NOISY = Noise(split=0.5, gap_s=0.05)


async def submitted(rig: Rig, limit_s: float = SUBMIT_MAX_S, **how: object) -> object:
    """Return what a submit ends with, driving time meanwhile."""
    task = asyncio.create_task(rig.modem.submit(TPDU, **how))
    begun_s = rig.clock.monotonic_s()
    while not task.done():
        assert rig.clock.monotonic_s() - begun_s <= limit_s
        await rig.clock.advance(0.1)
    error = task.exception()
    if error is not None and not isinstance(error, ModemError):
        raise error
    return error or task.result()


# ---- start


@pytest.mark.parametrize("model", [SIM7600, EC25, EG25, GENERIC], ids=lambda model: model.key)
async def test_after_power_up_it_is_ready_and_says_who_it_is(model) -> None:
    async with running(model=model, booted=False) as rig:
        assert await rig.until_ready() < 30.0
        health = rig.modem.health
        assert model.name in health.model
        assert health.firmware == model.revision
        assert health.imei == "004999010640000"
        assert health.iccid == rig.sim.sim.iccid
        assert (health.operator, health.technology) == ("VigiBip Mobile", "LTE")
        # A network that a modem's own command does not number is not guessed.
        assert health.plmn == ("" if model is GENERIC else "001-01")
        assert health.registered
        assert not health.roaming
        assert health.signal_dbm is not None
        assert -110 < health.signal_dbm < -60
        assert rig.told.states[-1] is ModemState.READY


async def test_what_is_shown_and_logged_holds_no_number(caplog) -> None:
    caplog.set_level(logging.DEBUG, "vigibip.modem")
    async with running(pin="1234", sim=SimCard(pin="1234"), booted=False) as rig:
        await rig.until_ready()
        rig.sim.deliver(DELIVER)
        await submitted(rig)
        iccid = rig.modem.health.iccid
        assert iccid is not None
        shown = str(rig.modem.health.describe())
        assert shown.count(iccid[-4:]) == 1
        for secret in (iccid, "004999010640000", '1234"', DELIVER.hex().upper(), TPDU.hex()):
            assert secret not in shown
            assert secret not in caplog.text


async def test_a_line_that_cuts_what_is_said_changes_nothing() -> None:
    for seed in range(5):
        async with running(seed=seed, behaviour=Behaviour(noise=NOISY)) as rig:
            await rig.until_ready()
            for _ in range(3):
                rig.sim.deliver(DELIVER)
                assert not isinstance(await submitted(rig), ModemError)
            await rig.clock.advance(70.0)
            assert rig.told.pdus == [DELIVER] * 3
            assert rig.state is ModemState.READY
            assert not [name for name in rig.modem.counts if name.startswith("rung")]


# ---- the SIM


async def test_the_pin_is_entered_and_the_modem_is_ready() -> None:
    async with running(pin="1234", sim=SimCard(pin="1234"), booted=False) as rig:
        await rig.until_ready()
        assert rig.sim.counts["pin tries"] == 1


async def test_a_pin_is_entered_though_the_ok_before_it_is_missing() -> None:
    noise = Noise(no_ok_after_pin=True)
    async with running(
        pin="1234", sim=SimCard(pin="1234"), behaviour=Behaviour(noise=noise), booted=False
    ) as rig:
        await rig.until_ready()
        assert rig.modem.counts["ok-missing"] == 1


@pytest.mark.parametrize("model", [SIM7600, EC25, GENERIC], ids=lambda model: model.key)
async def test_a_wrong_pin_is_tried_once_and_never_again(model) -> None:
    async with running(model=model, pin="4321", sim=SimCard(pin="1234"), booted=False) as rig:
        await rig.until([ModemState.SIM_PIN], 60.0)
        assert rig.modem.health.detail.startswith("CME")
        await rig.clock.advance(3600.0)
        assert rig.state is ModemState.SIM_PIN
        assert rig.sim.counts["pin tries"] == 1
        assert rig.sim.counts["reset"] + rig.sim.counts["power"] == 0
        refused = await submitted(rig)
        assert isinstance(refused, ModemError)
        assert refused.cause is ModemCause.SIM_PIN


async def test_without_a_pin_it_waits_for_a_person() -> None:
    async with running(sim=SimCard(pin="1234"), booted=False) as rig:
        await rig.until([ModemState.SIM_PIN], 60.0)
        await rig.clock.advance(600.0)
        assert rig.sim.counts["pin tries"] == 0
        # The person took the PIN off.
        rig.sim.sim.pin = None
        rig.sim.set_power(False)
        rig.sim.set_power(True)
        await rig.until_ready(90.0)


async def test_a_sim_that_is_not_there_is_told_and_found_once_it_is_put_in() -> None:
    async with running(sim=SimCard(present=False), booted=False) as rig:
        await rig.until([ModemState.NO_SIM], 90.0)
        await rig.clock.advance(1800.0)
        assert rig.state is ModemState.NO_SIM
        assert rig.modem.health.advice.startswith("le modem ne voit pas de carte SIM")
        rig.sim.sim.present = True
        await rig.until_ready(400.0)


# ---- the network


async def test_one_domain_is_enough_to_be_registered() -> None:
    coverage = Coverage(creg=Registered.DENIED, cgreg=Registered.ROAMING, cereg=Registered.ROAMING)
    async with running(coverage=coverage) as rig:
        await rig.until_ready()
        assert rig.modem.health.roaming
        refused = await submitted(rig)
        assert isinstance(refused, ModemError)
        assert (refused.cause, refused.code) == (ModemCause.UNKNOWN, "CMS 500")


async def test_a_network_that_goes_and_comes_is_told_at_once() -> None:
    async with running() as rig:
        await rig.until_ready()
        rig.sim.set_coverage(NOWHERE)
        assert await rig.until([ModemState.SEARCHING], 1.0) <= 1.0
        refused = await submitted(rig)
        assert isinstance(refused, ModemError)
        assert (refused.cause, refused.retry) == (ModemCause.SEARCHING, True)
        # An alert is tried all the same: the modem may be wrong.
        tried = await submitted(rig, urgent=True)
        assert isinstance(tried, ModemError)
        assert tried.cause is ModemCause.NO_SMS_NETWORK
        rig.sim.set_coverage(Coverage())
        assert await rig.until_ready(5.0) <= 5.0


async def test_a_network_that_refuses_is_told_as_that() -> None:
    async with running(coverage=DENIED) as rig:
        await rig.until([ModemState.DENIED], 30.0)
        assert "CREG denied" in rig.modem.health.detail
        await rig.clock.advance(1800.0)
        assert rig.state is ModemState.DENIED


async def test_a_sim_without_a_service_centre_is_ready_with_a_flaw() -> None:
    async with running(sim=SimCard(smsc="")) as rig:
        await rig.until_ready()
        assert rig.modem.health.detail == ModemCause.NO_SMSC.value
        refused = await submitted(rig)
        assert isinstance(refused, ModemError)
        assert refused.cause is ModemCause.NO_SMSC


# ---- sending


async def test_a_submit_returns_the_reference_and_gives_the_network_the_tpdu() -> None:
    async with running() as rig:
        await rig.until_ready()
        result = await submitted(rig)
        assert result.reference == 1
        assert rig.network.submitted == [TPDU]


async def test_an_alert_goes_before_everything_that_waits() -> None:
    async with running() as rig:
        await rig.until_ready()
        order: list[str] = []

        async def send(name: str, tpdu: bytes, urgent: bool) -> None:
            await rig.modem.submit(tpdu, urgent=urgent)
            order.append(name)

        tasks = [asyncio.create_task(send(f"waiting {n}", TPDU, False)) for n in range(4)]
        await rig.clock.advance(1.0)
        tasks.append(asyncio.create_task(send("alert", TPDU, True)))
        await rig.clock.advance(SUBMIT_MAX_S)
        await asyncio.gather(*tasks)
        assert order == ["waiting 0", "alert", "waiting 1", "waiting 2", "waiting 3"]


@pytest.mark.parametrize(
    ("cms", "cause", "retry"),
    [
        (21, ModemCause.NUMBER_REJECTED, False),
        (38, ModemCause.NETWORK_OUT_OF_ORDER, True),
        (42, ModemCause.CONGESTED, True),
        (304, ModemCause.BAD_PDU, False),
        (331, ModemCause.NO_SMS_NETWORK, True),
    ],
)
async def test_a_refusal_is_told_with_its_cause(cms, cause, retry) -> None:
    async with running() as rig:
        await rig.until_ready()
        rig.network.refusals = [cms]
        refused = await submitted(rig)
        assert isinstance(refused, ModemError)
        assert (refused.cause, refused.retry) == (cause, retry)
        assert not isinstance(await submitted(rig), ModemError)


async def test_refusals_without_end_do_not_reset_the_modem_without_end() -> None:
    async with running() as rig:
        await rig.until_ready()
        for _ in range(600):
            rig.network.refusals = [500]
            await submitted(rig)
            await rig.clock.advance(10.0)
        resets = sum(n for name, n in rig.modem.counts.items() if name.startswith("rung"))
        assert 3 <= resets <= 12


async def test_what_is_no_tpdu_is_refused_before_it_is_sent() -> None:
    async with running() as rig:
        await rig.until_ready()
        for tpdu in (b"", bytes(177)):
            with pytest.raises(ModemError) as refused:
                await rig.modem.submit(tpdu)
            assert refused.value.cause is ModemCause.BAD_PDU


async def test_a_modem_that_is_closed_takes_nothing() -> None:
    async with running() as rig:
        await rig.until_ready()
        await rig.modem.close()
        await rig.modem.close()
        with pytest.raises(ModemError) as refused:
            await rig.modem.submit(TPDU)
        assert refused.value.cause is ModemCause.CLOSED


# ---- receiving


@pytest.mark.parametrize("model", [SIM7600, EC25, GENERIC], ids=lambda model: model.key)
async def test_what_comes_in_is_handed_over_and_then_deleted(model) -> None:
    async with running(model=model) as rig:
        await rig.until_ready()
        rig.sim.deliver(DELIVER)
        rig.sim.deliver(REPORT)
        await rig.clock.advance(5.0)
        assert sorted(rig.told.pdus) == sorted([DELIVER, REPORT])
        await rig.clock.advance(120.0)
        assert len(rig.told.pdus) == 2


async def test_what_came_while_nobody_listened_is_found_at_the_start() -> None:
    rig = Rig()
    rig.sim.start(booted=True)
    for _ in range(3):
        rig.sim.deliver(DELIVER)
    rig.modem.start(rig.told)
    try:
        await rig.until_ready()
        await rig.clock.advance(5.0)
        assert rig.told.pdus == [DELIVER] * 3
    finally:
        await rig.modem.close()
        rig.sim.close()


async def test_an_announcement_without_a_place_leads_to_the_message() -> None:
    async with running(behaviour=Behaviour(noise=Noise(bare_cmti=True))) as rig:
        await rig.until_ready()
        rig.sim.deliver(DELIVER)
        await rig.clock.advance(5.0)
        assert rig.told.pdus == [DELIVER]


async def test_a_full_disk_keeps_the_messages_in_the_modem() -> None:
    async with running() as rig:
        await rig.until_ready()
        rig.told.full = True
        rig.sim.deliver(DELIVER)
        rig.sim.deliver(REPORT)
        await rig.clock.advance(300.0)
        assert rig.told.pdus == []
        assert rig.state is ModemState.READY
        rig.told.full = False
        await rig.clock.advance(130.0)
        assert sorted(rig.told.pdus) == sorted([DELIVER, REPORT])


async def test_a_full_store_is_told_and_emptied_once_the_disk_takes_it() -> None:
    async with running() as rig:
        await rig.until_ready()
        rig.told.full = True
        taken = 0
        while rig.sim.deliver(DELIVER):
            taken += 1
            await rig.clock.advance(0.1)
        await rig.clock.advance(130.0)
        assert rig.modem.health.detail == ModemCause.STORE_FULL.value
        assert rig.state is ModemState.READY
        rig.told.full = False
        await rig.clock.advance(200.0)
        assert len(rig.told.pdus) == taken
        assert rig.modem.health.detail == ""
        assert rig.sim.deliver(DELIVER)


# ---- the ladder


async def test_a_port_that_is_not_there_is_awaited_for_ever() -> None:
    rig = Rig(lines=SimulatedLines(Rig().sim, has_pwrkey=False, has_power=False))
    there = False

    def open_port(on_data, on_lost):
        if not there:
            raise PortError("/dev/modem: No such file or directory")
        return rig.port.open(on_data, on_lost)

    rig.modem._open_port = open_port
    rig.modem.start(rig.told)
    try:
        await rig.until([ModemState.ABSENT], 5.0)
        await rig.clock.advance(7200.0)
        assert rig.state is ModemState.ABSENT
        rig.sim.start(booted=True)
        there = True
        assert await rig.until_ready() < 10.0
    finally:
        await rig.modem.close()
        rig.sim.close()


async def test_a_modem_that_is_dead_is_told_as_faulty_and_tried_for_ever() -> None:
    rig = Rig()
    rig.modem.start(rig.told)
    rig.sim.feed = lambda data: None  # type: ignore[method-assign]
    try:
        await rig.until([ModemState.HUNG], 60.0)
        await rig.until([ModemState.FAULTY], 180.0)
        before = rig.modem.counts["rung-power"]
        await rig.clock.advance(3600.0)
        assert rig.state is ModemState.FAULTY
        assert before + 5 <= rig.modem.counts["rung-power"] <= before + 20
        refused = await submitted(rig, 1.0)
        assert isinstance(refused, ModemError)
        assert refused.cause in (ModemCause.FAULTY, ModemCause.HUNG)
    finally:
        await rig.modem.close()
        rig.sim.close()


async def test_a_modem_that_restarts_without_a_word_is_set_up_again() -> None:
    quiet = Behaviour(boot_silence_s=(0.0, 0.0), noise=Noise(boot_garbage=False))
    async with running(model=GENERIC, behaviour=quiet) as rig:
        await rig.until_ready()
        await rig.clock.advance(60.0)
        assert rig.sim.volatile.cnmi == (2, 1, 0, 1, 0)
        rig.sim.reset()
        assert rig.sim.volatile.cnmi != (2, 1, 0, 1, 0)
        await rig.clock.advance(30.0)
        assert rig.sim.volatile.cnmi == (2, 1, 0, 1, 0)
        assert rig.state is ModemState.READY


def test_health_describes_itself_without_its_secrets() -> None:
    health = ModemHealth(
        state=ModemState.READY,
        imei="004999010640000",
        iccid="8933010000000001234",
        since_utc=datetime.fromisoformat("2026-01-05T09:00:00+00:00"),
    )
    described = health.describe()
    assert described["iccid_last4"] == "1234"
    assert "imei" not in described
