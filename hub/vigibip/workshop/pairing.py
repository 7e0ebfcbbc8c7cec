"""The box that a bip is paired with, as the workshop sees it; the command line fills it in."""

from __future__ import annotations

from enum import Enum
from typing import Protocol


class Known(Enum):
    """What a box knows of a device id."""

    NO = "no"
    PAIRED = "paired"
    REVOKED = "revoked"
    OTHER_KEY = "other-key"  # paired, with a key that this bip does not have


class Pairing(Protocol):
    """A box within reach. Each call may raise VigibipError."""

    @property
    def channel(self) -> int:
        """The radio channel of its receiver, 1 to 13."""

    def known(self, device_id: int, key: bytes) -> Known: ...

    def pair(self, device_id: int, name: str, key: bytes) -> None: ...

    def revoke(self, device_id: int) -> None:
        """Listen to it no more; nothing happens when it is not paired."""

    def heard(self, device_id: int) -> str | None:
        """Return when the box last heard it, None if never or if the box does not run."""
