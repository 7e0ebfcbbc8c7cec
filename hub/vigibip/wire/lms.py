"""The check of an LMS signature (RFC 8554, SHA-256): is this message from who holds the key?

Only the check: keys and signatures are made elsewhere. One tree, no hierarchy; trees of 32 and
1,024 leaves, Winternitz 4 and 8. A kilobyte of memory, whatever is signed.

`sha256` is hashlib's, of either interpreter: called with bytes, it gives an object with `update`
and `digest`.
"""

import struct

# MicroPython has no typing module; a type checker takes this name for true.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .ccm import Buffer

PUBLIC_KEY_LENGTH = 56

_HASH = 32
_ID = 16
# RFC 8554 section 5.1: the tree's height, by its type.
_HEIGHTS = {5: 5, 6: 10}
# Section 4.1: width in bits, number of chains, shift of the checksum, by the one-time type.
_ONE_TIME = {3: (4, 67, 4), 4: (8, 34, 0)}
# Sections 4.3 to 5.3: what keeps one hash's input from being another's.
_D_PBLC = b"\x80\x80"
_D_MESG = b"\x81\x81"
_D_LEAF = b"\x82\x82"
_D_INTR = b"\x83\x83"


def signature_length(public_key: "Buffer") -> int:
    """Return the length of a signature under `public_key`; 0 when that is no key of ours."""
    if len(public_key) != PUBLIC_KEY_LENGTH:
        return 0
    tree, one_time = struct.unpack_from(">II", public_key)
    if tree not in _HEIGHTS or one_time not in _ONE_TIME:
        return 0
    return 12 + _HASH * (1 + _ONE_TIME[one_time][1] + _HEIGHTS[tree])


def is_signed(sha256: "Any", public_key: "Buffer", message: "Buffer", signature: "Buffer") -> bool:
    """Return whether `signature` is of `message` and by the owner of `public_key`. Never raises."""
    if len(signature) != signature_length(public_key) or not signature:
        return False
    tree, one_time = struct.unpack_from(">II", public_key)
    width, chains, _ = _ONE_TIME[one_time]
    height = _HEIGHTS[tree]
    leaf, signed_one_time = struct.unpack_from(">II", signature)
    path = 8 + _HASH * (1 + chains)
    signed_tree = struct.unpack_from(">I", signature, path)[0]
    if signed_one_time != one_time or signed_tree != tree or leaf >> height:
        return False
    identity = bytes(public_key[8 : 8 + _ID])
    digest = _one_time_key(sha256, identity, leaf, one_time, message, signature)
    # Section 5.4.2: from the leaf up to the root.
    node = leaf + (1 << height)
    digest = sha256(identity + struct.pack(">I", node) + _D_LEAF + digest).digest()
    place = path + 4
    while node > 1:
        beside = bytes(signature[place : place + _HASH])
        pair = beside + digest if node & 1 else digest + beside
        node >>= 1
        digest = sha256(identity + struct.pack(">I", node) + _D_INTR + pair).digest()
        place += _HASH
    return bool(digest == bytes(public_key[8 + _ID :]))


def _one_time_key(
    sha256: "Any", identity: bytes, leaf: int, one_time: int, message: "Buffer", signature: "Buffer"
) -> bytes:
    # Section 4.6: each chain is gone to its end, from where the message's digit has it.
    width, chains, shift = _ONE_TIME[one_time]
    top = (1 << width) - 1
    head = identity + struct.pack(">I", leaf)
    hashed = sha256(head + _D_MESG + bytes(signature[8 : 8 + _HASH]))
    hashed.update(message)
    digits = bytearray(hashed.digest())
    checksum = 0
    for byte in digits:
        checksum += top - byte if width == 8 else 2 * top - (byte >> 4) - (byte & 15)
    digits.extend(struct.pack(">H", checksum << shift))
    key = sha256(head + _D_PBLC)
    # One buffer for the thousand hashes: identity, leaf, chain (2), step (1), value.
    link = bytearray(head + bytes(3 + _HASH))
    for chain in range(chains):
        struct.pack_into(">H", link, 20, chain)
        start = 8 + _HASH * (1 + chain)
        value = bytes(signature[start : start + _HASH])
        digit = digits[chain] if width == 8 else digits[chain >> 1] >> (0 if chain & 1 else 4) & 15
        for step in range(digit, top):
            link[22] = step
            link[23:] = value
            value = sha256(link).digest()
        key.update(value)
    return bytes(key.digest())
