"""What any Modem must do, whatever it is: a class of tests, and the places where it is held.

A place gives a modem, lets time pass, and says what it can do. Three of them: SerialModem over the
simulated modem in the same process in driven time; the same over a pseudo-terminal in real time;
and a real modem, where VIGIBIP_MODEM_PORT and VIGIBIP_MODEM_NUMBER name one.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from tests.modem.paper import Told
from vigibip.base.clock import DrivenClock, SystemClock
from vigibip.modem.contract import SUBMIT_MAX_S, Modem, ModemError, ModemState
from vigibip.modem.serial_modem import SerialModem
from vigibip.modem.settings import ModemSettings
from vigibip.modem.simulated import (
    Behaviour,
    InProcessPort,
    Model,
    PtyModem,
    SimCard,
    SimulatedLines,
    SimulatedModem,
)
from vigibip.sms.pdu import encode_submit
from vigibip.sms.segments import segment
from vigibip.town.operator import Operator, OperatorWeather

OWN_NUMBER = "+33639980101"
READY_MAX_S = 90.0
ARRIVES_MAX_S = 120.0


class Place(Protocol):
    modem: Modem
    number: str
    """Whom it may write to."""
    hears_itself: bool
    """What it writes to `number` comes back to it."""

    async def until(self, condition: Callable[[], bool], limit_s: float) -> None:
        """Let time pass until `condition`, at most `limit_s` of it; then fail."""
        ...

    async def close(self) -> None: ...


class DrivenPlace:
    """In one process; time is driven."""

    hears_itself = True
    number = OWN_NUMBER

    def __init__(self, model: Model) -> None:
        self.clock = DrivenClock()
        self._operator = Operator(self.clock, random.Random(1))
        self._simulated = SimulatedModem(
            self.clock,
            self._operator,
            model,
            chance=random.Random(2),
            sim=SimCard(number=OWN_NUMBER),
        )
        port = InProcessPort(self._simulated)
        self.modem: Modem = SerialModem(
            ModemSettings(port="/dev/null"),
            clock=self.clock,
            chance=random.Random(3),
            open_port=port.open,
            lines=SimulatedLines(self._simulated),
        )
        self._simulated.start()

    async def until(self, condition: Callable[[], bool], limit_s: float) -> None:
        end_s = self.clock.monotonic_s() + limit_s
        await self.clock.advance(0)
        while not condition():
            assert self.clock.monotonic_s() < end_s, self.modem.health.describe()
            await self.clock.advance(0.25)

    async def close(self) -> None:
        await self.modem.close()
        self._simulated.close()
        await self._operator.close()


class RealTimePlace:
    """Anything behind a serial port; time is the machine's."""

    def __init__(self, settings: ModemSettings, number: str, hears_itself: bool) -> None:
        self.number = number
        self.hears_itself = hears_itself
        self.modem: Modem = SerialModem(settings, clock=SystemClock(), chance=random.Random(3))

    async def until(self, condition: Callable[[], bool], limit_s: float) -> None:
        loop = asyncio.get_running_loop()
        end_s = loop.time() + limit_s
        while not condition():
            assert loop.time() < end_s, self.modem.health.describe()
            await asyncio.sleep(0.02)

    async def close(self) -> None:
        await self.modem.close()


class PtyPlace(RealTimePlace):
    """The simulated modem on a pseudo-terminal, in quick time."""

    def __init__(self, model: Model, directory: Path) -> None:
        self._operator = Operator(
            SystemClock(), random.Random(1), OperatorWeather(delay_s=0.1, report_delay_s=0.1)
        )
        simulated = SimulatedModem(
            SystemClock(),
            self._operator,
            model,
            chance=random.Random(2),
            sim=SimCard(number=OWN_NUMBER),
            behaviour=Behaviour(
                boot_silence_s=(0.2, 0.4),
                boot_line_gap_s=0.05,
                registration_s=(0.1, 0.2),
                submit_s=(0.1, 0.2),
            ),
        )
        self._pty = PtyModem(simulated, directory / "modem")
        self._pty.open()
        super().__init__(ModemSettings(port=str(self._pty.path)), OWN_NUMBER, True)
        simulated.start()

    async def close(self) -> None:
        await super().close()
        self._pty.close()
        await self._operator.close()


def real_place() -> Place:
    """The modem that the environment names; skips without one."""
    port, number = os.environ.get("VIGIBIP_MODEM_PORT"), os.environ.get("VIGIBIP_MODEM_NUMBER")
    if not port or not number:
        pytest.skip("no real modem: VIGIBIP_MODEM_PORT and VIGIBIP_MODEM_NUMBER name none")
    settings = {"port": port, "pin": os.environ.get("VIGIBIP_MODEM_PIN")}
    own = os.environ.get("VIGIBIP_MODEM_OWN_NUMBER")
    return RealTimePlace(ModemSettings.model_validate(settings), number, own == number)


def tpdu(to: str, text: str, *, report: bool = False) -> bytes:
    [part] = segment(text)
    return encode_submit(to, part, status_report=report)


class ModemContract:
    """Derive, and give the fixture `place`. Its tests share nothing: each has a place."""

    @pytest.fixture
    async def events(self, place: Place) -> Told:
        events = Told()
        place.modem.start(events)
        return events

    async def ready(self, place: Place) -> None:
        await place.until(lambda: place.modem.health.state is ModemState.READY, READY_MAX_S)

    async def submit(self, place: Place, pdu: bytes) -> int | ModemError:
        """What `submit` gives, while time passes."""
        task = asyncio.ensure_future(place.modem.submit(pdu))
        await place.until(task.done, SUBMIT_MAX_S)
        error = task.exception()
        if error is None:
            return task.result().reference
        assert isinstance(error, ModemError)
        return error

    async def test_it_becomes_ready_and_says_who_it_is(self, place: Place, events: Told) -> None:
        await self.ready(place)
        health = place.modem.health
        assert health.registered
        assert health.model
        assert health.firmware
        assert health.operator
        assert health.technology in ("LTE", "UMTS", "GSM")
        assert health.signal_dbm is not None
        assert -140 <= health.signal_dbm <= -40
        assert events.changes >= 1

    async def test_what_may_be_shown_hides_sim_and_device(self, place: Place, events: Told) -> None:
        await self.ready(place)
        health = place.modem.health
        shown = str(health.describe())
        assert health.imei
        assert health.iccid
        assert health.imei not in shown
        assert health.iccid not in shown
        assert health.iccid[-4:] in shown

    async def test_before_it_is_ready_it_refuses_at_once_and_later_is_fine(
        self, place: Place, events: Told
    ) -> None:
        if place.modem.health.state is not ModemState.READY:
            with pytest.raises(ModemError) as caught:
                await place.modem.submit(tpdu(place.number, "too early"))
            assert caught.value.retry
            assert caught.value.advice
        await self.ready(place)

    async def test_a_sms_goes_and_its_report_comes(self, place: Place, events: Told) -> None:
        await self.ready(place)
        reference = await self.submit(place, tpdu(place.number, "contract: report", report=True))
        assert isinstance(reference, int), reference
        assert 0 <= reference <= 255
        await place.until(lambda: bool(events.reports), ARRIVES_MAX_S)
        assert [one.reference for one in events.reports] == [reference]
        assert events.reports[0].status.delivered

    async def test_what_is_no_pdu_never_goes(self, place: Place, events: Told) -> None:
        await self.ready(place)
        for pdu in (b"", bytes(200)):
            error = await self.submit(place, pdu)
            assert isinstance(error, ModemError)
            assert not error.retry
        await self.ready(place)

    async def test_a_sms_comes_once(self, place: Place, events: Told) -> None:
        self._needs_an_ear(place)
        await self.ready(place)
        assert isinstance(await self.submit(place, tpdu(place.number, "contract: once")), int)
        await place.until(lambda: "contract: once" in events.texts, ARRIVES_MAX_S)
        assert events.texts.count("contract: once") == 1

    async def test_a_sms_that_cannot_be_stored_comes_again(
        self, place: Place, events: Told
    ) -> None:
        self._needs_an_ear(place)
        await self.ready(place)
        events.full = True
        assert isinstance(await self.submit(place, tpdu(place.number, "contract: disk")), int)
        await place.until(lambda: events.refused > 0, ARRIVES_MAX_S)
        assert events.texts == []
        events.full = False
        await place.until(lambda: "contract: disk" in events.texts, 10 * ARRIVES_MAX_S)
        assert events.texts.count("contract: disk") == 1

    async def test_closed_it_takes_nothing_more(self, place: Place, events: Told) -> None:
        await self.ready(place)
        await place.modem.close()
        await place.modem.close()
        with pytest.raises(ModemError):
            await place.modem.submit(tpdu(place.number, "too late"))

    async def test_it_counts(self, place: Place, events: Told) -> None:
        await self.ready(place)
        assert all(isinstance(count, int) for count in place.modem.counts.values())
        assert not place.modem.busy

    @staticmethod
    def _needs_an_ear(place: Place) -> None:
        if not place.hears_itself:
            pytest.skip("a real modem that does not write to itself: nothing comes in")
