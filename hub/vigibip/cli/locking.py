"""`scripts/lock`: the lock files, made anew from pyproject.toml.

Each lists every package with its version and the hashes of all its files, for Python 3.11 and
later on x86-64 and ARM alike. No index's address gets into them: a town may use its own mirror.
"""

import subprocess
import sys

from vigibip.cli.bootstrap import FLASH_LOCK, PYTHON, ROOT, RUN_LOCK, STUBS_LOCK, TEST_LOCK, say

RUN = ["pyproject.toml", "--extra", "town"]
FLASH = [*RUN, "--extra", "workshop", "--constraint", RUN_LOCK]
TEST = [*FLASH, "--extra", "dev", "--constraint", FLASH_LOCK]
# lock file: what it holds; each agrees with those that it adds to.
SOURCES: dict[str, list[str]] = {
    RUN_LOCK: RUN,
    FLASH_LOCK: FLASH,
    TEST_LOCK: TEST,
    STUBS_LOCK: ["--group", "stubs"],
}

HEADER = "# Made by scripts/lock from pyproject.toml; not edited by hand.\n"


def main() -> int:
    """Write every lock file; exit code of the first failure, else 0."""
    # uv comes for this alone, so it is not in the locks that it makes.
    subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", "uv>=0.9,<1"], check=True)
    for lock, source in SOURCES.items():
        command = [str(PYTHON), "-m", "uv", "pip", "compile", *source, "--output-file", lock]
        command += ["--universal", "--python-version", "3.11", "--generate-hashes"]
        command += ["--no-emit-index-url", "--no-emit-find-links", "--no-header", "--no-annotate"]
        done = subprocess.run([*command, "--quiet", *sys.argv[1:]], cwd=ROOT, check=False)
        if done.returncode:
            return done.returncode
        path = ROOT / lock
        path.write_text(HEADER + path.read_text())
        say(f"vigibip: wrote {lock}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
