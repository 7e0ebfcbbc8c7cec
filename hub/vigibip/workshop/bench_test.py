"""The self-test of a bip on the bench: its `selftest` module tries, a person presses and feels."""

from __future__ import annotations

from typing import Any, Protocol

from vigibip.workshop.errors import Cause, StepError
from vigibip.workshop.line import DeviceFellError, Line
from vigibip.workshop.words import Question

_BUTTON_WAIT_MS = 20_000
_MARGIN_S = 10.0
# A lithium cell under 3.5 V has an eighth of its charge left; at 2.5 V none is connected.
_BATTERY_LOW_MV = 3500
_BATTERY_ABSENT_MV = 2500


class Hands(Protocol):
    """The person at the bench."""

    def ask(self, question: Question) -> bool:
        """Return whether the answer is yes."""

    def tell(self, question: Question) -> None:
        """Ask for something that the device itself will notice."""


def run(line: Line, hands: Hands) -> dict[str, Any]:
    """Try radio, battery, motor and button; return what was measured. Raises StepError."""
    radio = _try(line, "radio()")
    if not radio["sent"]:
        raise StepError(Cause.RADIO_DEAD, str(radio["why"]))
    battery = _try(line, "battery(board)")
    if battery["mv"] < _BATTERY_ABSENT_MV:
        raise StepError(Cause.BATTERY_ABSENT, f"{battery['mv']} mV")
    if battery["mv"] < _BATTERY_LOW_MV:
        raise StepError(Cause.BATTERY_LOW, f"{battery['mv']} mV")
    hands.tell(Question.MOTOR_STARTS)
    motor = _try(line, "motor(board)")
    if not hands.ask(Question.MOTOR_FELT):
        raise StepError(Cause.MOTOR_NOT_FELT, f"{motor['load_mv']} mV under its load")
    if _try(line, "button_is_down(board)"):
        raise StepError(Cause.BUTTON_STUCK, "down before it was asked for")
    hands.tell(Question.PRESS)
    button = _try(
        line, f"button(board, {_BUTTON_WAIT_MS})", within_s=_BUTTON_WAIT_MS / 1000 + _MARGIN_S
    )
    if button["held_ms"] is None:
        cause = Cause.BUTTON_SILENT if button["down_ms"] is None else Cause.BUTTON_STUCK
        raise StepError(cause, f"in {_BUTTON_WAIT_MS // 1000} s")
    return {"radio": radio, "battery": battery, "motor": motor, "button": button}


def _try(line: Line, call: str, *, within_s: float = _MARGIN_S) -> Any:
    program = f"import json, board, selftest\nprint(json.dumps(selftest.{call}))"
    try:
        return line.ask(program, within_s=within_s)
    except DeviceFellError as error:
        raise StepError(Cause.PROGRAM_FELL, str(error).splitlines()[-1][:80]) from None
