"""The post's own errors.

VigibipError
+-- RefusedError
|   +-- UnknownBoxError      no such box, not enrolled yet, or revoked
+-- UnknownIncidentError (LookupError)   no incident has this id

`IllegalEventError` of alert.life stands here too: the store raises it to rooms that know no alerts.
"""

from __future__ import annotations

from vigibip.alert.life import IllegalEventError
from vigibip.base.errors import RefusedError, VigibipError

__all__ = ["IllegalEventError", "UnknownBoxError", "UnknownIncidentError"]


class UnknownBoxError(RefusedError):
    """The post does not know this box, or no longer does."""


class UnknownIncidentError(VigibipError, LookupError):
    """No incident has this id."""
