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
BENCHES: dict[str, tuple[str, str]] = {}


def find(name: str) -> Measure:
    """Return the bench called `name`. Raises UsageError with the names there are."""
    if name not in BENCHES:
        raise UsageError(f"no bench {name!r}; there are: {', '.join(BENCHES)}")
    measure: Measure = import_module(BENCHES[name][0]).measure
    return measure
