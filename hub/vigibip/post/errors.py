"""The post's own errors.

VigibipError
+-- RefusedError
|   +-- UnknownBoxError      no such box, not enrolled yet, or revoked
|   +-- CopiedSmsError       an SMS that was taken before
|       +-- OldSmsError      an SMS that is too old to tell
+-- StorageError
|   +-- NewerStoreError      a newer release has written this store
+-- UnknownIncidentError (LookupError)   no incident has this id
+-- PressedAgainError (RuntimeError)     whoever wants to close it has not seen its last press

`IllegalEventError` of alert.life stands here too: the store raises it to rooms that know no alerts.
"""

from __future__ import annotations

from vigibip.alert.life import IllegalEventError
from vigibip.base.errors import RefusedError, StorageError, VigibipError

__all__ = [
    "CopiedSmsError",
    "IllegalEventError",
    "NewerStoreError",
    "OldSmsError",
    "PressedAgainError",
    "UnknownBoxError",
    "UnknownIncidentError",
]


class UnknownBoxError(RefusedError):
    """The post does not know this box, or no longer does."""


class CopiedSmsError(RefusedError):
    """This SMS's sequence was taken before: a copy of what was said."""


class OldSmsError(CopiedSmsError):
    """This SMS's sequence lies below the window: whether it is a copy cannot be told."""


class NewerStoreError(StorageError):
    """A newer release has written this store: going on would spoil what it keeps."""


class UnknownIncidentError(VigibipError, LookupError):
    """No incident has this id."""


class PressedAgainError(VigibipError, RuntimeError):
    """The incident has a press that the one who wants to close it cannot have judged."""
