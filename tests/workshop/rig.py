"""A bench without a terminal: a person whose hands are code, a box that is a dictionary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.bench_board import BenchBoard
from vigibip.base.errors import UsageError
from vigibip.workshop.job import Done, Job, Order
from vigibip.workshop.line import Line
from vigibip.workshop.pairing import Known
from vigibip.workshop.words import Question, Step

BOARD = "esp32_c3"


@dataclass
class Box:
    """Pairs as a box does: an id is taken once and never again."""

    channel: int = 11
    keys: dict[int, bytes] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    revoked: set[int] = field(default_factory=set)
    hears: bool = True
    asked: int = 0

    def known(self, device_id: int, key: bytes) -> Known:
        if device_id not in self.keys:
            return Known.NO
        if device_id in self.revoked:
            return Known.REVOKED
        return Known.PAIRED if self.keys[device_id] == key else Known.OTHER_KEY

    def pair(self, device_id: int, name: str, key: bytes) -> None:
        if device_id in self.keys:
            raise UsageError("an id is never used again")
        self.keys[device_id] = key
        self.names[device_id] = name

    def revoke(self, device_id: int) -> None:
        if device_id in self.keys:
            self.revoked.add(device_id)

    def heard(self, device_id: int) -> str | None:
        self.asked += 1
        return str(self.asked) if self.hears and device_id in self.keys else None


@dataclass
class Person:
    """Presses when asked to, feels the motor; `at` is called at each step."""

    board: BenchBoard
    feels: bool = True
    presses: bool = True
    at: Callable[[Step], None] = lambda step: None
    steps: list[Step] = field(default_factory=list)
    pressing: bool = False
    parts: list[float] = field(default_factory=list)

    def step(self, step: Step) -> None:
        self.steps.append(step)
        if self.pressing:
            self.pressing = False
            self.board.tap(False)
        self.at(step)

    def progress(self, part: float) -> None:
        self.parts.append(part)

    def tell(self, question: Question) -> None:
        if question is Question.PRESS and self.presses:
            self.pressing = True
            self.board.tap(True)

    def ask(self, question: Question) -> bool:
        return self.feels and self.board.motor_edges >= 2


class Time:
    """Seconds that pass only when somebody sleeps; a bip that sleeps is reset by its person."""

    def __init__(self, board: BenchBoard) -> None:
        self.now_s = 0.0
        self._board = board

    def sleep(self, span_s: float) -> None:
        self.now_s += span_s
        if self._board.asleep:
            self._board.plug()

    def now(self) -> float:
        return self.now_s


def order(board: BenchBoard, **changes: object) -> Order:
    about: dict[str, object] = {"role": "bip", "port": str(board.port), "board": BOARD}
    return Order(**(about | changes))  # type: ignore[arg-type]


def do(order: Order, person: Person, flasher: Any = None) -> Done:
    """Run one job; waiting for the box takes no time."""
    time = Time(person.board)
    line = lambda: Line.open(order.port, patience_s=20)  # noqa: E731
    resets = person.board.resets
    ways = {"open_line": line, "sleep": time.sleep, "now_s": time.now}
    done = Job(order, person, flasher=flasher, **ways).run()
    person.board.wait_reset(resets + 1)
    return done
