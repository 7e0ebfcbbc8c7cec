"""Private files: whole or not at all, and for their owner alone whatever the umask."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from vigibip.base import private_files
from vigibip.base.errors import StorageError
from vigibip.base.private_files import make_private_directory, write_atomically


@pytest.fixture(params=[0o000, 0o077], ids=["open umask", "tight umask"], autouse=True)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_atomically(path, b"secret")
    assert path.read_bytes() == b"secret"
    assert _mode(path) == 0o600
    write_atomically(path, b"public", 0o644)
    assert path.read_bytes() == b"public"
    assert _mode(path) == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_leftover_of_a_crash_gives_nothing_away(tmp_path: Path) -> None:
    leftover = tmp_path / f".key.{os.getpid()}.new"
    leftover.write_bytes(b"much longer than what comes now")
    leftover.chmod(0o666)
    write_atomically(tmp_path / "key", b"short")
    assert (tmp_path / "key").read_bytes() == b"short"
    assert _mode(tmp_path / "key") == 0o600


def test_a_link_in_its_way_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched")
    (tmp_path / f".key.{os.getpid()}.new").symlink_to(victim)
    with pytest.raises(StorageError):
        write_atomically(tmp_path / "key", b"secret")
    assert victim.read_bytes() == b"untouched"


@pytest.mark.parametrize("call", ["fsync", "fchmod"])
def test_a_disk_that_refuses_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "key"
    write_atomically(path, b"old")

    def refuse(*arguments: object) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(private_files.os, call, refuse)
    with pytest.raises(StorageError, match="no space left on device"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_is_not_there_is_told_by_its_kind(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        write_atomically(tmp_path / "none" / "key", b"secret")
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        write_atomically(tmp_path / "file" / "key", b"secret")
    with pytest.raises(StorageError):
        make_private_directory(tmp_path / "file" / "directory")


def test_a_directory_is_its_owners_alone(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b"
    make_private_directory(directory)
    assert _mode(directory) == 0o700
    directory.chmod(0o777)
    make_private_directory(directory)
    assert _mode(directory) == 0o700
