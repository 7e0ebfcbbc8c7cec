"""Images and their signatures: RFC 8554's own vectors, in both interpreters, and every byte."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyhsslms.pyhsslms as oracle
import pytest

from tests.wire.host import name_of
from vigibip import wire
from vigibip.wire import image, lms

HERE = Path(__file__).parent
# The checks import each other by the names that MicroPython finds them under.
sys.path.insert(0, str(HERE))
import both_signed as both  # noqa: E402

sys.path.remove(str(HERE))

VECTORS: list[dict[str, Any]] = json.loads((HERE / "lms_vectors.json").read_text())["vectors"]
# What 64 KB are on a 32-bit ESP32, in the 64-bit interpreter's words.
HEAP = "heapsize=64wk"
# Only a bip that updates itself loads them, beside all that a press takes.
PACKAGE_MAX_BYTES = 10_000


@pytest.mark.parametrize("vector", VECTORS, ids=name_of)
def test_the_standard_s_own_signatures_are_taken(vector: dict[str, Any]) -> None:
    both.check_vector(lms, hashlib.sha256, vector)


def test_no_byte_of_a_signature_may_be_another() -> None:
    for vector in VECTORS:
        width_4 = vector["public_key"][14:16] == "03"
        both.check_every_byte(lms, hashlib.sha256, vector, 1 if width_4 else 97)
        both.check_lengths(lms, hashlib.sha256, vector)
    both.check_others(lms, hashlib.sha256, VECTORS)
    both.fuzz_signatures(lms, hashlib.sha256, VECTORS[2], 500)


@pytest.mark.parametrize(
    "check", [both.check_head, both.check_head_refusals, both.check_names, both.check_sizes]
)
def test_heads(check: Any) -> None:
    check(image)


def test_damaged_heads() -> None:
    assert both.fuzz_heads(image, 5000) < 5000


@pytest.mark.parametrize("one_time", [oracle.lmots_sha256_n32_w4, oracle.lmots_sha256_n32_w8])
def test_what_another_implementation_signs_is_taken_leaf_by_leaf(one_time: bytes) -> None:
    key = oracle.LmsPrivateKey(lms_type=oracle.lms_sha256_m32_h5, lmots_type=one_time)
    public_key = key.publicKey().serialize()
    other = oracle.LmsPrivateKey(lms_type=oracle.lms_sha256_m32_h5, lmots_type=one_time)
    other_key = other.publicKey().serialize()
    while not key.is_exhausted():
        message = key.remaining().to_bytes(40, "big")
        signature = key.sign(message)
        assert lms.is_signed(hashlib.sha256, public_key, message, signature)
        assert not lms.is_signed(hashlib.sha256, public_key, message + b"!", signature)
        assert not lms.is_signed(hashlib.sha256, other_key, message, signature)


@pytest.mark.requires_program("micropython")
def test_the_device_agrees_and_has_room_for_it(tmp_path: Path) -> None:
    assert wire.__file__ is not None
    (tmp_path / "wire").mkdir()
    for source in Path(wire.__file__).parent.glob("*.py"):
        shutil.copy(source, tmp_path / "wire" / source.name)
    done = subprocess.run(
        ["micropython", "-X", HEAP, str(HERE / "signed_on_device.py"), str(tmp_path), "200"],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["vectors"] == len(VECTORS) == 4
    assert told["package_bytes"] < PACKAGE_MAX_BYTES
    assert told["room_bytes"] <= 8192
