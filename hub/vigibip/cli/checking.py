"""`scripts/check`: format, lint, types, the import rule, the documentation.

Every step runs, whatever the one before it found; exit code 1 if any of them failed.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

from vigibip.cli.bootstrap import ROOT, prepare_stubs, say

_FIRMWARE = ["--config-file", "firmware/mypy.ini"]


def steps() -> Iterator[tuple[str, list[str]]]:
    """Yield each step's name and what the environment's Python runs for it."""
    yield "format", ["-m", "ruff", "format", "--check", "--quiet", "."]
    yield "lint", ["-m", "ruff", "check", "--quiet", "."]
    yield "types of hub", ["-m", "mypy", "--no-error-summary"]
    # The configuration finds the stubs where prepare_stubs() puts them.
    yield "types of firmware", ["-m", "mypy", "--no-error-summary", *_FIRMWARE]
    quiet_pytest = ["-m", "pytest", "-q", "--no-header", "--no-summary", "-p", "no:cacheprovider"]
    yield "import rule", [*quiet_pytest, "tests/test_imports.py"]
    yield "documentation", [*quiet_pytest, "tests/test_docs.py"]


def main() -> int:
    prepare_stubs()
    failed = [name for name, command in steps() if not passes(name, command)]
    if failed:
        say(f"vigibip: failed: {', '.join(failed)}")
    return 1 if failed else 0


def passes(name: str, command: list[str]) -> bool:
    """Run one step and print its line; what it had to say only if it failed."""
    started_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "hub")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    verdict = "FAILED" if done.returncode else "ok"
    print(f"{name:<20} {verdict:<7} {time.monotonic() - started_s:5.1f} s", flush=True)
    if done.returncode:
        print(done.stdout.rstrip(), flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
