"""Signing keys: a leaf signs once, whatever falls between."""

from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import os
import shutil
from pathlib import Path

import pytest

from vigibip.base.errors import StorageError, UsageError
from vigibip.wire import lms
from vigibip.workshop import signing

SHA256 = hashlib.sha256


def leaf_of(signature: bytes) -> int:
    return int.from_bytes(signature[:4], "big")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    signing.new_key(tmp_path / "town.key", height=5)
    return tmp_path / "town.key"


def test_what_it_signs_checks_against_the_public_key_beside_it(key: Path) -> None:
    public_key = signing.public_key_of(key)
    assert signing.public_key_of(key.with_name("town.key.pub")) == public_key
    signature = signing.sign(key, b"a head")
    assert lms.is_signed(SHA256, public_key, b"a head", signature)
    assert not lms.is_signed(SHA256, public_key, b"another", signature)


def test_nobody_else_may_read_it(key: Path) -> None:
    signing.sign(key, b"x")
    assert key.stat().st_mode & 0o077 == 0


def test_a_key_is_never_overwritten(key: Path) -> None:
    with pytest.raises(UsageError, match="never overwritten"):
        signing.new_key(key, height=5)
    key.unlink()
    with pytest.raises(UsageError, match="its log"):
        signing.new_key(key, height=5)


def test_each_leaf_signs_once_and_then_the_key_is_used_up(key: Path) -> None:
    leaves = [leaf_of(signing.sign(key, b"%d" % number)) for number in range(32)]
    assert leaves == list(range(32))
    assert signing.signatures_left(key) == 0
    with pytest.raises(signing.KeyUsedUpError):
        signing.sign(key, b"one more")


def test_a_fall_after_the_leaf_is_on_the_disk_skips_it(
    key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def falls(*_: object, **__: object) -> None:
        raise RuntimeError("planted")

    with monkeypatch.context() as patched:
        patched.setattr(signing.pyhsslms, "LmsPrivateKey", falls)
        with pytest.raises(RuntimeError):
            signing.sign(key, b"x")
    assert leaf_of(signing.sign(key, b"x")) == 1


@pytest.mark.parametrize("call", range(6))
def test_a_disk_that_refuses_at_any_fsync_lets_no_signature_out(
    key: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    made: list[bytes] = []
    done = 0
    fsync = os.fsync

    def refuses(handle: int) -> None:
        nonlocal done
        done += 1
        if done == call + 1:
            raise OSError(5, "planted")
        fsync(handle)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuses)
        with contextlib.suppress(StorageError):
            made.append(signing.sign(key, b"x"))
        assert made == [] or done <= call, "signed though the disk refused"
    made.append(signing.sign(key, b"y"))
    leaves = [leaf_of(signature) for signature in made]
    assert len(set(leaves)) == len(leaves)


def test_a_key_that_was_restored_does_not_go_back_while_its_log_is_there(key: Path) -> None:
    shutil.copy(key, key.with_name("backup"))
    first = [leaf_of(signing.sign(key, b"%d" % number)) for number in range(3)]
    shutil.copy(key.with_name("backup"), key)
    assert leaf_of(signing.sign(key, b"again")) == max(first) + 1


def test_a_key_without_its_log_signs_nothing(key: Path) -> None:
    key.with_name("town.key.log").unlink()
    with pytest.raises(StorageError, match="which leaves"):
        signing.sign(key, b"x")


def test_a_log_that_a_power_cut_tore_still_tells_its_leaf(key: Path) -> None:
    shutil.copy(key, key.with_name("backup"))
    signing.sign(key, b"x")
    signing.sign(key, b"y")
    shutil.copy(key.with_name("backup"), key)
    log = key.with_name("town.key.log")
    log.write_text(log.read_text() + "2 0badc0")
    assert leaf_of(signing.sign(key, b"z")) == 3


def test_two_at_once_never_share_a_leaf(key: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        made = pool.starmap(signing.sign, [(key, b"%d" % number) for number in range(6)])
    assert sorted(leaf_of(signature) for signature in made) == list(range(6))


@pytest.mark.parametrize("content", ["", "{}", "[]", "not json", '{"format": 2}', "\u00e9"])
def test_what_is_no_key_is_told_without_showing_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "k"
    path.write_text(content)
    path.with_name("k.log").touch()
    for call in (signing.public_key_of, signing.signatures_left, lambda p: signing.sign(p, b"x")):
        with pytest.raises(UsageError):
            call(path)


def test_an_error_shows_no_seed(key: Path) -> None:
    told = json.loads(key.read_text())
    seed = told["seed"]
    told["identity"] = "zz"
    key.write_text(json.dumps(told))
    with pytest.raises(UsageError) as caught:
        signing.sign(key, b"x")
    assert seed not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_tree_of_another_height_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="height"):
        signing.new_key(tmp_path / "k", height=6)
