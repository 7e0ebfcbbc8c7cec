"""From a bare checkout to its virtual environment, then to the command asked for.

Run by the files in scripts/ with whatever python3 the machine has, so it imports nothing outside
the standard library and keeps to a syntax that older Pythons can at least refuse politely.
Talk goes to stderr: stdout belongs to the command. Exit code 2: this machine cannot run it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import platform
import subprocess
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[3]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
OLDEST_PYTHON = (3, 11)

RUN_LOCK = "requirements.lock"
FLASH_LOCK = "requirements-flash.lock"
TEST_LOCK = "requirements-dev.lock"
# Each holds all that the ones before it hold.
LOCKS = (RUN_LOCK, FLASH_LOCK, TEST_LOCK)
STUBS_LOCK = "requirements-stubs.lock"
STUBS = VENV / "stubs"

# command: (lock file, what the environment's Python runs)
COMMANDS: dict[str, tuple[str, list[str]]] = {
    "demo": (RUN_LOCK, ["-m", "vigibip", "town", "demo"]),
    "bench": (RUN_LOCK, ["-m", "vigibip", "town", "bench"]),
    "flash": (FLASH_LOCK, ["-m", "vigibip", "workshop", "flash"]),
    "test": (TEST_LOCK, ["-m", "vigibip.cli.testing"]),
    "check": (TEST_LOCK, ["-m", "vigibip.cli.checking"]),
    "lock": (TEST_LOCK, ["-m", "vigibip.cli.locking"]),
}
NEEDS_INTERPRETER = ("demo", "bench")


def say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def refuse(text: str) -> NoReturn:
    say("vigibip: " + text)
    sys.exit(2)


def main(argv: list[str]) -> NoReturn:
    """Prepare the environment for `argv[0]` and become that command."""
    if sys.version_info < OLDEST_PYTHON:
        refuse(
            "Python 3.11 or newer is needed, this is {}.{} ({}).".format(
                *sys.version_info[:2], sys.executable
            )
        )
    if not argv or argv[0] not in COMMANDS:
        refuse("usage: bootstrap.py {} [ARGUMENT...]".format("|".join(COMMANDS)))
    name, arguments = argv[0], argv[1:]
    if name in NEEDS_INTERPRETER:
        check_interpreter_exists()
    lock, command = COMMANDS[name]
    prepare(lock)
    with contextlib.suppress(ValueError):
        sys.stdout.flush()
    os.execve(PYTHON, [str(PYTHON), *command, *arguments], with_bytecode(os.environ))


def with_bytecode(environment: Mapping[str, str]) -> dict[str, str]:
    """Return `environment` with bytecode kept, in .venv alone.

    A town is a dozen processes. Where Python was told to write none beside sources, each of them
    would compile everything anew: three seconds instead of one.
    """
    kept = dict(environment, PYTHONPYCACHEPREFIX=str(VENV / "bytecode"))
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept


def check_interpreter_exists() -> None:
    """Refuse where the MicroPython interpreter, which runs the bips' firmware, has no wheel."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        refuse(
            "the simulated town runs the bips' firmware in the real MicroPython interpreter, "
            "which is packaged for Linux on x86_64 only; "
            f"this machine is {platform.system()} on {platform.machine()}. "
            "Run it on a PC; box, post and console themselves run here."
        )


def prepare(lock: str) -> None:
    """Bring the environment to what `lock` says; at once if it is there already."""
    if is_ready(lock):
        return
    with one_at_a_time():
        if is_ready(lock):
            return
        make_venv()
        install(ROOT / lock, first_time=not any(VENV.glob(".installed-*")))
        link_checkout()
        mark_ready(lock)


def prepare_stubs() -> Path:
    """The folder with the ESP32's type stubs, installed if need be."""
    stamp = STUBS / ".installed"
    wanted = digest(STUBS_LOCK)
    if not stamp.is_file() or stamp.read_text() != wanted:
        with one_at_a_time():
            stamp.unlink(missing_ok=True)
            install(ROOT / STUBS_LOCK, first_time=True, target=STUBS)
            stamp.write_text(wanted)
    return STUBS


def is_ready(lock: str) -> bool:
    return any(
        stamp_of(name).is_file() and stamp_of(name).read_text() == digest(name)
        for name in LOCKS[LOCKS.index(lock) :]
    )


def mark_ready(lock: str) -> None:
    """Written last, so that an interrupted installation is taken up again."""
    for stamp in VENV.glob(".installed-*"):
        stamp.unlink()
    stamp_of(lock).write_text(digest(lock))


def stamp_of(lock: str) -> Path:
    return VENV / (".installed-" + lock)


def digest(lock: str) -> str:
    """What the environment depends on: the lock, this Python, and where the checkout stands."""
    try:
        content = (ROOT / lock).read_bytes()
    except FileNotFoundError:
        refuse(f"{lock} is missing from the checkout; `git checkout {lock}` brings it back.")
    place = f"{platform.python_version()} {ROOT}\n".encode()
    return hashlib.sha256(place + content).hexdigest()


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Two commands started at once: the second waits for the first one's installation."""
    with (ROOT / ".venv.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("vigibip: another command is preparing .venv; waiting for it.")
            fcntl.flock(handle, fcntl.LOCK_EX)
        # pip holds it too: if this process is killed, its installation still ends undisturbed.
        os.set_inheritable(handle.fileno(), True)
        yield


def make_venv() -> None:
    if PYTHON.exists() and venv_version() == platform.python_version():
        return
    if importlib.util.find_spec("ensurepip") is None:
        refuse(
            "this Python cannot make virtual environments. "
            "On Debian or Raspberry Pi OS: sudo apt install python3-venv"
        )
    say("vigibip: making .venv")
    try:
        venv.create(VENV, clear=True, with_pip=True, symlinks=True)
    except (OSError, subprocess.CalledProcessError) as error:
        refuse(
            f"the virtual environment .venv could not be made: {error}\n"
            "On Debian or Raspberry Pi OS: sudo apt install python3-venv"
        )


def venv_version() -> str:
    """The version of the environment's Python, empty if it no longer runs."""
    try:
        answer = subprocess.run(
            [PYTHON, "-c", "import pip, platform; print(platform.python_version())"],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()


def install(lock: Path, *, first_time: bool, target: Path | None = None) -> None:
    """Install exactly what `lock` lists, each file checked against its hash."""
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    # The lock is complete, so nothing is resolved; bytecode is made when a module is first used.
    command += ["--require-hashes", "--no-deps", "--no-compile", "--progress-bar", "off"]
    if target is not None:
        command += ["--target", str(target), "--upgrade"]
    command += ["-r", str(lock)]
    once = " (the first time only)" if first_time else ""
    say(f"vigibip: installing what {lock.name} lists{once}")
    tail: list[str] = []
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        close_fds=False,
    ) as pip:
        count = 0
        for line in pip.stdout or ():
            tail = [*tail[-14:], line.rstrip()]
            if line.startswith("Collecting "):
                count += 1
                show_progress(count, line.split()[1])
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    if pip.returncode:
        say("\n".join(tail))
        refuse(
            f"the packages that {lock.name} lists could not be installed (pip's last words are "
            "above). Without a network: connect, or point pip at a mirror (PIP_INDEX_URL), "
            "and run the same command again; what is done is not lost."
        )


def show_progress(count: int, package: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K  {count} {package}")
        sys.stderr.flush()


def link_checkout() -> None:
    """Let the environment import the checkout's hub/ and offer its `vigibip` command."""
    library = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    site_packages = VENV / "lib" / library / "site-packages"
    (site_packages / "vigibip-checkout.pth").write_text(f"{ROOT / 'hub'}\n")
    command = VENV / "bin" / "vigibip"
    command.write_text(
        "#!/bin/sh\n"
        "# The checkout's own command: nothing is copied, so edits are live.\n"
        f'exec "{PYTHON}" -m vigibip "$@"\n'
    )
    command.chmod(0o755)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        say("\nvigibip: interrupted; the same command takes it up again.")
        sys.exit(130)
