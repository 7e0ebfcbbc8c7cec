"""`demo`: from a bare clone to an officer's answer felt on a bip, the first time and the second.

Downloads are left out of it: a first clone, which is not counted, fills pip's cache.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

from vigibip.town.benches import Progress
from vigibip.town.benches.report import Figure, Report, machine_figures
from vigibip.town.children import Children
from vigibip.town.errors import TownError

_ROOT = Path(__file__).resolve().parents[4]
_DEADLINE_S = 900.0
_TARGETS = {"first_run_s": 60, "second_run_s": 20}


async def measure(progress: Progress) -> Report:
    """Run the bench; raises TownError where nothing can be cloned or no package can be had."""
    if shutil.which("git") is None or not (_ROOT / ".git").exists():
        raise TownError("this is no git checkout that could be cloned")
    directory = Path(tempfile.mkdtemp(prefix="vigibip-bench-"))
    try:
        figures = await _measure_in(directory, progress)
    finally:
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
    return Report("demo", figures | machine_figures(), dict(_TARGETS))


async def _measure_in(directory: Path, progress: Progress) -> dict[str, Figure]:
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in ("PYTHONPATH", "VIRTUAL_ENV") and not key.startswith("VIGIBIP_")
    }
    # pip's downloads outlast the clones; rendered speech and everything else does not.
    environment["PIP_CACHE_DIR"] = str(directory / "pip-cache")
    figures: dict[str, Figure] = {}
    for name in ("warm-up", "measured"):
        environment["XDG_CACHE_HOME"] = str(directory / f"{name}-cache")
        children = Children(directory, environment)
        try:
            clone = directory / name
            await children.run("git", ["git", "clone", "--quiet", str(_ROOT), str(clone)])
            progress(f"demo: first run of the {name} clone")
            first_s, _ = await _once(children, clone)
            if name == "measured":
                progress("demo: its second run")
                second_s, told = await _once(children, clone)
                figures = {
                    "first_run_s": round(first_s, 1),
                    "second_run_s": round(second_s, 1),
                    "second_run_town_ready_s": float(told["ready_s"]),
                }
        finally:
            await children.close()
    return figures


async def _once(children: Children, clone: Path) -> tuple[float, dict[str, float]]:
    started_s = time.monotonic()
    command = [str(clone / "scripts" / "demo"), "--once", "--json"]
    told = await children.run("demo", command, deadline_s=_DEADLINE_S)
    return time.monotonic() - started_s, json.loads(told)
