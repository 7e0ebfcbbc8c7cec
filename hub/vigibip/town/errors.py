"""What can go wrong in a town, beyond what its rooms raise themselves."""

from __future__ import annotations

from vigibip.base.errors import VigibipError


class TownError(VigibipError, RuntimeError):
    """A part of the town did not start, ended by itself, or did not do its part in time."""


class HopError(TownError, TimeoutError):
    """A press did not reach a stage of its way in time."""

    def __init__(self, stage: str, text: str) -> None:
        super().__init__(text)
        self.stage = stage
