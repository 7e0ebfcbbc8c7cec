"""A modem that is simulated: power, SIM, registration, messages, and ten ways to hang.

Bytes go in by `feed` and come out by `on_output`; time is the clock's. It opens no port: an
in-process port (`port.py`) or a pseudo-terminal (`pty.py`) carries the bytes.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from enum import Enum

from vigibip.base.clock import Clock
from vigibip.modem.simulated import commands
from vigibip.modem.simulated.answers import Answer, Volatile
from vigibip.modem.simulated.at_line import Command
from vigibip.modem.simulated.errors import CMS_OF_CME, AtError, CmeError, CmsError
from vigibip.modem.simulated.hangs import Hang, HangKind, Listener, Rung
from vigibip.modem.simulated.interpreter import Interpreter, tell_mistake
from vigibip.modem.simulated.mailbox import Mailbox
from vigibip.modem.simulated.models import GENERIC, Model
from vigibip.modem.simulated.network import RadioNetwork
from vigibip.modem.simulated.output import Output
from vigibip.modem.simulated.settings import DENIED, NOWHERE, Behaviour, Coverage
from vigibip.modem.simulated.sim_card import CME_OF_STATE, SimCard, SimState

_URC_FLOOD_S = 0.02
# In these the commands are read, whatever comes of them.
_STILL_OBEYS = (HangKind.SIM_LOST, HangKind.REGISTRATION_DENIED, HangKind.PDU_REFUSED)


class Phase(Enum):
    OFF = "off"
    BOOTING = "booting"
    ON = "on"


class SimulatedModem:
    """One modem with its SIM, in a place with some coverage. All methods belong to one loop."""

    def __init__(
        self,
        clock: Clock,
        network: RadioNetwork,
        model: Model = GENERIC,
        *,
        chance: random.Random,
        sim: SimCard | None = None,
        coverage: Coverage | None = None,
        behaviour: Behaviour | None = None,
        imei: str = "004999010640000",
    ) -> None:
        self.clock = clock
        self.network = network
        self.model = model
        self.chance = chance
        self.sim = sim or SimCard()
        self.behaviour = behaviour or Behaviour()
        self.imei = imei
        self.volatile = Volatile(model.error_level)
        self.functional = True
        """AT+CFUN=1; False: the radio is off."""
        self.registered_to = NOWHERE
        """What the modem tells of its registration now."""
        self.counts: Counter[str] = Counter()
        self.mailbox = Mailbox(self)
        self.on_port: Callable[[bool], None] = lambda _present: None
        """Called when the port appears (True) or vanishes (False)."""
        self.phase = Phase.OFF
        self.hang: Hang | None = None
        self._coverage = coverage or Coverage()
        self._powered = False
        self._pressed_at_s: float | None = None
        self._hang_number = 0
        self._listener = Listener(model.resets_by)
        self._tasks: set[asyncio.Task[None]] = set()
        self._registering: asyncio.Task[None] | None = None
        self._output = Output(clock, chance, self.behaviour.noise)
        self._interpreter = Interpreter(clock, self._output, self._execute, self.behaviour.answer_s)
        self._port_present = True

    @property
    def number(self) -> str:
        return self.sim.number

    @property
    def on_output(self) -> Callable[[bytes], None]:
        return self._output.on_output

    @on_output.setter
    def on_output(self, on_output: Callable[[bytes], None]) -> None:
        self._output.on_output = on_output

    @property
    def at_prompt(self) -> bool:
        """A `>` was said and waits for a PDU."""
        return self._interpreter.at_prompt

    @property
    def port_present(self) -> bool:
        return self._port_present

    @property
    def coverage(self) -> Coverage:
        """What the radio would find here."""
        return self._coverage

    # --- Power ---

    def start(self, *, booted: bool = False) -> None:
        """Give power; with `booted` the modem is up and registered at once."""
        self._powered = True
        if booted:
            self.phase = Phase.ON
            self._register_now()
        elif self.behaviour.starts_with_power:
            self._boot()

    def close(self) -> None:
        """Take the power; every task of this modem ends."""
        self.set_power(False)

    def set_power(self, on: bool) -> None:
        """The power line's level."""
        if on == self._powered:
            return
        self._powered = on
        self.counts["power"] += 1
        self._go_off()
        if on:
            self._end_hang_by(Rung.POWER)
            if self.behaviour.starts_with_power:
                self._boot()

    def set_pwrkey(self, pressed: bool) -> None:
        """The PWRKEY's level; what it does is decided when it is let go, by how long it was."""
        now_s = self.clock.monotonic_s()
        if pressed:
            self._pressed_at_s = now_s if self._pressed_at_s is None else self._pressed_at_s
            return
        if self._pressed_at_s is None or not self._powered:
            self._pressed_at_s = None
            return
        held_s, self._pressed_at_s = now_s - self._pressed_at_s, None
        self.counts["pwrkey"] += 1
        if self.phase is Phase.OFF:
            if held_s >= self.model.pwrkey_on_s:
                self._boot()
        elif held_s >= self.model.pwrkey_off_s and self._end_hang_by(Rung.PWRKEY):
            if self.model.power_off_urc and self.phase is Phase.ON:
                self._output.urc(self.model.power_off_urc)
            self._go_off()

    def reset(self) -> None:
        """What AT+CFUN=1,1 does."""
        self.counts["reset"] += 1
        self._end_hang_by(Rung.RESET_COMMAND)
        self._go_off()
        self._boot()

    def _go_off(self) -> None:
        self.network.detach(self)
        self.phase = Phase.OFF
        self.registered_to = NOWHERE
        self._interpreter.stop()
        self._output.stop()
        for task in list(self._tasks):
            task.cancel()
        self._registering = None
        if self.behaviour.usb:
            self._set_port(False)

    def _boot(self) -> None:
        self.phase = Phase.BOOTING
        self.volatile = Volatile(self.model.error_level)
        self.functional = True
        self.sim.power_cycle()
        self.mailbox.reset()
        self.later(self._boot_life())
        if self.hang is not None:
            # What neither reset nor power ended goes on as it was, bounded in time or not.
            self._begin_hang(self.hang)

    async def _boot_life(self) -> None:
        behaviour = self.behaviour
        await self.clock.sleep(self.chance.uniform(*behaviour.boot_silence_s))
        self._boot_done()
        if behaviour.noise.boot_garbage and self._speaks:
            self._output.say(self.chance.randbytes(self.chance.randint(1, 24)))
        present = self.sim_state is not SimState.ABSENT
        lines = self.model.boot_lines if present else self.model.boot_lines_no_sim
        for line in lines:
            if line == "+CPIN: READY" and self.sim_state is not SimState.READY:
                line = f"+CPIN: {self.sim_state.value}"
            self.tell(line)
            if self.sim_state in (SimState.PIN, SimState.PUK) and line.startswith("+CPIN"):
                break
            await self.clock.sleep(behaviour.boot_line_gap_s)

    def _boot_done(self) -> None:
        self.phase = Phase.ON
        if self.hang is None or self.hang.kind is not HangKind.PORT_VANISHED:
            self._set_port(True)
        self.sim_changed()

    # --- SIM and registration ---

    @property
    def sim_state(self) -> SimState:
        if self.hang is not None and self.hang.kind is HangKind.SIM_LOST:
            return SimState.ABSENT
        return self.sim.state

    def require_sim(self) -> None:
        """Raises CmeError with the SIM's own code while it is not ready."""
        if self.sim_state is not SimState.READY:
            raise CmeError(CME_OF_STATE[self.sim_state])

    def sim_changed(self) -> None:
        """Look at SIM and radio again: register, or fall out of the network."""
        if self._registering is not None:
            self._registering.cancel()
            self._registering = None
        if self.phase is not Phase.ON:
            return
        if self.sim_state is SimState.READY and self.functional:
            self._registering = self.later(self._register())
        else:
            self._set_registration(NOWHERE)

    def set_coverage(self, coverage: Coverage) -> None:
        """Change what the radio finds; the modem notices at once."""
        self._coverage = coverage
        if self._registering is None:
            self._register_now()

    async def _register(self) -> None:
        await self.clock.sleep(self.chance.uniform(*self.behaviour.registration_s))
        self._registering = None
        self._register_now()

    def _register_now(self) -> None:
        self._set_registration(self._found() or NOWHERE)

    def _found(self) -> Coverage | None:
        if self.phase is not Phase.ON or not self.functional:
            return None
        if self.sim_state is not SimState.READY:
            return None
        if self.hang is not None and self.hang.kind is HangKind.REGISTRATION_DENIED:
            return DENIED
        return self._coverage

    def _set_registration(self, coverage: Coverage) -> None:
        before, self.registered_to = self.registered_to, coverage
        for line in commands.registration_changes(self, before):
            self.tell(line)
        if coverage.registered:
            self.network.attach(self)
        else:
            self.network.detach(self)

    # --- SMS ---

    def deliver(self, pdu: bytes) -> bool:
        """Take a message from the network; False when the store is full."""
        if self.phase is not Phase.ON or not self.registered_to.registered:
            return False
        return self.mailbox.arrive(pdu)

    def require_sim_for_sms(self) -> None:
        """Raises CmsError with the SIM's own code while it is not ready."""
        if self.sim_state is not SimState.READY:
            raise CmsError(CMS_OF_CME[CME_OF_STATE[self.sim_state]])

    # --- The line ---

    def feed(self, data: bytes) -> None:
        """Take what the computer sent."""
        self.counts["bytes_in"] += len(data)
        if self.phase is not Phase.ON or not self._port_present:
            return
        if self.hang is None:
            self._interpreter.feed(data, self.volatile)
            return
        rung = self._listener.feed(data, self.hang.kind is HangKind.STUCK_PROMPT)
        if self.hang.kind in _STILL_OBEYS:
            if rung is Rung.RESYNC and self.hang.ends_by is Rung.RESYNC:
                self.end_hang()
            self._interpreter.feed(data, self.volatile)
        elif rung is Rung.RESET_COMMAND and self.hang.ends_by <= rung:
            self.reset()
        elif rung is Rung.RESYNC and self.hang.ends_by is rung:
            self.end_hang()
        else:
            self._feed_hung(self.hang.kind, data)

    def tell(self, text: str) -> None:
        """Say a URC."""
        if self.phase is Phase.ON and self._speaks:
            self._output.urc(text)

    @property
    def _speaks(self) -> bool:
        mute = (HangKind.SILENT, HangKind.ECHO_ONLY, HangKind.STUCK_PROMPT, HangKind.ERROR_TO_ALL)
        return self._port_present and (self.hang is None or self.hang.kind not in mute)

    def _feed_hung(self, kind: HangKind, data: bytes) -> None:
        if kind in (HangKind.ECHO_ONLY, HangKind.GARBAGE_BAUD):
            self._output.say(data)
        elif kind is HangKind.STUCK_PROMPT:
            if self.volatile.echo:
                self._output.say(data)
            if b"\r" in data:
                self._output.say(b"\r\n> ")
        elif kind is HangKind.ERROR_TO_ALL:
            for _ in range(data.count(b"\r")):
                self._output.say(b"\r\nERROR\r\n")

    def _execute(self, command: Command) -> Answer:
        self.counts["commands"] += 1
        handler = commands.find(self, command)
        if handler is None:
            raise AtError(f"{command.name} is not known")
        return handler(self, command)

    # --- Hangs ---

    def begin_hang(self, hang: Hang) -> None:
        """Switch a hang on; it replaces one that is on already."""
        self.counts["hangs"] += 1
        self._begin_hang(hang)

    def end_hang(self) -> None:
        """Switch the hang off; harmless without one."""
        ended, self.hang = self.hang, None
        self._hang_number += 1
        self._output.garbled = False
        if ended is None:
            return
        self.counts["hangs ended"] += 1
        if ended.kind is HangKind.PORT_VANISHED:
            self._set_port(self.phase is Phase.ON or not self.behaviour.usb)
        if ended.kind in (HangKind.SIM_LOST, HangKind.REGISTRATION_DENIED):
            self.sim_changed()

    def _begin_hang(self, hang: Hang) -> None:
        self.hang = hang
        self._hang_number += 1
        self._listener = Listener(self.model.resets_by)
        self._output.garbled = hang.kind is HangKind.GARBAGE_BAUD
        if hang.kind not in _STILL_OBEYS:
            self._interpreter.stop()
        if hang.kind is HangKind.STUCK_PROMPT and self.phase is Phase.ON:
            self._output.say(b"\r\n> ")
        if hang.kind is HangKind.PORT_VANISHED:
            self._set_port(False)
        if hang.kind is HangKind.ENDLESS_URCS:
            self.later(self._flood(self._hang_number))
        if hang.kind is HangKind.SIM_LOST and self.phase is Phase.ON:
            self.tell("+CPIN: NOT READY")
            self.sim_changed()
        if hang.kind is HangKind.REGISTRATION_DENIED and self.phase is Phase.ON:
            self._register_now()
        if hang.lasts_s is not None:
            self.later(self._end_later(hang.lasts_s, self._hang_number))

    async def _end_later(self, lasts_s: float, number: int) -> None:
        await self.clock.sleep(lasts_s)
        if number == self._hang_number:
            self.end_hang()

    async def _flood(self, number: int) -> None:
        while number == self._hang_number:
            self.tell(f"+CSQ: {self.chance.randint(2, 30)},99")
            await self.clock.sleep(_URC_FLOOD_S)

    def _end_hang_by(self, rung: Rung) -> bool:
        """End the hang if `rung` ends it; return whether the modem works after it."""
        if self.hang is not None and rung >= self.hang.ends_by:
            self.end_hang()
        return self.hang is None

    def _set_port(self, present: bool) -> None:
        if present != self._port_present:
            self._port_present = present
            self.on_port(present)

    def later(self, life: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run `life` until it ends or the modem goes off."""
        task = asyncio.get_running_loop().create_task(life)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        tell_mistake(task)
