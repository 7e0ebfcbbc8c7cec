"""The real modem: brought up, watched, and brought back from whatever it hangs in, for ever.

One task brings it up and watches it; another one reads what comes in; `submit` speaks to the
channel directly. Whatever goes wrong ends in the first task, which climbs the reset ladder.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from collections import Counter
from collections.abc import Mapping

from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError
from vigibip.base.waiting import woken
from vigibip.modem.answers import reference
from vigibip.modem.causes import SUSPECT, failure
from vigibip.modem.channel import Channel, Priority
from vigibip.modem.contract import (
    ModemCause,
    ModemError,
    ModemEvents,
    ModemHealth,
    ModemState,
    SubmitResult,
)
from vigibip.modem.coverage import Standing, look, standing
from vigibip.modem.grammar import Command, Urc
from vigibip.modem.health import Teller
from vigibip.modem.inbox import Inbox
from vigibip.modem.lines import GpioLines, NoLines, ResetLines
from vigibip.modem.mending import STATE_OF, Mender
from vigibip.modem.port import OpenPort, PortError, serial_opener
from vigibip.modem.profiles import GENERIC, PROFILES
from vigibip.modem.setting_up import identify, radio_on, set_up_sms
from vigibip.modem.settings import ModemSettings
from vigibip.modem.sim_unlock import SimUnlock

_log = logging.getLogger(__name__)

# Often enough that a hang is seen in time to be over within 90 s, ladder included.
_WATCH_S = 10.0
_WATCH_UNREGISTERED_S = 3.0
_LOOK_EVERY = 3
# A telephone network may take 20 s and more; what hangs meanwhile must still be back within 90 s.
_SUBMIT_S = 20.0
_TURN_S = 30.0
# What has come in is read between two SMS that are not urgent. Commands that read are short, and
# without this each SMS that leaves would let only one of them pass.
_READ_FIRST_S = 1.5
_TPDU_MAX_BYTES = 176
_REOPEN_S = 1.0
_DENIED_PATIENCE_S = 12.0
_SEARCHING_PATIENCE_S = 180.0
_REFUSED_IN_A_ROW = 2
_REFUSED_REST_S = 60.0
_REFUSED_REST_MAX_S = 3600.0

_CAUSE_WHILE = {
    ModemState.STARTING: ModemCause.STARTING,
    ModemState.SEARCHING: ModemCause.SEARCHING,
    ModemState.HUNG: ModemCause.HUNG,
    ModemState.FAULTY: ModemCause.FAULTY,
}


class SerialModem:
    """A Modem on a serial port; `open_port` and `lines` default to what the settings name."""

    def __init__(
        self,
        settings: ModemSettings,
        *,
        clock: Clock,
        chance: random.Random,
        name: str = "modem",
        open_port: OpenPort | None = None,
        lines: ResetLines | None = None,
    ) -> None:
        self.name = name
        self._settings = settings
        self._clock = clock
        self._chance = chance
        self._open_port = open_port or serial_opener(settings.port, settings.baud)
        self._lines = lines if lines is not None else _wired(settings)
        self._profile = PROFILES.get(settings.profile, GENERIC)
        self._channel = Channel(
            clock, on_urc=self._urc, on_lost=self._port_lost, on_trouble=self._doubt
        )
        self._mender = Mender(
            clock, self._channel, self._lines, tell=self._tell, opened=self._opened
        )
        pin = settings.pin.get_secret_value() if settings.pin is not None else None
        self._sim = SimUnlock(clock, self._channel, pin)
        self._inbox = Inbox(clock, self._channel, self._hand_over, self._store_told)
        self._teller = Teller(clock)
        self._events: ModemEvents | None = None
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._trouble: ModemError | None = None
        self._check_sim = False
        self._flaw: ModemCause | None = None
        self._echoes: int | None = None
        self._refused = 0
        self._refused_resets = 0
        self._refused_until_s = 0.0
        self._own_counts: Counter[str] = Counter()

    # ---- the contract

    @property
    def health(self) -> ModemHealth:
        return self._teller.health

    @property
    def counts(self) -> Mapping[str, int]:
        return self._own_counts + self._channel.counts + self._inbox.counts

    @property
    def busy(self) -> bool:
        return self._inbox.handing

    def start(self, events: ModemEvents) -> None:
        if self._task is not None:
            return
        self._events = events
        self._task = asyncio.create_task(self._serve(), name=f"{self.name}: watch")

    async def submit(self, tpdu: bytes, *, smsc: bytes = b"", urgent: bool = False) -> SubmitResult:
        if not 1 <= len(tpdu) <= _TPDU_MAX_BYTES:
            raise failure(ModemCause.BAD_PDU)
        self._refuse_unless_ready(urgent)
        command = Command(
            f"AT+CMGS={len(tpdu)}",
            ("+CMGS:",),
            data=((smsc or b"\x00") + tpdu).hex().upper().encode("ascii"),
        )
        if not urgent:
            await self._inbox.caught_up(_READ_FIRST_S)
        try:
            answers = await self._channel.run(
                command,
                # In text mode, which a modem that has just restarted may be in, the same bytes
                # would be a text to the number that is meant as a length.
                first=Command("AT+CMGF=0"),
                limit_s=_SUBMIT_S,
                wait_max_s=_TURN_S,
                priority=Priority.URGENT if urgent else Priority.SUBMIT,
            )
            number = next((reference(answer.text) for answer in answers), None)
            if number is None:
                self._doubt(failure(ModemCause.NONSENSE))
                raise failure(ModemCause.NONSENSE)
        except ModemError as error:
            self._own_counts[f"refused-{error.cause.value}"] += 1
            self._note_refusal(error)
            raise
        self._own_counts["submitted"] += 1
        self._refused = self._refused_resets = 0
        return SubmitResult(number)

    async def close(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._channel.close()
        self._lines.close()

    # ---- what is told to us

    def _urc(self, urc: Urc) -> None:
        if self._inbox.take(urc):
            return
        text = urc.text
        if text.startswith(("+CPIN:", "+SIMCARD:", "+QUSIM:", "+QSIMSTAT:")):
            self._check_sim = True
            self._wake.set()
        elif text.startswith(("+CREG:", "+CGREG:", "+CEREG:")):
            self._wake.set()
        elif text == "RDY" or "POWER DOWN" in text or text == "POWERED DOWN":
            # It has restarted by itself: what was set is forgotten.
            if self.health.state is ModemState.READY:
                self._tell(ModemState.STARTING, ModemCause.STARTING)
            self._doubt(failure(ModemCause.STARTING))

    def _port_lost(self, reason: str) -> None:
        _log.warning("%s: the port is gone: %s", self.name, reason)
        self._doubt(failure(ModemCause.ABSENT))

    def _doubt(self, error: ModemError) -> None:
        """Something must be looked into, now: the watching task does."""
        if self._trouble is None:
            self._trouble = error
        self._wake.set()

    def _note_refusal(self, error: ModemError) -> None:
        if error.cause not in SUSPECT:
            return
        self._refused += 1
        now_s = self._clock.monotonic_s()
        # Once a reset did not help, one more refusal says as much as two.
        enough = 1 if self._refused_resets else _REFUSED_IN_A_ROW
        if self._refused >= enough and now_s >= self._refused_until_s:
            # An operator that takes no SMS looks the same: once every rung was tried in vain,
            # resets become rare.
            self._refused = 0
            self._refused_resets += 1
            doublings = self._refused_resets - self._mender.rungs
            if doublings >= 0:
                rest_s = _REFUSED_REST_S * 2.0 ** min(doublings, 16)
                self._refused_until_s = now_s + min(_REFUSED_REST_MAX_S, rest_s)
            self._doubt(error)

    def _refuse_unless_ready(self, urgent: bool) -> None:
        state = self.health.state
        if self._task is None:
            raise failure(ModemCause.CLOSED)
        if state is ModemState.READY:
            return
        if urgent and state in (ModemState.SEARCHING, ModemState.DENIED):
            # The modem may be wrong about its network; an alert finds out.
            return
        cause = _CAUSE_WHILE.get(state) or next(
            cause for cause, its in STATE_OF.items() if its is state
        )
        raise failure(cause)

    async def _hand_over(self, pdu: bytes) -> None:
        if self._events is not None:
            await self._events.received(self, pdu)

    def _store_told(self) -> None:
        if self._inbox.full and self.health.state is ModemState.READY:
            self._tell(ModemState.READY, ModemCause.STORE_FULL)

    # ---- the watching task

    async def _serve(self) -> None:
        while True:
            try:
                await self._serve_until_trouble()
            except Exception:  # noqa: BLE001 - a mistake, of the mending too, must not end this path
                _log.exception("%s: the watch failed", self.name)
                self._own_counts["mistakes"] += 1
                self._tell(ModemState.FAULTY, ModemCause.FAULTY, "a mistake in the software")
                await self._clock.sleep(_WATCH_S)

    async def _serve_until_trouble(self) -> None:
        try:
            # USB: a reset takes the port away for as long as the start takes.
            await self._open(self._profile.boot_s)
            await self._bring_up()
            await self._watch()
        except ModemError as error:
            self._trouble = None
            await self._mender.mend(error, self._profile)

    async def _open(self, patience_s: float) -> None:
        """Try until the port is open. Raises ModemError after `patience_s`."""
        until_s = self._clock.monotonic_s() + patience_s
        while not self._channel.is_open:
            try:
                self._channel.open(self._open_port)
            except PortError as error:
                self._tell(ModemState.ABSENT, ModemCause.ABSENT, str(error))
                if self._clock.monotonic_s() >= until_s:
                    raise failure(ModemCause.ABSENT) from error
                await self._clock.sleep(_REOPEN_S * self._chance.uniform(0.8, 1.2))

    async def _opened(self, patience_s: float) -> bool:
        try:
            await self._open(patience_s)
        except ModemError:
            return False
        return True

    async def _bring_up(self) -> None:
        """From an open port to an SMS that would go. Raises ModemError."""
        if self.health.state in (ModemState.READY, ModemState.ABSENT):
            self._tell(ModemState.STARTING, ModemCause.STARTING)
        await self._awake()
        self._trouble, self._check_sim = None, False
        identity = await identify(self._channel, self._settings.profile)
        self._profile = identity.profile
        echoes = self._channel.echoes
        self._teller.identity(identity.model, identity.firmware, identity.imei)
        await radio_on(self._channel)
        await self._sim.unlock(self._profile)
        self._teller.sim(self._sim.iccid)
        self._flaw = await set_up_sms(self._clock, self._channel, self._profile, self._inbox)
        # None: this one echoes whatever it is told.
        self._echoes = echoes if self._channel.echoes == echoes else None

    async def _awake(self) -> None:
        """Return once the modem answers: a start may be 10 s and more of silence."""
        until_s = self._clock.monotonic_s() + self._profile.boot_s
        while not await self._channel.resync():
            if not self._channel.is_open:
                raise failure(ModemCause.ABSENT)
            if self._clock.monotonic_s() >= until_s:
                raise failure(ModemCause.SILENT)

    async def _watch(self) -> None:
        """Keep health true until something is wrong, which is raised."""
        reading = asyncio.create_task(self._read_in(), name=f"{self.name}: inbox")
        try:
            since_s = self._clock.monotonic_s()
            for turn in itertools.count():
                if turn % _LOOK_EVERY == 0:
                    self._check_sim = True
                await self._look_into_trouble(reading)
                stands = await standing(self._channel)
                if turn % _LOOK_EVERY == 0 or not self.health.registered:
                    self._teller.network(stands, await look(self._channel, self._profile))
                else:
                    self._teller.network(stands, None)
                now_s = self._clock.monotonic_s()
                if stands.registered:
                    since_s = now_s
                    self._mender.recovered()
                self._tell_standing(stands)
                self._give_up_waiting(stands, now_s - since_s)
                if not stands.registered:
                    self._check_sim = True
                await self._pause(_WATCH_S if stands.registered else _WATCH_UNREGISTERED_S)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read_in(self) -> None:
        try:
            await self._inbox.sweep_all()
        except (ModemError, StorageError) as error:
            # What is left there is found by the next sweep.
            _log.warning("%s: messages are left in the modem: %s", self.name, error)
        await self._inbox.serve()

    async def _look_into_trouble(self, reading: asyncio.Task[None]) -> None:
        if reading.done():
            reading.result()
        trouble, self._trouble = self._trouble, None
        if trouble is not None:
            raise trouble
        if self._echoes is not None and self._channel.echoes > self._echoes:
            self._own_counts["restarts-unannounced"] += 1
            raise failure(ModemCause.STARTING)
        if self._check_sim:
            self._check_sim = False
            cause = await self._sim.state()
            if cause is not None:
                raise failure(cause)

    def _tell_standing(self, stands: Standing) -> None:
        if stands.registered:
            flaw = ModemCause.STORE_FULL if self._inbox.full else self._flaw
            self._tell(ModemState.READY, flaw)
        elif stands.denied:
            self._tell(ModemState.DENIED, ModemCause.DENIED, stands.describe())
        else:
            self._tell(ModemState.SEARCHING, ModemCause.SEARCHING, stands.describe())

    @staticmethod
    def _give_up_waiting(stands: Standing, waited_s: float) -> None:
        if stands.denied and waited_s >= _DENIED_PATIENCE_S:
            raise failure(ModemCause.DENIED)
        if not stands.registered and waited_s >= _SEARCHING_PATIENCE_S:
            raise failure(ModemCause.SEARCHING)

    async def _pause(self, duration_s: float) -> None:
        await woken(self._clock, duration_s, self._wake)
        self._wake.clear()

    def _tell(self, state: ModemState, cause: ModemCause | None, detail: str = "") -> None:
        if self._teller.tell(state, cause, detail):
            _log.info("%s: %s %s", self.name, state.value, detail)
        if self._teller.changed() and self._events is not None:
            try:
                self._events.modem_changed(self)
            except Exception:  # noqa: BLE001 - a listener's mistake must not stop the mending
                _log.exception("%s: a listener failed", self.name)
                self._own_counts["mistakes"] += 1


def _wired(settings: ModemSettings) -> ResetLines:
    if settings.pwrkey_gpio is None and settings.power_gpio is None:
        return NoLines()
    return GpioLines(settings.pwrkey_gpio, settings.power_gpio)
