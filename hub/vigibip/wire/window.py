"""The replay window over a sender's counters: the highest one seen, and the 64 that end with it."""

WIDTH = 64

NEW = 0
SEEN = 1
OUTSIDE = 2


def judge(highest: int, bits: int, counter: int) -> int:
    """Return NEW, SEEN or OUTSIDE for `counter`.

    highest: the highest counter accepted, -1 for none. bits: bit n says that highest - n was
    accepted. OUTSIDE is below the window: neither seen nor unseen can be told.
    """
    if counter > highest:
        return NEW
    distance = highest - counter
    if distance >= WIDTH:
        return OUTSIDE
    return SEEN if bits >> distance & 1 else NEW


def accept(highest: int, bits: int, counter: int) -> tuple[int, int]:
    """Return (highest, bits) with `counter` marked; one that is OUTSIDE changes nothing."""
    if counter > highest:
        shift = counter - highest
        bits = 1 if shift >= WIDTH else (bits << shift | 1) & ((1 << WIDTH) - 1)
        return counter, bits
    distance = highest - counter
    if distance < WIDTH:
        bits |= 1 << distance
    return highest, bits
