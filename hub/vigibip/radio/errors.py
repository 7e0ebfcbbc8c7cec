"""The radio room's errors.

VigibipError
+-- RadioError
    +-- RadioClosedError (ConnectionError)  the radio was closed while somebody waited on it
    +-- AudioError (OSError)                the sound card, the file or the link failed
    +-- CutShortError (ConnectionError)     the channel itself ended the transmission
    +-- PttError (OSError)                  the PTT line could not be driven
    +-- ClipError (ValueError)              a clip's name or file is not one of ours
    +-- SynthesisError (RuntimeError)       the voice could not render a sentence
"""

from __future__ import annotations

from vigibip.base.errors import PeerError, StorageError, VigibipError


class RadioError(VigibipError):
    """A radio could not do what was asked of it."""


class RadioClosedError(RadioError, PeerError):
    """The radio was closed while somebody waited on it."""


class AudioError(RadioError, StorageError):
    """The sound card, the file or the channel's link failed."""


class CutShortError(RadioError, PeerError):
    """The channel itself ended the transmission; what was sent until then was on the air."""


class PttError(RadioError, OSError):
    """The PTT line could not be driven."""


class ClipError(RadioError, ValueError):
    """A clip's name or file is not one of ours."""


class SynthesisError(RadioError, RuntimeError):
    """The voice could not render a sentence."""
