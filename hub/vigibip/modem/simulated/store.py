"""A message store: a few numbered places, as many as there are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from vigibip.modem.simulated.errors import CmsError


class Status(IntEnum):
    """<stat> of 3GPP TS 27.005 in PDU mode."""

    UNREAD = 0
    READ = 1
    UNSENT = 2
    SENT = 3


@dataclass(slots=True)
class Stored:
    pdu: bytes
    status: Status


class MessageStore:
    """SM (on the SIM) or ME (in the modem)."""

    def __init__(self, name: str, size: int, first_index: int) -> None:
        self.name = name
        self.size = size
        self._first = first_index
        self._places: dict[int, Stored] = {}

    @property
    def used(self) -> int:
        return len(self._places)

    @property
    def full(self) -> bool:
        return self.used >= self.size

    def indices(self) -> list[int]:
        """The places that are taken."""
        return sorted(self._places)

    def put(self, pdu: bytes, status: Status = Status.UNREAD) -> int:
        """Store at the lowest free index and return it. Raises CmsError 322 when full."""
        if self.full:
            raise CmsError(322)
        index = next(
            index
            for index in range(self._first, self._first + self.size)
            if index not in self._places
        )
        self._places[index] = Stored(pdu, status)
        return index

    def read(self, index: int) -> Stored:
        """Return what is at `index` as it was, and mark it read. Raises CmsError 321."""
        self._check(index)
        if index not in self._places:
            raise CmsError(321)
        return self._mark_read(self._places[index])

    def listed(self, status: Status | None) -> list[tuple[int, Stored]]:
        """Return what has `status`, or everything with None, as it was, and mark it read."""
        return [
            (index, self._mark_read(stored))
            for index, stored in sorted(self._places.items())
            if status is None or stored.status is status
        ]

    def delete(self, index: int) -> None:
        """An empty place may be deleted. Raises CmsError 321 where there is no such place."""
        self._check(index)
        self._places.pop(index, None)

    def delete_all(self, statuses: frozenset[Status]) -> None:
        self._places = {
            index: stored for index, stored in self._places.items() if stored.status not in statuses
        }

    def _check(self, index: int) -> None:
        if not self._first <= index < self._first + self.size:
            raise CmsError(321)

    @staticmethod
    def _mark_read(stored: Stored) -> Stored:
        as_it_was = Stored(stored.pdu, stored.status)
        if stored.status is Status.UNREAD:
            stored.status = Status.READ
        return as_it_was
