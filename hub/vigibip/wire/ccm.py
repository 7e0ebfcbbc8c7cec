"""AES-CCM (RFC 3610) over a block cipher that is handed in.

`encrypt_block` takes 16 bytes and returns 16: one AES block under the key (ECB of one block).
On the device that is cryptolib's AES, on the host the cryptography package's.
"""

BLOCK = 16
TAG_LENGTH = 8
NONCE_LENGTH = 13


def _xor_into(target, data):
    for index in range(len(data)):
        target[index] ^= data[index]


def _mac(encrypt_block, nonce, aad, message):
    # RFC 3610 section 2.2 with M = 8 and L = 2: flags = 64 * (aad is there) + 8 * (M-2)/2 + L-1.
    block = bytearray(BLOCK)
    block[0] = (0x40 if aad else 0) | (((TAG_LENGTH - 2) // 2) << 3) | 1
    block[1:14] = nonce
    block[14] = len(message) >> 8
    block[15] = len(message) & 0xFF
    state = bytearray(encrypt_block(bytes(block)))
    if aad:
        # The length of the AAD takes two bytes before it; here it is always below 0xFF00.
        head = bytes((len(aad) >> 8, len(aad) & 0xFF)) + aad
        for start in range(0, len(head), BLOCK):
            _xor_into(state, head[start : start + BLOCK])
            state = bytearray(encrypt_block(bytes(state)))
    for start in range(0, len(message), BLOCK):
        _xor_into(state, message[start : start + BLOCK])
        state = bytearray(encrypt_block(bytes(state)))
    return state


def _key_stream_xor(encrypt_block, nonce, data):
    out = bytearray(data)
    counter = bytearray(BLOCK)
    counter[0] = 1
    counter[1:14] = nonce
    for start in range(0, len(data), BLOCK):
        number = start // BLOCK + 1
        counter[14] = number >> 8
        counter[15] = number & 0xFF
        stream = encrypt_block(bytes(counter))
        for index in range(start, min(start + BLOCK, len(data))):
            out[index] ^= stream[index - start]
    return out


def _tag(encrypt_block, nonce, aad, message):
    first = bytearray(BLOCK)
    first[0] = 1
    first[1:14] = nonce
    tag = _mac(encrypt_block, nonce, aad, message)
    _xor_into(tag, encrypt_block(bytes(first)))
    return bytes(tag[:TAG_LENGTH])


def seal(encrypt_block, nonce, aad, message):
    """Return the encrypted message followed by its 8-byte tag.

    `nonce` is 13 bytes, never used twice under one key; `aad` is below 0xFF00 bytes and
    `message` below 65,536. Raises ValueError when one of them is not.
    """
    if len(nonce) != NONCE_LENGTH or len(aad) >= 0xFF00 or len(message) > 0xFFFF:
        raise ValueError("ccm: nonce, aad or message of a wrong length")
    sealed = _key_stream_xor(encrypt_block, nonce, message)
    return bytes(sealed) + _tag(encrypt_block, nonce, aad, message)


def open_sealed(encrypt_block, nonce, aad, sealed):
    """Return the message, or None when the tag does not belong to all of it."""
    if len(nonce) != NONCE_LENGTH or len(sealed) < TAG_LENGTH:
        return None
    message = bytes(_key_stream_xor(encrypt_block, nonce, sealed[:-TAG_LENGTH]))
    expected = _tag(encrypt_block, nonce, aad, message)
    difference = 0
    for ours, theirs in zip(expected, sealed[-TAG_LENGTH:]):
        difference |= ours ^ theirs
    return None if difference else message
