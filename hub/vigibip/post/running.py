"""Whether the post's daemon runs: what it holds, and how others ask without touching that."""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path

from vigibip.base.errors import StorageError, UsageError
from vigibip.post.config import PostSettings

_log = logging.getLogger(__name__)

_LOCKS = Path("/proc/locks")


def post_runs(lock_file: Path) -> bool | None:
    """Return whether a process holds the daemon's lock; None: this machine does not say.

    The lock itself is not tried: a daemon that starts at that instant would be refused.
    """
    try:
        inode = lock_file.stat().st_ino
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        locks = _LOCKS.read_text(encoding="ascii")
    except OSError:
        return None
    # "1: FLOCK  ADVISORY  WRITE 412 08:01:131 0 EOF"; the device is another one on some overlays.
    return any(
        fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == str(inode)
        for fields in map(str.split, locks.splitlines())
        if len(fields) >= 6
    )


def hold(settings: PostSettings) -> list[int]:
    """Hold the directory for this process; it is given back when the process ends, however.

    The directory itself is locked: a full or read-only disk has no room for a lock file. The
    console looks at the file beside it.
    """
    held: list[int] = []
    try:
        held.append(os.open(settings.data_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        fcntl.flock(held[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        let_go(held)
        if isinstance(error, BlockingIOError):
            raise UsageError(f"another post serves {settings.data_dir}") from error
        raise StorageError(f"{settings.data_dir}: {error.strerror}") from error
    try:
        seen = settings.data_dir / "post.lock"
        held.append(os.open(seen, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        fcntl.flock(held[1], fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        _log.error("the console cannot see that the post runs: %s", error.strerror)
    return held


def let_go(held: list[int]) -> None:
    while held:
        os.close(held.pop())
