"""The post's own errors.

VigibipError
+-- RefusedError
|   +-- UnknownBoxError      no such box, not enrolled yet, or revoked
+-- UnknownIncidentError (LookupError)   no incident has this id
"""

from __future__ import annotations

from vigibip.base.errors import RefusedError, VigibipError


class UnknownBoxError(RefusedError):
    """The post does not know this box, or no longer does."""


class UnknownIncidentError(VigibipError, LookupError):
    """No incident has this id."""
