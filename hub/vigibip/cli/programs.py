"""The third-party programs that the tests use, installed from Debian where that is allowed."""

import os
import shutil
import subprocess

from vigibip.cli.bootstrap import say

# program: Debian's package of it
PACKAGES = {
    "mosquitto": "mosquitto",
    "multimon-ng": "multimon-ng",
    "chromium": "chromium",
    "gammu": "gammu",
    "gammu-smsd": "gammu-smsd",
    "smsd": "smstools",
    "bearerbox": "kannel",
}
_DAEMONS_PATH = "/usr/sbin:/sbin"
_APT_LIMIT_S = 900


def provide() -> list[str]:
    """Install the programs that are missing; return a line for each that could not be, and why."""
    missing = [program for program in PACKAGES if not is_there(program)]
    if not missing:
        return []
    why = install([PACKAGES[program] for program in missing])
    return [f"{program}: {why}" for program in missing if not is_there(program)]


def is_there(program: str) -> bool:
    path = os.environ.get("PATH", os.defpath) + os.pathsep + _DAEMONS_PATH
    return shutil.which(program, path=path) is not None


def install(packages: list[str]) -> str:
    """Ask apt for `packages`; return why it failed, empty if it did not."""
    if shutil.which("apt-get") is None:
        return "not installed, and there is no apt-get here to install it"
    become_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if become_root and not _succeeds([*become_root, "true"]):
        return f"not installed; to have it: sudo apt-get install {' '.join(packages)}"
    say(f"vigibip: installing {', '.join(packages)} with apt")
    apt = [*become_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]
    if not _succeeds([*apt, "update"]):
        return "not installed; apt-get update failed (no network?)"
    if not _succeeds([*apt, "install", "-y", "--no-install-recommends", *packages]):
        return "not installed; apt-get install failed"
    return ""


def _succeeds(command: list[str]) -> bool:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_APT_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
