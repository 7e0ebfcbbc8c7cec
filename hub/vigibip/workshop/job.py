"""All that is done to one device, step by step.

Nothing is noted on this computer: where it stands is read back from the device and the box each
time, so that a job can be stopped anywhere and started again. A new key is on the device before
anything else is told it, and its settings are written last: after a pulled cable the device is
either nobody, or this bip whose key is read back from it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from vigibip.base.errors import StorageError, VigibipError
from vigibip.workshop import bench_test, boards, bytecode, files, frozen, identity, signers
from vigibip.workshop.bench_test import Hands
from vigibip.workshop.errors import Cause, StepError
from vigibip.workshop.firmware_files import Role, sources
from vigibip.workshop.flasher import Flasher
from vigibip.workshop.identity import Identity
from vigibip.workshop.image import Image
from vigibip.workshop.label import Label
from vigibip.workshop.line import DeviceFellError, Line
from vigibip.workshop.pairing import Known, Pairing
from vigibip.workshop.words import Step

OLDEST_MICROPYTHON = (1, 27)
_ANYBODY = b"\xff" * 6
# Where a bip begins to look for its box when nobody says; it hunts through all of them.
_CHANNEL = 6
# After a reset a chip's USB port is away for a moment, and a finished bip is awake only for some
# seconds after one.
_COMES_BACK_S = 20.0
_LOOKS_EACH_S = 0.5
_HEARD_WITHIN_S = 60.0

# A bip's program has started its watchdog, which nothing stops: longer than any job.
_LOOK = """
import json, os, sys
if "main.py" in os.listdir("/"):
    import machine
    machine.WDT(timeout=1800000)
try:
    from frozen_mark import DIGEST
except ImportError:
    DIGEST = None
i = sys.implementation
print(json.dumps([i.name, list(i.version[:3]), getattr(i, "_machine", ""), DIGEST]))
"""
# The device's own record of them; how far back an update may go stays in it.
_END_UPDATES = """
try:
    import esp32, slots
    pair, record = slots.opened(esp32.NVS(slots.NAMESPACE))
    if record[slots.CURRENT] or record[slots.PREVIOUS] or record[slots.TRIAL]:
        record[slots.CURRENT] = record[slots.PREVIOUS] = record[slots.TRIAL] = slots.FLASHED
        pair.save(record)
except ImportError:
    pass
print("true")
"""
# The line's last words leave first.
_RESET = "import machine, time\ntime.sleep_ms(100)\nmachine.reset()"


class Shown(Hands, Protocol):
    """Where the job tells how it goes."""

    def step(self, step: Step) -> None: ...

    def progress(self, part: float) -> None:
        """How much of the step is done, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be done."""

    role: Role
    port: str
    board: str | None = None
    image: Image | None = None
    name: str = ""
    """What the box calls the bip."""
    pairing: Pairing | None = None
    label_folder: Path | None = None
    new_identity: bool = False
    erase: bool = False
    self_test: bool = True
    signers: tuple[bytes, ...] = ()
    """Public keys of whose updates the bip takes; none: those that it has."""
    made_here: frozenset[int] = frozenset()
    """Ids of this sitting's own bips, which `new_identity` does not mean."""


@dataclass(slots=True)
class Done:
    """What was done, and what was there already. No key is among it."""

    role: Role
    chip: str = ""
    board: str = ""
    micropython: str = ""
    frozen: bool = False
    image_written: bool = False
    copied: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    same: int = 0
    bip: str | None = None
    identity_made: bool = False
    paired: str = ""
    """ "new", "already", or empty: there was no box."""
    revoked: str = ""
    labels: tuple[str, ...] = ()
    measured: dict[str, Any] = field(default_factory=dict)
    heard: str = ""


class Job:
    """One device. `flasher` and `open_line` reach it; tests hand in their own ways."""

    def __init__(
        self,
        order: Order,
        shown: Shown,
        *,
        flasher: Flasher | None = None,
        open_line: Callable[[], Line] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._order = order
        self._shown = shown
        self._flasher = flasher or Flasher(order.port)
        self._open_line = open_line or (lambda: Line.open(order.port))
        self._sleep = sleep
        self._now_s = now_s
        self._frozen: str | None = None
        self._heard_before: str | None = None
        self._done = Done(order.role)

    def run(self) -> Done:
        """Do what is not done yet. Raises StepError, and StorageError for a label."""
        order, done = self._order, self._done
        if order.image is not None:
            self._shown.step(Step.IMAGE)
            self._write_image(order.image)
        self._shown.step(Step.PORT)
        with contextlib.closing(self._line()) as line:
            self._look(line)
            self._bring_files(line)
            if order.role == "bip":
                self._provision(line)
            self._shown.step(Step.START)
            line.leave(_RESET)
        if order.pairing is not None and done.bip is not None and order.self_test:
            self._shown.step(Step.HEARD)
            self._hear(order.pairing, int(done.bip, 16))
        return done

    def _write_image(self, image: Image) -> None:
        order = self._order
        answers = False
        old: Identity | None = None
        with contextlib.suppress(StepError), contextlib.closing(self._open_line()) as line:
            answers = True
            if order.role == "bip" and order.new_identity:
                old = identity.read(line)
        self._retire(old)
        self._done.image_written = self._flasher.write(
            image,
            new_identity=order.new_identity,
            # Nothing else opens a receiver that runs: its line belongs to the box.
            erase=order.erase or (order.role == "receiver" and not answers),
            progress=self._shown.progress,
        )

    def _line(self) -> Line:
        until_s = self._now_s() + _COMES_BACK_S
        while True:
            try:
                return self._open_line()
            except StepError:
                if self._now_s() >= until_s:
                    raise
                self._sleep(_LOOKS_EACH_S)

    def _look(self, line: Line) -> None:
        self._shown.step(Step.VERSION)
        try:
            name, version, machine, self._frozen = line.ask(_LOOK)
        except (DeviceFellError, TypeError, ValueError) as error:
            raise StepError(Cause.NO_MICROPYTHON) from error
        told = ".".join(str(number) for number in version)
        if name != "micropython":
            raise StepError(Cause.NO_MICROPYTHON, str(name)[:40])
        if tuple(version[:2]) < OLDEST_MICROPYTHON:
            raise StepError(Cause.OLD_MICROPYTHON, told)
        chip = boards.chip_in(machine)
        self._done.micropython = told
        self._done.chip = chip or ""
        self._done.board = boards.board_for(chip, self._order.board)

    def _bring_files(self, line: Line) -> None:
        self._shown.step(Step.COMPILE)
        firmware = sources(self._order.role, self._done.board)
        wanted = bytecode.compiled(firmware)
        unwanted: tuple[str, ...] = ()
        if self._frozen is not None:
            if self._frozen != frozen.digest(firmware):
                raise StepError(Cause.FROZEN_OTHER, self._done.board)
            # MicroPython takes what lies on the flash before what is frozen.
            self._done.frozen = True
            wanted, unwanted = {}, tuple(wanted)
        self._shown.step(Step.FILES)
        brought = files.bring(
            line, wanted, self._shown.progress, unwanted, lambda: self._end_updates(line)
        )
        self._done.copied, self._done.removed = brought.copied, brought.removed
        self._done.same = brought.same

    def _end_updates(self, line: Line) -> None:
        """Let what is flashed now run, and no update that came over the air before."""
        try:
            line.ask(_END_UPDATES)
        except DeviceFellError as error:
            raise StepError(Cause.PROGRAM_FELL, str(error).splitlines()[-1]) from None

    def _provision(self, line: Line) -> None:
        order, done = self._order, self._done
        self._shown.step(Step.IDENTITY)
        who = self._identity(line)
        done.bip = f"{who.device_id:08x}"
        if order.signers:
            signers.give(line, order.signers)
        if order.self_test:
            self._shown.step(Step.SELF_TEST)
            done.measured = bench_test.run(line, self._shown)
        if order.pairing is not None:
            self._shown.step(Step.PAIRING)
            self._pair(order.pairing, who)
        if order.label_folder is not None and (done.identity_made or not identity.has_lived(line)):
            self._shown.step(Step.LABEL)
            try:
                written = Label(who.device_id, who.key).write(order.label_folder)
            except StorageError as error:
                raise StepError(Cause.LABEL, str(error)) from error
            done.labels = tuple(str(path) for path in written)

    def _identity(self, line: Line) -> Identity:
        order = self._order
        found = identity.read(line)
        keep = not order.new_identity or (found and found.device_id in order.made_here)
        if found is not None and keep:
            if order.pairing is not None:
                known = _of_box(order.pairing.known, found.device_id, found.key)
                if known is Known.REVOKED:
                    raise StepError(Cause.REVOKED, f"{found.device_id:08x}")
                if known is Known.OTHER_KEY:
                    raise StepError(Cause.OTHER_KEY, f"{found.device_id:08x}")
                if known is Known.NO and identity.has_lived(line):
                    raise StepError(Cause.ELSEWHERE, f"{found.device_id:08x}")
            return found
        self._retire(found)
        identity.erase(line)
        made = identity.new_identity()
        channel = _CHANNEL if order.pairing is None else order.pairing.channel
        identity.write(line, made, channel, _ANYBODY)
        self._done.identity_made = True
        return made

    def _retire(self, old: Identity | None) -> None:
        if old is None or old.device_id in self._order.made_here:
            return
        # At the box first: while the device still has the old id, this can be done again.
        if self._order.pairing is not None:
            _of_box(self._order.pairing.revoke, old.device_id)
        self._done.revoked = f"{old.device_id:08x}"

    def _pair(self, pairing: Pairing, who: Identity) -> None:
        self._heard_before = _of_box(pairing.heard, who.device_id)
        known = _of_box(pairing.known, who.device_id, who.key)
        if known is Known.PAIRED:
            self._done.paired = "already"
            return
        name = self._order.name or f"bip {who.device_id:08x}"
        _of_box(pairing.pair, who.device_id, name, who.key)
        self._done.paired = "new"

    def _hear(self, pairing: Pairing, device_id: int) -> None:
        began_s = self._now_s()
        while True:
            heard = _of_box(pairing.heard, device_id)
            if heard is not None and heard != self._heard_before:
                self._done.heard = heard
                return
            since_s = self._now_s() - began_s
            if since_s >= _HEARD_WITHIN_S:
                raise StepError(Cause.NOT_HEARD, f"in {_HEARD_WITHIN_S:.0f} s")
            self._shown.progress(since_s / _HEARD_WITHIN_S)
            self._sleep(_LOOKS_EACH_S)


def _of_box(ask: Callable[..., Any], *about: object) -> Any:
    try:
        return ask(*about)
    except VigibipError as error:
        raise StepError(Cause.PAIRING, str(error)) from error
