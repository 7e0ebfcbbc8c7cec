"""The update that the box keeps for its bips: one image, given piece by piece to who asks.

The box cannot sign one, and need not check who did: each bip does. It gives it to one bip at a
time, and to none while an alert lives. A bip that has all of it and goes on telling its old version
has gone back to it: then nobody else is offered that image.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from vigibip.base.errors import StorageError, UsageError
from vigibip.box.faults import FaultCode, Faults
from vigibip.wire import image, parcel

_log = logging.getLogger(__name__)

# A bip that has every piece tells its new version within minutes; so many statuses of the old one,
# of which a press may have delayed one or two, and it has gone back.
_OLD_STATUSES_MAX = 4
# While one that has not all of it is silent for as many statuses of another, that one is next.
_SILENT_MAX = 3
_FILE_MAX = image.HEAD_MAX + image.BODY_MAX + 8192


@dataclass(frozen=True, slots=True)
class Offer:
    """An image as a bip is given it. `name`: what names it on the wire."""

    name: int
    version: int
    edition: int
    content: bytes

    @property
    def pieces(self) -> int:
        return -(-len(self.content) // parcel.PIECE_LENGTH)

    @classmethod
    def read(cls, content: bytes) -> Offer:
        """Raises UsageError when `content` is no image for a bip."""
        try:
            head = content[: image.head_length(content)]
            version, edition, _, _, body = image.check_head(head, image.FOR_BIP)
        except image.ImageRefused as error:
            raise UsageError(f"ce n'est pas une image pour bip : {error}") from error
        if len(content) <= len(head) + body:
            raise UsageError("cette image n'est pas signée, ou elle est coupée")
        digest = hashlib.sha256(head).digest()
        return cls(int.from_bytes(digest[:4], "big"), version, edition, content)


def read_offer(path: Path) -> Offer | None:
    """Return the image in `path`, None when there is none. Raises UsageError, StorageError."""
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_MAX + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from error
    if len(content) > _FILE_MAX:
        raise UsageError("ce fichier est trop gros pour une image")
    return Offer.read(content)


class Updates:
    """Which bip is offered the image, and its pieces. What a bip has is what it last told."""

    def __init__(self, path: Path, faults: Faults) -> None:
        self._path = path
        self._faults = faults
        self._stamp: tuple[int, int] | None = None
        self._offer: Offer | None = None
        self._firmware: dict[int, int] = {}
        """The version that each bip told."""
        self._taking: int | None = None
        """The one bip that is offered it."""
        self._has_all = False
        self._old_statuses = 0
        self._others: Counter[int] = Counter()
        """Statuses of others since it was heard."""
        self._came_back = False
        self.is_calm: Callable[[], bool] = lambda: True
        """False while an alert lives."""

    def start(self, firmware: Iterable[tuple[int, int]]) -> None:
        """Go on from the versions that bips told, by their ids."""
        self._firmware = dict(firmware)
        self.look()

    def look(self) -> None:
        """See whether another image was put there, or it was taken away."""
        try:
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_size)
        except OSError:
            stamp = None
        if stamp == self._stamp:
            return
        self._stamp = stamp
        self._taking = None
        self._came_back = False
        try:
            self._offer = read_offer(self._path)
        except (UsageError, StorageError) as error:
            self._offer = None
            _log.warning("no update is offered: %s", error)

    def waits(self, device_id: int) -> bool:
        """Whether a reply to this bip says that an update waits."""
        if self._offer is None or self._came_back or not self.is_calm():
            return False
        if self._firmware.get(device_id) in (None, self._offer.version):
            return False
        if self._taking is None:
            self._taking = device_id
            self._has_all = False
            self._old_statuses = 0
            self._others.clear()
        return self._taking == device_id

    def take_status(self, device_id: int, firmware: int) -> None:
        """A bip told its version."""
        self._firmware[device_id] = firmware
        if self._offer is None or self._taking is None:
            return
        if device_id != self._taking:
            self._others[device_id] += 1
            # One that has all of it and is silent may be its victim: then nobody follows.
            if self._others[device_id] >= _SILENT_MAX and not self._has_all:
                self._taking = None
            return
        self._others.clear()
        if firmware == self._offer.version:
            self._taking = None
            return
        # The next bip is not kept waiting by one that never asks.
        self._old_statuses += 1
        if self._old_statuses < _OLD_STATUSES_MAX:
            return
        if self._has_all:
            self._came_back = True
            self._faults.tell(
                FaultCode.BIP_FIRMWARE, "went back from an update", f"{device_id:08x}"
            )
        self._taking = None

    def forget(self, kept: Iterable[int]) -> None:
        """Only these bips are of this box."""
        ids = set(kept)
        self._firmware = {one: told for one, told in self._firmware.items() if one in ids}
        if self._taking not in ids:
            self._taking = None

    def piece(self, device_id: int, counter: int, name: int, number: int) -> bytes | None:
        """Return the payload that answers an ask, None when nothing is given.

        name: of the image that the bip has pieces of; of another one it gets the first piece.
        """
        offer = self._offer
        if offer is None or not self.waits(device_id):
            return None
        if name != offer.name or number >= offer.pieces:
            number = 0
        self._others.clear()
        if number == offer.pieces - 1 and not self._has_all:
            self._has_all = True
            self._old_statuses = 0
        start = number * parcel.PIECE_LENGTH
        data = offer.content[start : start + parcel.PIECE_LENGTH]
        return parcel.pack_update(counter, offer.name, offer.pieces, number, data)

    def describe(self) -> dict[str, object] | None:
        """Return what is offered, for `vigibip box bips`; None: nothing."""
        if self._offer is None:
            return None
        version = self._offer.version
        return {
            "version": f"{version >> 8}.{version & 0xFF}",
            "edition": self._offer.edition,
            "came_back": self._came_back,
            "taking": None if self._taking is None else f"{self._taking:08x}",
            "have_it": sum(told == version for told in self._firmware.values()),
        }
