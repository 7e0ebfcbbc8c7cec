"""Files for their owner alone: written whole or not at all, and never readable on the way.

A command run as root writes for the daemon that will read: what it makes belongs to the owner of
the directory that it is made in.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from vigibip.base.errors import StorageError


def make_private_directory(directory: Path) -> None:
    """Make `directory` for its owner alone (0700), whatever the umask. Raises StorageError."""
    try:
        if not directory.exists():
            directory.mkdir(parents=True, mode=0o700)
            _give_to_owner_of(directory.parent, directory)
        directory.chmod(0o700)
    except OSError as error:
        raise StorageError(f"{directory}: {error.strerror or error}") from error


def write_atomically(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Put `content` at `path`, on the disk, so that a power cut leaves the old file or the new.

    Raises StorageError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        # Born with its mode: a chmod after the write would leave a moment for a reader.
        descriptor = os.open(
            temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode
        )
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        _give_to_owner_of(path.parent, temporary)
        temporary.replace(path)
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise StorageError(f"{path}: {error.strerror or error}") from error


def _give_to_owner_of(directory: Path, path: Path) -> None:
    if os.geteuid() == 0:
        owner = directory.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
