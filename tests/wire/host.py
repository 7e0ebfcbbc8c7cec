"""The wire as the hub has it, and the golden vectors, for the tests that run on CPython."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.wire.make_vectors import FILE
from vigibip.wire import ccm, counter, frame, parcel, serial, window

VECTORS: dict[str, list[dict[str, Any]]] = json.loads(FILE.read_text(encoding="ascii"))


def name_of(vector: dict[str, Any]) -> str:
    return str(vector["name"])


class Wire:
    """What tests/wire/both.py asks for."""

    ccm = ccm
    counter = counter
    frame = frame
    parcel = parcel
    serial = serial
    window = window

    @staticmethod
    def cipher(key: bytes) -> Callable[[bytes], bytes]:
        return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update
