"""The boxes and their keys in memory: a message is authenticated without a look at the disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vigibip.post.store import Store
from vigibip.post.store.records import KnownBox
from vigibip.wire import window


class KnownBoxes(Mapping[str, KnownBox]):
    """Box id -> keys, for every box that is enrolled and not revoked.

    `revoked`: those that were, since the post started; the store has forgotten their keys.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._boxes: dict[str, KnownBox] = {}
        self.revoked: dict[str, KnownBox] = {}
        self.loaded = False
        self._windows: dict[str, tuple[bytes, int, int]] = {}
        """Of boxes whose SMS were taken since the start: the key they were under, the window."""
        self._by_phone: dict[str, str] = {}
        self._places: dict[str, int] = {}

    def __getitem__(self, box_id: str) -> KnownBox:
        return self._boxes[box_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._boxes)

    def __len__(self) -> int:
        return len(self._boxes)

    async def load(self) -> None:
        """Read every box. Raises StorageError."""
        self.use(await self._store.known_boxes())

    def use(self, boxes: Mapping[str, KnownBox]) -> None:
        """Serve these and no others."""
        for box_id in self._boxes.keys() - boxes.keys():
            self.revoked[box_id] = self._boxes[box_id]
        self._boxes = dict(boxes)
        self.loaded = True
        self._note_phones()

    async def refresh(self, box_id: str) -> bool:
        """Read one box again; True when it is not what it was.

        Raises StorageError.
        """
        before = self._boxes.get(box_id)
        now = (await self._store.known_boxes(box_id)).get(box_id)
        if now is not None:
            self._boxes[box_id] = now
        elif before is not None:
            self.revoked[box_id] = self._boxes.pop(box_id)
        if (before and before.phone) != (now and now.phone):
            self._note_phones()
        return now != before

    def of_phone(self, number: str) -> str | None:
        """Return the box whose SMS come from `number`, one revoked since the start too."""
        return self._by_phone.get(number)

    def knows_phone(self, number: str) -> bool:
        return number in self._by_phone

    def place(self, box_id: str) -> int:
        """Return the box's place among all that have a phone, to share work out by."""
        return self._places.get(box_id, 0)

    # Copies of SMS, known though the store should fail

    def judge_sms(self, box_id: str, sequence: int) -> int:
        """Return what `wire.window.judge` says of an SMS of this box."""
        return window.judge(*self._window(box_id), sequence)

    def took_sms(self, box_id: str, sequence: int) -> None:
        """The store has taken this SMS for ever."""
        box = self._boxes.get(box_id)
        if box is not None:
            highest, bits = window.accept(*self._window(box_id), sequence)
            self._windows[box_id] = (box.up_key, highest, bits)

    def _window(self, box_id: str) -> tuple[int, int]:
        box = self._boxes.get(box_id)
        if box is None:
            return -1, 0
        key, highest, bits = self._windows.get(box_id, (b"", -1, 0))
        return (highest, bits) if key == box.up_key else box.sms_window

    def _note_phones(self) -> None:
        served = {box.phone: box_id for box_id, box in self._boxes.items() if box.phone}
        former = {box.phone: box_id for box_id, box in self.revoked.items() if box.phone}
        self._by_phone = former | served
        self._places = {served[number]: place for place, number in enumerate(sorted(served))}
