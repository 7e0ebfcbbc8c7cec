"""`scripts/check`: format, lint, types, the import rule, the documentation.

Every step runs, whatever the one before it found; exit code 1 if any of them failed. Named steps
alone: `scripts/check lint bip-types`.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from vigibip.base.errors import VigibipError
from vigibip.cli.bootstrap import ROOT, VENV, prepare_stubs, say

HUB = ROOT / "hub" / "vigibip"
STAGED = VENV / "staged"
_PYTEST = ("-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider")
# The unix port's own select stands behind this one, under a name that the stubs take for its own.
_BEYOND_THE_STUBS = ("select.py",)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to check: what the environment's Python runs for it, and where."""

    name: str
    command: tuple[str, ...]
    folder: Path = ROOT
    prepare: Callable[[], None] = field(default=lambda: None)


def device_types(name: str, prepare: Callable[[], None]) -> Step:
    """Check code for MicroPython as it lies on a device: flat, `wire` beside it."""
    options = ("--config-file", str(ROOT / "firmware" / "mypy.ini"))
    cache = ("--cache-dir", str(ROOT / ".mypy_cache" / name))
    command = ("-m", "mypy", "--no-error-summary", *options, *cache, ".")
    return Step(f"{name}-types", command, STAGED / name, prepare)


def stage_device(role: str) -> None:
    """Lay out what lies on a device, and all of wire: a type may come from where no code does."""
    from vigibip.town import device_tree

    prepare_stubs()
    shutil.rmtree(STAGED / role, ignore_errors=True)
    for name, source in device_tree.sources("bip" if role == "bip" else "receiver").items():
        (STAGED / role / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, STAGED / role / name)
    shutil.copytree(HUB / "wire", STAGED / role / "wire", dirs_exist_ok=True)


def stage_shims() -> None:
    prepare_stubs()
    shutil.rmtree(STAGED / "shims", ignore_errors=True)
    skipped = shutil.ignore_patterns("__init__.py", "__pycache__", *_BEYOND_THE_STUBS)
    shutil.copytree(HUB / "town" / "shims", STAGED / "shims", ignore=skipped)


STEPS = (
    Step("format", ("-m", "ruff", "format", "--check", "--quiet", ".")),
    Step("lint", ("-m", "ruff", "check", "--quiet", ".")),
    Step("hub-types", ("-m", "mypy", "--no-error-summary")),
    device_types("bip", lambda: stage_device("bip")),
    device_types("receiver", lambda: stage_device("receiver")),
    device_types("shims", stage_shims),
    Step("imports", (*_PYTEST, "tests/test_imports.py")),
    Step("docs", (*_PYTEST, "tests/test_docs.py")),
)


def main() -> int:
    """Run the steps; those named by the arguments, or all."""
    wanted = sys.argv[1:]
    unknown = set(wanted) - {step.name for step in STEPS}
    if unknown:
        say(f"vigibip: no step {', '.join(sorted(unknown))}; there are: {', '.join(names())}")
        return 2
    failed = [step.name for step in STEPS if step.name in (wanted or names()) and not passes(step)]
    if failed:
        say(f"vigibip: failed: {', '.join(failed)}")
    return 1 if failed else 0


def names() -> list[str]:
    return [step.name for step in STEPS]


def passes(step: Step) -> bool:
    """Run one step and print its line, then what it had to say if it failed."""
    started_s = time.monotonic()
    try:
        step.prepare()
        done = subprocess.run(
            [sys.executable, *step.command],
            cwd=step.folder,
            env=os.environ | {"PYTHONPATH": str(ROOT / "hub")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        failed, output = done.returncode != 0, done.stdout
    except (OSError, VigibipError) as error:
        failed, output = True, str(error)
    verdict = "FAILED" if failed else "ok"
    print(f"{step.name:<16} {verdict:<7} {time.monotonic() - started_s:5.1f} s", flush=True)
    if failed:
        print(output.rstrip(), flush=True)
    return not failed


if __name__ == "__main__":
    sys.exit(main())
