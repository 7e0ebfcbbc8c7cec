"""What lies on a device's flash: the files of the role's manifest and its board, as bytecode.

The manifests are those that MicroPython freezes from, so that the simulated device, one that the
installer flashed and a frozen image run the same files, and none of them compiles anything.
"""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import sys
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from vigibip.town.errors import TownError
from vigibip.workshop import firmware_files
from vigibip.workshop.bytecode import compiled
from vigibip.workshop.errors import StepError, WorkshopError
from vigibip.workshop.firmware_files import FIRMWARE, Role

__all__ = [
    "DEFAULT_BOARD",
    "FIRMWARE",
    "Role",
    "board_pins",
    "bytecode",
    "load",
    "sources",
    "stage",
]

DEFAULT_BOARD = "esp32_c3"
# Where a bip keeps updates, beside what was flashed.
_SLOTS = ("a", "b")
_WIRE_MODULES = ("ccm", "counter", "frame", "image", "lms", "parcel", "serial", "window")


def sources(role: Role, board: str = DEFAULT_BOARD) -> dict[str, Path]:
    """Return the source of each file on the flash, by its path there. Raises TownError."""
    try:
        return firmware_files.sources(role, board)
    except WorkshopError as error:
        raise TownError(str(error)) from error


def stage(role: Role, directory: Path, board: str = DEFAULT_BOARD) -> None:
    """Lay the files of `role` into `directory`; what is not theirs goes, but updates' slots stay.

    Raises TownError.
    """
    try:
        files = compiled(sources(role, board))
    except StepError as error:
        raise TownError(str(error)) from error
    for there in directory.iterdir() if directory.exists() else ():
        if there.is_dir() and there.name not in _SLOTS:
            shutil.rmtree(there)
        elif there.is_file():
            there.unlink()
    for name, content in files.items():
        target = directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def bytecode(flash: Path, modules: AbstractSet[str]) -> dict[str, int]:
    """Return the bytes of each of `modules` that lies on `flash`, by its name."""
    sizes = {
        ".".join(file.relative_to(flash).with_suffix("").parts).removesuffix(".__init__"): (
            file.stat().st_size
        )
        for file in flash.rglob("*.mpy")
    }
    return {name: size for name, size in sizes.items() if name in modules}


def board_pins(board: str = DEFAULT_BOARD) -> dict[str, int]:
    """Return the pins of `board` by their names. Raises TownError."""
    path = FIRMWARE / "boards" / f"{board}.py"
    if not path.is_file():
        raise TownError(f"{path} is missing: no such board")
    namespace: dict[str, object] = {}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), namespace)  # noqa: S102
    return {name: pin for name, pin in namespace.items() if isinstance(pin, int)}


def load(role: Role, name: str) -> ModuleType:
    """Return module `name` of `role`, run by this interpreter, its `wire` being vigibip.wire.

    For modules without hardware (sender, storage, feel). Each is loaded once a process.
    """
    alias = f"vigibip_firmware_{role}_{name}"
    if alias in sys.modules:
        return sys.modules[alias]
    path = FIRMWARE / role / f"{name}.py"
    spec = importlib.util.spec_from_file_location(alias, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise TownError(f"{path} is missing: the town needs the firmware of a checkout")
    loaded = importlib.util.module_from_spec(spec)
    with _as_on_the_device(path.parent):
        spec.loader.exec_module(loaded)
    sys.modules[alias] = loaded
    return loaded


@contextmanager
def _as_on_the_device(folder: Path) -> Iterator[None]:
    """Let an import find `wire` and the role's own modules, and leave no trace of them."""
    mine = {"wire": importlib.import_module("vigibip.wire")}
    for module in _WIRE_MODULES:
        mine[f"wire.{module}"] = importlib.import_module(f"vigibip.wire.{module}")
    siblings = {path.stem for path in folder.glob("*.py")}
    hidden = {name: sys.modules.pop(name) for name in siblings | set(mine) if name in sys.modules}
    sys.modules.update(mine)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in siblings | set(mine):
            sys.modules.pop(name, None)
        sys.modules.update(hidden)
