"""The measurements, by name. Each is a module with `async def measure(progress) -> Report`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from importlib import import_module
from typing import TYPE_CHECKING

from vigibip.base.errors import UsageError

if TYPE_CHECKING:
    from vigibip.town.benches.report import Report

Progress = Callable[[str], None]
Measure = Callable[[Progress], "Coroutine[None, None, Report]"]

# name: (module, what it measures, for --list)
BENCHES: dict[str, tuple[str, str]] = {
    "press": (
        "vigibip.town.benches.press",
        "500 presses through everything, then again over a slow network and a lossy air",
    ),
    "air": (
        "vigibip.town.benches.air",
        "100,000 presses through a lossy air in driven time, 2,000 by the interpreter; 16 at once",
    ),
    "durability": (
        "vigibip.town.benches.durability",
        "1,500 alerts while box, broker and post are killed; a mosquitto bridge beside it",
    ),
    "sms": (
        "vigibip.town.benches.sms",
        "presses without data, from the button to the receipt by SMS; a town-wide data cut",
    ),
    "fuzz": (
        "vigibip.town.benches.fuzz",
        "a million hostile inputs on the AT grammar and on the PDUs, and on what else is read",
    ),
    "memory": (
        "vigibip.town.benches.memory",
        "resident memory of box and post, peak heap of the bip",
    ),
    "demo": (
        "vigibip.town.benches.demo",
        "from a bare clone to a felt answer, the first time and the second",
    ),
}


def find(name: str) -> Measure:
    """Return the bench called `name`. Raises UsageError with the names there are."""
    if name not in BENCHES:
        raise UsageError(f"pas de mesure « {name} » ; il y a : {', '.join(BENCHES)}")
    measure: Measure = import_module(BENCHES[name][0]).measure
    return measure
