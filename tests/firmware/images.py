"""Signed images for the tests of updates, and a box that gives their pieces."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from functools import cache
from typing import Any

from pyhsslms import pyhsslms

from vigibip.wire import parcel
from vigibip.workshop import program_image
from vigibip.workshop.program_image import ProgramImage


@cache
def signer(number: int = 0) -> Any:
    """Return the key of signer `number`; the tests' images do not outlive them."""
    chance = random.Random(number)
    return pyhsslms.LmsPrivateKey(
        lms_type=pyhsslms.lms_sha256_m32_h5,
        lmots_type=pyhsslms.lmots_sha256_n32_w4,
        SEED=chance.randbytes(32),
        I=chance.randbytes(16),
    )


@cache
def public_key(number: int = 0) -> bytes:
    key: bytes = signer(number).publicKey().serialize()
    return key


def signed(image: ProgramImage, by: int = 0) -> ProgramImage:
    """Return `image` signed by signer `by`: one leaf for many, as a test may and nobody else."""
    key = signer(by)
    leaf = pyhsslms.LmotsPrivateKey(
        I=key.I, q=bytes(4), SEED=key.SEED, lmots_type=pyhsslms.lmots_sha256_n32_w4
    )
    path = b"".join(key.path(1 << 5))
    return image.signed(bytes(4) + leaf.sign(image.head) + pyhsslms.lms_sha256_m32_h5 + path)


def small_files(seed: int = 0, sizes: tuple[int, ...] = (700, 5000, 90, 2300)) -> dict[str, bytes]:
    """Return files of chance, some in a package; none is a program."""
    chance = random.Random(seed)
    return {
        f"{'wire/' if number % 2 else ''}file_{number}.mpy": chance.randbytes(size)
        for number, size in enumerate(sizes)
    }


def small_image(
    seed: int = 0, *, edition: int = 1, by: int = 0, files: Mapping[str, bytes] | None = None
) -> ProgramImage:
    files = small_files(seed) if files is None else files
    return signed(program_image.packed("bip", files, edition=edition, version_told=0x0102), by=by)


def pieces(image: ProgramImage) -> list[tuple[int, int, int, bytes]]:
    """Return (name, pieces, piece, data) of each piece, as a box gives it."""
    content = image.content()
    name = int.from_bytes(hashlib.sha256(image.head).digest()[:4], "big")
    step = parcel.PIECE_LENGTH
    count = -(-len(content) // step)
    return [
        (name, count, number, content[number * step : (number + 1) * step])
        for number in range(count)
    ]
