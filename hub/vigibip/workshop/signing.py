"""Keys that sign images, and signing: LMS (RFC 8554), whose every leaf signs once and never again.

Two signatures by one leaf give the key away. So the leaf that comes next stands on the disk before
a signature is made, in the key's file and in a log beside it: the higher of the two counts, and a
key's file that was restored from a backup does not go back while its log is there.

The mathematics are pyhsslms's, by an author of the standards that put LMS into CMS and X.509;
its own key files are not used, since they are written after the signature and without fsync.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyhsslms import pyhsslms

from vigibip.base.errors import StorageError, UsageError
from vigibip.wire import lms

_FORMAT = 1
_ONE_TIME = pyhsslms.lmots_sha256_n32_w4
_TREES = {5: pyhsslms.lms_sha256_m32_h5, 10: pyhsslms.lms_sha256_m32_h10}
# 1,024 images outlast a product's life; the next height takes minutes to make.
HEIGHT = 10


class KeyUsedUpError(StorageError):
    """Every leaf of the key has signed: devices need a new signer's key, by cable."""


@dataclass(frozen=True, slots=True)
class _State:
    height: int
    seed: bytes
    identity: bytes
    next_leaf: int
    public_key: bytes


def new_key(path: Path, *, height: int = HEIGHT) -> bytes:
    """Make a key in the new file `path`, for its owner's eyes only; return the public key.

    The public key is also written, in hexadecimal, to `path`.pub: 56 bytes, which a bip is given
    when it is provisioned. height: 10, or 5 for 32 signatures. Takes seconds. Raises UsageError
    when `path` or its log is there, StorageError.
    """
    if height not in _TREES:
        raise UsageError(f"no tree of height {height}: 5 or 10")
    if path.exists() or _log_of(path).exists():
        raise UsageError(f"{path} or its log is there already: a key is never overwritten")
    made = pyhsslms.LmsPrivateKey(lms_type=_TREES[height], lmots_type=_ONE_TIME)
    public_key: bytes = made.publicKey().serialize()
    state = _State(height, made.SEED, made.I, 0, public_key)
    _log_of(path).touch(mode=0o600)
    _write(path, state)
    path.with_name(path.name + ".pub").write_text(public_key.hex() + "\n", encoding="ascii")
    return public_key


def sign(path: Path, message: bytes) -> bytes:
    """Return the signature of `message` by the key in `path`, whose next leaf it uses up.

    Takes seconds: the whole tree is computed anew. Raises UsageError when `path` holds no key,
    KeyUsedUpError, StorageError when the leaf could not be put on the disk (nothing is signed).
    """
    with _locked(path):
        state = _read(path)
        leaf = max(state.next_leaf, _highest_logged(path) + 1)
        if leaf >> state.height:
            raise KeyUsedUpError(f"{path}: all {1 << state.height} leaves have signed")
        _log(path, leaf, hashlib.sha256(message).hexdigest())
        _write(path, _State(state.height, state.seed, state.identity, leaf + 1, state.public_key))
    key = pyhsslms.LmsPrivateKey(
        lms_type=_TREES[state.height],
        lmots_type=_ONE_TIME,
        SEED=state.seed,
        I=state.identity,
        q=leaf,
    )
    signature: bytes = key.sign(message)
    if not lms.is_signed(hashlib.sha256, state.public_key, message, signature):
        raise StorageError(f"{path}: what it signs does not check against its own public key")
    return signature


def public_key_of(path: Path) -> bytes:
    """Return the public key in `path`, a key's file or its .pub. Raises UsageError."""
    try:
        text = path.read_text(encoding="ascii")
        public_key = bytes.fromhex(text) if path.suffix == ".pub" else _read(path).public_key
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} holds no key: {error}") from error
    if not lms.signature_length(public_key):
        raise UsageError(f"{path} holds no public key of this kind")
    return public_key


def signatures_left(path: Path) -> int:
    """Return how many signatures the key in `path` has left. Raises UsageError, StorageError."""
    state = _read(path)
    return (1 << state.height) - max(state.next_leaf, _highest_logged(path) + 1)


def _read(path: Path) -> _State:
    try:
        told = json.loads(path.read_text(encoding="ascii"))
        if told["format"] != _FORMAT or told["height"] not in _TREES:
            raise UsageError(f"{path} is a key of another format")
        return _State(
            int(told["height"]),
            bytes.fromhex(told["seed"]),
            bytes.fromhex(told["identity"]),
            int(told["next_leaf"]),
            bytes.fromhex(told["public_key"]),
        )
    except (OSError, UnicodeError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, UsageError):
            raise
        # Not the error's own words: they may quote the file.
        raise UsageError(f"{path} holds no key ({type(error).__name__})") from None


def _write(path: Path, state: _State) -> None:
    told = {
        "format": _FORMAT,
        "height": state.height,
        "next_leaf": state.next_leaf,
        "identity": state.identity.hex(),
        "seed": state.seed.hex(),
        "public_key": state.public_key.hex(),
    }
    fresh = path.with_name(path.name + ".new")
    try:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            json.dump(told, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from error


def _log(path: Path, leaf: int, digest: str) -> None:
    try:
        with _log_of(path).open("a", encoding="ascii") as file:
            file.write(f"{leaf} {digest}\n")
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(path.parent)
    except OSError as error:
        raise StorageError(f"{_log_of(path)}: {error.strerror}") from error


def _highest_logged(path: Path) -> int:
    try:
        lines = _log_of(path).read_text(encoding="ascii", errors="replace").splitlines()
    except FileNotFoundError:
        raise StorageError(
            f"{_log_of(path)} is missing: without it nobody knows which leaves have signed"
        ) from None
    except OSError as error:
        raise StorageError(f"{_log_of(path)}: {error.strerror}") from error
    # A line that a power cut tore still begins with its leaf.
    words = [line.split(" ")[0] for line in lines]
    return max((int(word) for word in words if word.isdecimal()), default=-1)


def _log_of(path: Path) -> Path:
    return path.with_name(path.name + ".log")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let no two signings run at once. Raises UsageError when there is no key."""
    try:
        file = path.with_name(path.name + ".lock").open("w")
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
