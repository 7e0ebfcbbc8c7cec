"""A frozen build: the firmware inside MicroPython's own image, so that a wake compiles nothing.

The folder that is prepared holds the sources, a manifest and a mark: `frozen_mark.DIGEST` tells
later, on the device, which sources it was built from.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from vigibip.base.errors import StorageError, UsageError
from vigibip.workshop.firmware_files import Role, sources

MARK = "frozen_mark"
# The board's own manifest brings what MicroPython itself starts with.
_MANIFEST = """include("$(PORT_DIR)/boards/manifest.py")
freeze("{folder}")
"""
_PORT_BOARDS = {
    "esp32_c3": "ESP32_GENERIC_C3",
    "xiao_c3": "ESP32_GENERIC_C3",
    "esp32_s3": "ESP32_GENERIC_S3",
}


def digest(files: dict[str, Path]) -> str:
    """Return what tells these sources from any others: 64 hexadecimal digits."""
    every = hashlib.sha256()
    for name in sorted(files):
        content = hashlib.sha256(files[name].read_bytes()).hexdigest()
        every.update(f"{name} {content}\n".encode())
    return every.hexdigest()


def prepare(role: Role, board: str, folder: Path) -> list[str]:
    """Lay out `folder` for a frozen build; return the commands that make the image of it.

    Raises UsageError when something else lies there, and StorageError.
    """
    files = sources(role, board)
    if board not in _PORT_BOARDS:
        raise UsageError(f"{board}: its name in MicroPython's esp32 port is not known here")
    if folder.exists() and any(folder.iterdir()) and not (folder / "manifest.py").is_file():
        raise UsageError(f"{folder} holds something else; name a new folder")
    modules = folder / "modules"
    try:
        if modules.exists():
            shutil.rmtree(modules)
        for name, source in files.items():
            target = modules / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        (modules / f"{MARK}.py").write_text(f'DIGEST = "{digest(files)}"\n', encoding="utf-8")
        manifest = folder / "manifest.py"
        manifest.write_text(_MANIFEST.format(folder=modules.resolve()), encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{folder}: {error.strerror or error}") from error
    port_board = _PORT_BOARDS[board]
    built = f"build-{port_board}/firmware.bin"
    return [
        "git clone --branch v1.28.0 https://github.com/micropython/micropython",
        "cd micropython && make -C mpy-cross && make -C ports/esp32 submodules",
        f"make -C ports/esp32 BOARD={port_board} FROZEN_MANIFEST={manifest.resolve()}",
        f"(cd ports/esp32/{built.rpartition('/')[0]} && sha256sum firmware.bin "
        "> firmware.bin.sha256)",
        f"scripts/flash {role} --board {board} --image micropython/ports/esp32/{built}",
    ]
