"""AES-CCM (RFC 3610) over a block cipher that is handed in.

`encrypt_block` takes 16 bytes and returns 16: one AES block under the key (ECB of one block).
On the device that is cryptolib's AES, on the host the cryptography package's.
"""

# MicroPython has no typing module; a type checker takes this name for true.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Buffer = bytes | bytearray | memoryview
    EncryptBlock = Callable[[bytes], bytes]

BLOCK = 16
TAG_LENGTH = 8
NONCE_LENGTH = 13
# RFC 3610 section 2.2: from 0xFF00 on, the length of the AAD would take more than two bytes.
AAD_MAX = 0xFEFF
# L = 2: the length of the message, and the number of a key stream block, take two bytes.
MESSAGE_MAX = 0xFFFF


def _chain(encrypt_block: "EncryptBlock", state: bytearray, text: "Buffer") -> None:
    # CBC-MAC over `text`, whose last block counts as filled up with zeros.
    size = len(text)
    start = 0
    while start < size:
        for index in range(start, min(start + BLOCK, size)):
            state[index - start] ^= text[index]
        state[:] = encrypt_block(bytes(state))
        start += BLOCK


def _tag(
    encrypt_block: "EncryptBlock", nonce: "Buffer", aad: "Buffer", message: "Buffer"
) -> bytearray:
    # RFC 3610 section 2.2 with M = 8 and L = 2: flags = 64 * (aad is there) + 8 * (M-2)/2 + L-1.
    flags = (0x40 if aad else 0) | (((TAG_LENGTH - 2) // 2) << 3) | 1
    size = len(message)
    block = bytearray((flags,)) + nonce + bytes((size >> 8, size & 0xFF))
    state = bytearray(encrypt_block(bytes(block)))
    if aad:
        _chain(encrypt_block, state, bytes((len(aad) >> 8, len(aad) & 0xFF)) + aad)
    _chain(encrypt_block, state, message)
    # Section 2.3: block 0 of the key stream covers the tag.
    first = _key_block(encrypt_block, nonce, 0)
    for index in range(TAG_LENGTH):
        state[index] ^= first[index]
    return state[:TAG_LENGTH]


def _key_block(encrypt_block: "EncryptBlock", nonce: "Buffer", number: int) -> bytes:
    return encrypt_block(b"\x01" + nonce + bytes((number >> 8, number & 0xFF)))


def _key_stream_xor(encrypt_block: "EncryptBlock", nonce: "Buffer", data: "Buffer") -> bytearray:
    out = bytearray(data)
    size = len(out)
    start = 0
    while start < size:
        stream = _key_block(encrypt_block, nonce, start // BLOCK + 1)
        for index in range(start, min(start + BLOCK, size)):
            out[index] ^= stream[index - start]
        start += BLOCK
    return out


def seal(encrypt_block: "EncryptBlock", nonce: "Buffer", aad: "Buffer", message: "Buffer") -> bytes:
    """Return the encrypted message followed by its 8-byte tag.

    `nonce` is 13 bytes, never used twice under one key; `aad` is below 0xFF00 bytes and
    `message` below 65,536. Raises ValueError when one of them is not.
    """
    if len(nonce) != NONCE_LENGTH or len(aad) > AAD_MAX or len(message) > MESSAGE_MAX:
        raise ValueError("ccm: nonce, aad or message of a wrong length")
    sealed = _key_stream_xor(encrypt_block, nonce, message)
    return bytes(sealed + _tag(encrypt_block, nonce, aad, message))


def open_sealed(
    encrypt_block: "EncryptBlock", nonce: "Buffer", aad: "Buffer", sealed: "Buffer"
) -> bytes | None:
    """Return the message, or None when the tag does not belong to all of it."""
    size = len(sealed) - TAG_LENGTH
    if len(nonce) != NONCE_LENGTH or len(aad) > AAD_MAX or not 0 <= size <= MESSAGE_MAX:
        return None
    message = _key_stream_xor(encrypt_block, nonce, sealed[:size])
    expected = _tag(encrypt_block, nonce, aad, message)
    # Every byte is looked at whatever the first ones say, so that time tells nothing of the tag.
    difference = 0
    for index in range(TAG_LENGTH):
        difference |= expected[index] ^ sealed[size + index]
    return None if difference else bytes(message)
