"""What the box keeps for this bip: asked for when no press is open, and taken.

Loaded only when a reply has told that something waits.
"""

from asking import Asking
from settings import pack
from wire import frame, parcel


class Errands:
    """One wake's. `settle(packed)` is called with new settings, and stores them."""

    def __init__(self, sender, edition, settle):
        self._sender = sender
        self._edition = edition
        self._settle = settle
        sender.asking = Asking(sender.voice)

    def begin(self, now_ms: int) -> None:
        """Ask for what waits."""
        if self._sender.waiting & frame.SETTINGS_WAIT:
            payload = parcel.pack_ask(parcel.WANTS_SETTINGS, self._edition, 0)
            self._sender.asking.ask(payload, now_ms)

    def take(self, kind: int, payload: bytes) -> None:
        """Take what the box has given."""
        if kind == frame.CONFIGURE:
            given = parcel.unpack_configure(payload)[1:]
            if given[0] != self._edition:
                self._edition = given[0]
                self._settle(pack(*given))
