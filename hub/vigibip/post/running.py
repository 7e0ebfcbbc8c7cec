"""Whether the post's daemon runs, asked without touching what it holds."""

from __future__ import annotations

from pathlib import Path

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
