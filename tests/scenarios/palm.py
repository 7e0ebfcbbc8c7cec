"""What a palm was told, as the stories tell it."""

from __future__ import annotations

from vigibip.town.driven.bip import DrivenBip


def names(bip: DrivenBip) -> list[str]:
    """Return every feel of `bip`, in order.

    "Delivered" implies "heard", and is felt in its place where a box's disk is slower than the
    post's receipt: "heard" is then told before it, for the story is the same.
    """
    felt = [feel.name for feel in bip.felt]
    if "delivered" in felt and "heard" not in felt[: felt.index("delivered")]:
        felt.insert(felt.index("delivered"), "heard")
    return felt
