"""Files on the flash, as an update needs them."""

import os
from hashlib import sha256

_READ = 256


def read(path: str, most: int) -> bytes | None:
    """Return the first `most` bytes of a file, None when there is none."""
    try:
        with open(path, "rb") as file:
            content: bytes = file.read(most)
            return content
    except OSError:
        return None


def size_of(path: str) -> int:
    """Return a file's size, 0 for a folder, -1 when there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return -1
    return 0 if found[0] & 0x4000 else found[6]


def digest_of(path: str) -> bytes:
    """Return the SHA-256 of a file, that of nothing when there is none."""
    found = sha256()
    try:
        with open(path, "rb") as file:
            while True:
                block = file.read(_READ)
                if not block:
                    break
                found.update(block)
    except OSError:
        pass
    digest: bytes = found.digest()
    return digest


def remove(path: str) -> None:
    """Remove a file if it is there."""
    if size_of(path) >= 0:
        os.remove(path)


def clear(folder: str) -> None:
    """Let `folder` be there, and empty."""
    if size_of(folder) < 0:
        os.mkdir(folder)
        return
    for name in os.listdir(folder):
        path = folder + "/" + name
        if os.stat(path)[0] & 0x4000:
            clear(path)
            os.rmdir(path)
        else:
            os.remove(path)
