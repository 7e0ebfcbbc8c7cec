"""What has to lie on a device: the files of a role's manifest and its board.

The manifests are those that MicroPython freezes from, so that a flashed device, a frozen image
and the simulated town run the same files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from vigibip.workshop.errors import WorkshopError

Role = Literal["bip", "receiver"]

FIRMWARE = Path(__file__).resolve().parents[3] / "firmware"
BOARDS = FIRMWARE / "boards"


def sources(role: Role, board: str) -> dict[str, Path]:
    """Return the source of each file on the flash, by its path there. Raises WorkshopError."""
    folder = FIRMWARE / role
    manifest = folder / "manifest.py"
    if not manifest.is_file():
        raise WorkshopError(f"{manifest} is missing: a checkout with its firmware is needed")
    found = {"board.py": BOARDS / f"{board}.py"}

    def module(path: str, base_path: str = ".") -> None:
        found[path] = (folder / base_path / path).resolve()

    def package(path: str, files: Sequence[str], base_path: str = ".") -> None:
        for name in files:
            found[f"{path}/{name}"] = (folder / base_path / path / name).resolve()

    code = compile(manifest.read_text(encoding="utf-8"), str(manifest), "exec")
    exec(code, {"module": module, "package": package})  # noqa: S102 - our own file
    missing = [str(source) for source in found.values() if not source.is_file()]
    if missing:
        raise WorkshopError(f"{manifest} names files that are not there: {', '.join(missing)}")
    return found
