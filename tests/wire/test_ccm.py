"""AES-CCM against the cryptography package's, which is the oracle."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.host import Wire
from vigibip.wire import ccm

KEYS = st.binary(min_size=16, max_size=16)
NONCES = st.binary(min_size=13, max_size=13)


@settings(deadline=None)
@given(KEYS, NONCES, st.binary(max_size=100), st.binary(max_size=300))
def test_it_seals_and_opens_as_the_oracle_does(
    key: bytes, nonce: bytes, aad: bytes, message: bytes
) -> None:
    oracle = AESCCM(key, tag_length=8)
    sealed = ccm.seal(Wire.cipher(key), nonce, aad, message)
    assert sealed == oracle.encrypt(nonce, message, aad)
    assert ccm.open_sealed(Wire.cipher(key), nonce, aad, sealed) == message
    assert oracle.decrypt(nonce, sealed, aad) == message


@pytest.mark.parametrize("length", [0xFF, 0x100, 0xFEFF, ccm.MESSAGE_MAX])
def test_the_longest_inputs_are_the_oracles_too(length: int) -> None:
    key, nonce = bytes(16), bytes(13)
    aad = b"a" * min(length, ccm.AAD_MAX)
    message = b"m" * length
    sealed = ccm.seal(Wire.cipher(key), nonce, aad, message)
    assert sealed == AESCCM(key, tag_length=8).encrypt(nonce, message, aad)
    assert ccm.open_sealed(Wire.cipher(key), nonce, aad, sealed) == message


@pytest.mark.parametrize(
    ("nonce", "aad", "message"),
    [
        (b"n" * 12, b"", b""),
        (b"n" * 14, b"", b""),
        (b"", b"", b""),
        (b"n" * 13, b"a" * (ccm.AAD_MAX + 1), b""),
        (b"n" * 13, b"", b"m" * (ccm.MESSAGE_MAX + 1)),
    ],
)
def test_wrong_lengths_are_refused(nonce: bytes, aad: bytes, message: bytes) -> None:
    encrypt = Wire.cipher(bytes(16))
    with pytest.raises(ValueError, match="wrong length"):
        ccm.seal(encrypt, nonce, aad, message)
    assert ccm.open_sealed(encrypt, nonce, aad, message + bytes(8)) is None


def test_less_than_a_tag_is_not_opened() -> None:
    for length in range(ccm.TAG_LENGTH):
        assert ccm.open_sealed(Wire.cipher(bytes(16)), bytes(13), b"", bytes(length)) is None


def test_the_cipher_sees_single_blocks_only() -> None:
    """A hardware AES, or one that keeps a state, is given 16 bytes at a time."""
    seen: list[int] = []
    encrypt = Wire.cipher(bytes(16))

    def counting(block: bytes) -> bytes:
        seen.append(len(block))
        assert type(block) is bytes
        return encrypt(block)

    sealed = ccm.seal(counting, bytes(13), bytes(10), bytes(32))
    # B_0, one block of AAD, two of message; A_0, A_1, A_2.
    assert seen == [16] * 7
    assert ccm.open_sealed(counting, bytes(13), bytes(10), sealed) == bytes(32)
    assert seen == [16] * 14
