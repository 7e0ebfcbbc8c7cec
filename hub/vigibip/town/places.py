"""Where a town keeps its files, and which ports it takes."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import IO

_PREFIX = "vigibip-town-"
_LOCK = "in-use"


class Place:
    """A directory of the town's own, removed when it is left.

    It stands in the system's temporary directory: the path of a UNIX socket has at most 107
    bytes. What a killed town left behind is removed by the next one.
    """

    def __init__(self, parent: Path | None = None, *, keep: bool = False) -> None:
        parent = parent or Path(tempfile.gettempdir())
        _sweep(parent)
        self.root = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        self._keep = keep
        self._lock: IO[bytes] = (self.root / _LOCK).open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def make(self, name: str) -> Path:
        """Return the directory `name` under the root, made if it is not there."""
        path = self.root / name
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def leave(self) -> None:
        """Remove everything, unless it was to be kept."""
        self._lock.close()
        if not self._keep:
            shutil.rmtree(self.root, ignore_errors=True)


def cache_directory() -> Path:
    """Return where rendered speech outlasts a town, by the XDG base directory specification."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    path = Path(base) / "vigibip"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def free_ports(count: int) -> list[int]:
    """Return `count` TCP ports of the loopback that are free now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for holder in sockets:
            holder.bind(("127.0.0.1", 0))
        return [holder.getsockname()[1] for holder in sockets]
    finally:
        for holder in sockets:
            holder.close()


def is_listening(port: int) -> bool:
    """Tell whether anybody listens on the TCP port, without knocking at it."""
    # proc(5): the second field is the local address, the fourth the state, 0A for LISTEN.
    for table in ("tcp", "tcp6"):
        path = Path("/proc/net") / table
        lines = path.read_text(encoding="ascii").splitlines()[1:] if path.exists() else []
        for line in lines:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                return True
    return False


def _sweep(parent: Path) -> None:
    for left in parent.glob(f"{_PREFIX}*"):
        try:
            with (left / _LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # in use, being made, or not ours
            continue
        shutil.rmtree(left, ignore_errors=True)
