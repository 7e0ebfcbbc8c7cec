"""Tells each box over data whom to reach by SMS, whenever it holds another edition of that."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from vigibip.alert import topics
from vigibip.alert.messages import BoxStatus, Contacts, OfficerContact, seal_message
from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError
from vigibip.post.known_boxes import KnownBoxes
from vigibip.post.store.contacts import CalledOfficer, ContactsView
from vigibip.post.store.second_path import SecondPathStore
from vigibip.post.ways import Ways

_log = logging.getLogger(__name__)

# An edition is the seconds of Unix time, or a little more: what is further ahead is nonsense.
_AHEAD_MAX = 86_400


class ContactsTeller:
    """Holds the present edition; `refresh` is called when another process has committed."""

    def __init__(
        self,
        store: SecondPathStore,
        boxes: KnownBoxes,
        ways: Ways,
        publish: Callable[[str, bytes], bool],
        clock: Clock,
    ) -> None:
        self._store = store
        self._boxes = boxes
        self._ways = ways
        self._publish = publish
        self._clock = clock
        self._contacts = ContactsView(0, (), None)
        self._renewing: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        return self._renewing is not None and not self._renewing.done()

    async def refresh(self) -> None:
        """Take over another edition, if there is one, and the boxes with it.

        Raises StorageError, and is to be called again then.
        """
        if await self._store.edition() == self._contacts.edition:
            return
        contacts = await self._store.contacts()
        await self._boxes.load()
        self._ways.restore(await self._store.paths())
        # Last: an edition whose boxes could not be read is not taken over.
        self._contacts = contacts

    def status(self, box_id: str, status: BoxStatus) -> None:
        """The box has told which edition it holds."""
        held, ours = status.contacts_edition, self._contacts.edition
        if held == ours or ours == 0:
            return
        if held > ours:
            # A box takes no older edition: this store is a copy from before, or new.
            latest = int(self._clock.utc().timestamp()) + _AHEAD_MAX
            if held <= latest and not self.busy:
                self._renewing = asyncio.create_task(self._renew(held))
            return
        box = self._boxes.get(box_id)
        if box is None:
            return
        numbers = self._contacts.post_numbers
        first = self._boxes.place(box_id) % len(numbers) if numbers else 0
        contacts = Contacts(
            edition=ours,
            # A box asks the first one first: a town's boxes share the modems.
            post_numbers=[*numbers[first:], *numbers[:first]],
            spoken=box.spoken[:120],
            address=box.address[:200],
            officer=_contact(self._contacts.officer),
        )
        self._publish(topics.down(box_id, topics.CONTACTS), seal_message(box.down_key, contacts))

    async def _renew(self, above: int) -> None:
        try:
            await self._store.renew_contacts(above=above)
            await self.refresh()
        except StorageError as error:
            _log.warning("no new edition of the contacts: %s", error)


def _contact(officer: CalledOfficer | None) -> OfficerContact | None:
    if officer is None:
        return None
    return OfficerContact(
        number=officer.number,
        salt=officer.salt.hex(),
        digests=[one.hex() for one in officer.digests],
    )
