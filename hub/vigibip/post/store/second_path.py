"""What the second path asks of the store, each one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from vigibip.base.clock import Clock
from vigibip.post.store import contacts, officer_answers, paths
from vigibip.post.store.codes import Verdict
from vigibip.post.store.contacts import ContactsView
from vigibip.post.store.paths import ModemView, PathView
from vigibip.post.store.store import Store


class SecondPathStore:
    """The part of `store` that numbers, windows and modems are in; `clock` dates its records."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    # Each box's ways

    async def take_sms(self, box_id: str, sequence: int) -> None:
        """Mark an SMS that is no alert as taken. Raises CopiedSmsError."""
        now = self._clock.utc()
        await self._store.write(lambda c: paths.take_sms(c, box_id, sequence, now, alert=False))

    async def reserve_sequences(self, box_id: str, count: int, floor: int) -> int:
        """Return the first of `count` sequences that no SMS to this box ever had."""
        return await self._store.write(lambda c: paths.reserve_sequences(c, box_id, count, floor))

    async def set_phone(self, box_id: str, phone: str | None) -> None:
        """Set the number that the box's SMS come from. Raises UnknownBoxError, UsageError."""
        now = self._clock.utc()
        await self._store.write(lambda c: paths.set_phone(c, box_id, phone, now))

    async def paths(self) -> list[PathView]:
        return await self._store.read(paths.paths)

    async def record_heard(self, heard: Mapping[str, datetime]) -> None:
        await self._store.write(lambda c: paths.record_heard(c, heard))

    async def pressed_since(self, since: Mapping[str, datetime]) -> set[str]:
        """Return which of these boxes a press came from, each since its own moment."""
        return await self._store.read(lambda c: paths.pressed_since(c, since))

    # Modems

    async def modems(self) -> list[ModemView]:
        return await self._store.read(paths.modems)

    async def record_modems(self, modems: Sequence[ModemView]) -> None:
        await self._store.write(lambda c: paths.record_modems(c, modems))

    # What boxes are told

    async def edition(self) -> int:
        return await self._store.read(contacts.edition)

    async def contacts(self) -> ContactsView:
        return await self._store.read(contacts.current)

    async def renew_contacts(self, *, above: int = 0) -> int:
        now = self._clock.utc()
        return await self._store.write(lambda c: contacts.renew(c, now, above=above))

    async def use_numbers(self, numbers: Sequence[str]) -> None:
        """Tell boxes these numbers of the post's modems from now on."""
        now = self._clock.utc()
        await self._store.write(lambda c: contacts.use_numbers(c, numbers, now))

    # Officers whom boxes call

    async def put_officer(
        self, callsign: str, number: str, salt: bytes, digests: Sequence[bytes]
    ) -> None:
        now = self._clock.utc()
        await self._store.write(
            lambda c: contacts.put_officer(c, callsign, number, salt, digests, now)
        )

    async def remove_officer(self, callsign: str) -> bool:
        now = self._clock.utc()
        return await self._store.write(lambda c: contacts.remove_officer(c, callsign, now))

    async def judge_answer(
        self, box_id: str, alert_id: str, digest: bytes, age_s: int | None
    ) -> Verdict | None:
        """Decide on what an officer answered to a box; None: its alert is not here yet."""
        now = self._clock.utc()
        return await self._store.write(
            lambda c: officer_answers.judge(c, box_id, alert_id, digest, age_s, now)
        )
