"""`scripts/test`: what the tests need, then the tests, several at a time.

Arguments go to pytest: `scripts/test tests/wire -k window`. What had to be left out, and why, is
told before pytest's closing line.
"""

import json
import os
import subprocess
import sys

from vigibip.cli.bootstrap import ROOT, prepare_stubs
from vigibip.cli.programs import provide


def main() -> int:
    """Run the tests; pytest's exit code."""
    prepare_stubs()
    left_out = provide()
    environment = os.environ | {
        "PYTHONPATH": str(ROOT / "hub"),
        "VIGIBIP_LEFT_OUT": json.dumps(left_out),
    }
    command = [sys.executable, "-m", "pytest", *parallel(sys.argv[1:]), *sys.argv[1:]]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def parallel(arguments: list[str]) -> list[str]:
    """Two tests at a time at least: they wait for processes more than they compute."""
    if any(word.startswith("-n") or word == "--pdb" for word in arguments):
        return []
    return ["-n", str(max(2, os.cpu_count() or 2)), "--dist", "loadgroup"]


if __name__ == "__main__":
    sys.exit(main())
