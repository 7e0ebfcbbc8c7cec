"""What the two parts of `air` share: the box's surroundings, and the books that are kept of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

from vigibip.alert.messages import Alert, Answer, BoxStatus, OfficerAnswer, Receipt
from vigibip.base.clock import Clock
from vigibip.base.trace import parse_stamp
from vigibip.box.carrier import CarrierEvents
from vigibip.box.config import BoxSettings, PlanSettings, QueueSettings
from vigibip.box.schedule import data_schedule
from vigibip.town.air import Weather

WEATHER = Weather(loss_up=0.3, loss_down=0.3, duplicated=0.05)
HEARD = frozenset({"heard", "delivered", "coming"})
"""Felt only once the box has the press; the first may be lost on the air."""

# After the box has handed over: the post's receipt, and an officer in a hurry.
_RECEIPT_AFTER_S = 0.1
_COMING_AFTER_S = 0.5


class PromptPost:
    """A carrier that is always up, to a post where an officer answers within the second."""

    name = "data"
    up = True
    in_flight = 0
    busy = False

    def __init__(self, clock: Clock) -> None:
        self.schedule = data_schedule(QueueSettings(), PlanSettings())
        self.counts: Counter[str] = Counter()
        self._clock = clock
        self._events: CarrierEvents | None = None
        self._sequence = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, events: CarrierEvents) -> None:
        self._events = events

    def send(self, alert: Alert) -> bool:
        self.counts["sent"] += 1
        task = asyncio.get_running_loop().create_task(self._answer(alert.alert))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _answer(self, alert: str) -> None:
        if self._events is None:
            return
        await self._clock.sleep(_RECEIPT_AFTER_S)
        self._events.received_receipt(self, Receipt(alert=alert, verdict="accepted"))
        await self._clock.sleep(_COMING_AFTER_S)
        self._sequence += 1
        answer = Answer(sequence=self._sequence, alerts=[alert], state="coming")
        self._events.received_answer(self, answer)

    def withdraw(self, alert: str) -> None:
        """Nothing waits."""

    def acknowledge(self, sequence: int) -> None:
        """Nothing is kept."""

    def tell_officer_answer(self, answer: OfficerAnswer) -> bool:  # noqa: ARG002 - the contract's
        return False

    def tell_gesture(self, alert: Alert) -> None:
        """The bench makes no gestures."""

    def tell_status(self, status: BoxStatus) -> None:
        """Nobody reads it."""

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()


class Ledger:
    """What was pressed, and what the box opened and committed, on the bench's clock."""

    def __init__(self, clock: Clock) -> None:
        self.pressed: set[str] = set()
        self.opened: Counter[str] = Counter()
        self.stored_s: dict[str, float] = {}
        self._clock = clock

    def write(self, stamp: bytes) -> None:
        stage, subject, _ = parse_stamp(stamp)
        if stage == "box.opened":
            self.opened[subject] += 1
        elif stage == "box.stored":
            self.stored_s.setdefault(subject, self._clock.monotonic_s())

    @property
    def lost(self) -> int:
        return len(self.pressed - self.stored_s.keys())

    @property
    def doubled(self) -> int:
        """Alerts that no press made, and those opened more than once."""
        made_up = len(self.opened.keys() - self.pressed)
        return made_up + self.opened.total() - len(self.opened)


def box_settings(directory: Path) -> BoxSettings:
    return BoxSettings(data_dir=directory, receiver_port="/dev/null", has_rtc=True)


def memory() -> Path | None:
    """Return a file system in memory, None where there is none."""
    shm = Path("/dev/shm")  # noqa: S108 - a private directory is made in it
    return shm if shm.is_dir() else None
