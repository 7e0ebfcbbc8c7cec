"""Septets in octets: 3GPP TS 23.038, 6.1.2.1.1, behind a header or not."""

from __future__ import annotations


def pack(septets: bytes, fill_bits: int = 0) -> bytes:
    """Return `septets` (one an octet) packed, after `fill_bits` (0-6) zero bits."""
    bits = 0
    for index, septet in enumerate(septets):
        bits |= (septet & 0x7F) << (fill_bits + 7 * index)
    return bits.to_bytes((fill_bits + 7 * len(septets) + 7) // 8, "little")


def unpack(octets: bytes, count: int, fill_bits: int = 0) -> bytes:
    """Return the first `count` septets of `octets`, one an octet; fewer when `octets` ends."""
    count = max(0, min(count, (8 * len(octets) - fill_bits) // 7))
    bits = int.from_bytes(octets, "little") >> fill_bits
    return bytes((bits >> (7 * index)) & 0x7F for index in range(count))
