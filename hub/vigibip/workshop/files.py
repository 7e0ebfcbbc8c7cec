"""The files of a device brought to what they should be: only what differs is copied."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass

from vigibip.workshop.errors import Cause, StepError
from vigibip.workshop.line import Line

_FRESH = ".new"


@dataclass(frozen=True, slots=True)
class Copied:
    """What a device's flash needed."""

    copied: tuple[str, ...]
    removed: tuple[str, ...]
    same: int


def bring(
    line: Line,
    wanted: dict[str, bytes],
    progress: Callable[[float], None],
    unwanted: Collection[str] = (),
    changing: Callable[[], None] = lambda: None,
) -> Copied:
    """Bring the device's files to `wanted`, by path, and verify all of them by hash.

    A file that would be loaded in place of a wanted one is removed, and so are those `unwanted`;
    others are left alone. `changing` is called before the first is copied, while no program
    starts by itself. Raises StepError.
    """
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in wanted.items()}
    found = line.hashes()
    twins = {twin for name in (*wanted, *unwanted) for twin in _twins(name)}
    in_the_way = sorted(found.keys() & twins.union(unwanted))
    # main.py last: without it a device that lost its cable half-way stays in the REPL.
    differs = sorted(
        (name for name in wanted if found.get(name) != hashes[name]),
        key=lambda name: (name == "main.py", name),
    )
    if differs and "main.py" in found:
        # From here on the old program would run with some of the new files.
        line.remove("main.py")
        if "main.py" not in differs:
            differs.append("main.py")
    if differs:
        changing()
    for name in in_the_way:
        line.remove(name)
    whole = sum(len(wanted[name]) for name in differs)
    done = 0
    for name in differs:
        line.write(name, wanted[name], _part_of(progress, done, whole))
        done += len(wanted[name])
    progress(1.0)
    now = line.hashes() if differs or in_the_way else found
    wrong = sorted(name for name in wanted if now.get(name) != hashes[name])
    if wrong:
        raise StepError(Cause.COPY_DIFFERS, ", ".join(wrong))
    return Copied(tuple(differs), tuple(in_the_way), len(wanted) - len(differs))


def _part_of(progress: Callable[[float], None], before: int, whole: int) -> Callable[[int], None]:
    def told(part: int) -> None:
        progress((before + part) / whole)

    return told


def _twins(name: str) -> tuple[str, ...]:
    """Return what MicroPython would load instead of `name`, or what a broken copy left."""
    stem, _, kind = name.rpartition(".")
    other = f"{stem}.py" if kind == "mpy" else f"{stem}.mpy"
    return (other, name + _FRESH, other + _FRESH)
