"""The check of an LMS signature (RFC 8554, SHA-256): is this message from who holds the key?

Only the check: keys and signatures are made elsewhere. One tree, no hierarchy; trees of 32 and
1,024 leaves, Winternitz 4 and 8. The signature may come in parts, of which none is kept.

`sha256` is hashlib's, of either interpreter: called with bytes, it gives an object with `update`
and `digest`.
"""

import struct

# MicroPython has no typing module; a type checker takes this name for true.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from .ccm import Buffer

PUBLIC_KEY_LENGTH = 56
# How a check ends.
SIGNED = 0
REFUSED = -1

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
    check = checking(sha256, public_key, message)
    wanted = next(check)
    at = 0
    while wanted > 0:
        part = bytes(signature[at : at + wanted])
        at += wanted
        wanted = check.send(part)
    return wanted == SIGNED


def checking(
    sha256: "Any", public_key: "Buffer", message: "Buffer"
) -> "Generator[int, bytes, None]":
    """Check a signature that comes in parts: yield how many bytes come next, and be sent them.

    In the end yield SIGNED, or REFUSED as soon as that is sure. No more than 32 bytes of the
    signature are kept at a time. `public_key` is one that has a `signature_length`.
    """
    tree, one_time = struct.unpack_from(">II", public_key)
    chains = _ONE_TIME[one_time][1]
    height = _HEIGHTS[tree]
    identity = bytes(public_key[8 : 8 + _ID])
    leaf, signed_one_time = struct.unpack(">II", (yield 8))
    if signed_one_time != one_time or leaf >> height:
        yield REFUSED
        return
    # Section 4.6: each chain is gone to its end, from where the message's digit has it.
    head = identity + struct.pack(">I", leaf)
    digits = _digits(sha256, one_time, head, (yield _HASH), message)
    key = sha256(head + _D_PBLC)
    # One buffer for the thousand hashes: identity, leaf, chain (2), step (1), value.
    link = bytearray(head + bytes(3 + _HASH))
    for chain in range(chains):
        key.update(_chain_end(sha256, one_time, link, chain, digits, (yield _HASH)))
    if struct.unpack(">I", (yield 4))[0] != tree:
        yield REFUSED
        return
    # Section 5.4.2: from the leaf up to the root.
    node = leaf + (1 << height)
    digest = sha256(identity + struct.pack(">I", node) + _D_LEAF + key.digest()).digest()
    while node > 1:
        beside = yield _HASH
        pair = beside + digest if node & 1 else digest + beside
        node >>= 1
        digest = sha256(identity + struct.pack(">I", node) + _D_INTR + pair).digest()
    yield SIGNED if digest == bytes(public_key[8 + _ID :]) else REFUSED


def _digits(
    sha256: "Any", one_time: int, head: bytes, random: bytes, message: "Buffer"
) -> bytearray:
    # The message's hash and its checksum, section 4.4.
    width, _, shift = _ONE_TIME[one_time]
    top = (1 << width) - 1
    hashed = sha256(head + _D_MESG + random)
    hashed.update(message)
    digits = bytearray(hashed.digest())
    checksum = 0
    for byte in digits:
        checksum += top - byte if width == 8 else 2 * top - (byte >> 4) - (byte & 15)
    digits.extend(struct.pack(">H", checksum << shift))
    return digits


def _chain_end(
    sha256: "Any", one_time: int, link: bytearray, chain: int, digits: bytearray, value: bytes
) -> bytes:
    width = _ONE_TIME[one_time][0]
    digit = digits[chain] if width == 8 else digits[chain >> 1] >> (0 if chain & 1 else 4) & 15
    struct.pack_into(">H", link, 20, chain)
    for step in range(digit, (1 << width) - 1):
        link[22] = step
        link[23:] = value
        value = sha256(link).digest()
    return value
