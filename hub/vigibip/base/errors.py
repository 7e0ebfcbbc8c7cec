"""The one tree of errors.

    VigibipError
    +-- ConfigurationError (ValueError)   what a person wrote is wrong; every mistake told at once
    +-- UsageError (ValueError)           a command was given something that it cannot take
    +-- StorageError (OSError)            a disk refused, was full, or answered nonsense
    +-- PeerError (ConnectionError)       the other end is gone, or does not keep to the protocol
    +-- RefusedError (PermissionError)    authentication failed, or the answer is no

A room adds its own leaves below these, in its own errors.py or beside what raises them.
"""

from __future__ import annotations

from collections.abc import Sequence


class VigibipError(Exception):
    """Any failure that VigiBip foresees; its text can be shown to a person as it is."""


class UsageError(VigibipError, ValueError):
    """A command or a call was given something that it cannot take."""


class StorageError(VigibipError, OSError):
    """A disk refused, was full, or held something that is not ours."""


class PeerError(VigibipError, ConnectionError):
    """The other end is gone, or does not keep to the protocol."""


class RefusedError(VigibipError, PermissionError):
    """Authentication failed, or the other end said no."""


class ConfigurationError(VigibipError, ValueError):
    """Mistakes in a configuration, all of them, each with its file and key."""

    def __init__(self, source: str, mistakes: Sequence[tuple[str, str]]) -> None:
        self.source = source
        self.mistakes = tuple(mistakes)
        lines = [f"{source}: {key or '(file)'}: {text}" for key, text in self.mistakes]
        super().__init__("\n".join(lines))
