"""What a command of the simulated modem may lead to, and the settings that commands change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vigibip.modem.simulated.at_line import Command
from vigibip.modem.simulated.errors import AtError

if TYPE_CHECKING:
    from vigibip.modem.simulated.modem import SimulatedModem


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """The command wants a PDU: `take` is given what was typed, and returns the answer's lines.

    It raises an AtError when the PDU is refused.
    """

    take: Callable[[str], tuple[str, ...]]
    delay_s: float = 0.0
    """From Ctrl-Z to `take`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Lines before the final OK."""

    lines: tuple[str, ...] = ()
    delay_s: float = 0.0
    prompt: Prompt | None = None
    then: Callable[[], None] | None = None
    """Done once OK was said."""
    no_ok: bool = False


OK = Answer()
Handler = Callable[["SimulatedModem", Command], Answer]
"""Does one command. Raises AtError."""


def say(*lines: str) -> Handler:
    """Return what answers with these lines, whatever is asked."""
    return lambda _modem, _command: Answer(lines=lines)


def number(text: str, allowed: range, refusal: AtError) -> int:
    """Return the argument as one of the allowed numbers. Raises `refusal`."""
    if not text.isdigit() or int(text) not in allowed:
        raise refusal
    return int(text)


@dataclass(slots=True)
class Volatile:
    """What a reset puts back."""

    error_level: int
    echo: bool = True
    reports: dict[str, int] = field(default_factory=lambda: {"+CREG": 0, "+CGREG": 0, "+CEREG": 0})
    """<n> of AT+CREG=, AT+CGREG= and AT+CEREG=."""
    cnmi: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)
    memories: tuple[str, str, str] = ("SM", "SM", "SM")
    service: int = 0
    """AT+CSMS: with 1 what is handed over at once is acknowledged by AT+CNMA."""
    character_set: str = "IRA"
    flow: tuple[int, int] = (0, 0)
    operator_format: int = 0
