"""Whose updates a bip takes: public keys, put into its NVS by cable and no other way."""

from __future__ import annotations

from collections.abc import Sequence

from vigibip.base.errors import UsageError
from vigibip.wire import lms
from vigibip.workshop.errors import Cause, StepError
from vigibip.workshop.line import DeviceFellError, Line

# The project's and the town's; a bip's blob holds no more.
MOST = 2

_GIVE = """
import esp32, guard
n = esp32.NVS(guard.NAMESPACE)
n.set_blob("signers", guard.guard({keys!r}))
n.commit()
print("true")
"""


def checked(public_keys: Sequence[bytes]) -> bytes:
    """Return the keys as a bip keeps them. Raises UsageError."""
    lengths = {lms.signature_length(key) for key in public_keys}
    if not 0 < len(public_keys) <= MOST or lengths == {0} or len(lengths) != 1:
        raise UsageError(f"one signer's key, or two of the same kind; not {len(public_keys)}")
    return b"".join(public_keys)


def give(line: Line, public_keys: Sequence[bytes]) -> None:
    """Let the bip take the updates of these signers, and of no others. Raises StepError."""
    try:
        line.ask(_GIVE.format(keys=checked(public_keys)))
    except DeviceFellError as error:
        raise StepError(Cause.PROGRAM_FELL, str(error).splitlines()[-1]) from None
