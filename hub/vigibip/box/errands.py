"""What the box keeps for its bips until they ask for it: a reply says that it waits."""

from __future__ import annotations

from collections.abc import Iterable

from vigibip.box.bip_status import BipStatus
from vigibip.box.devices import Device
from vigibip.box.store import SettingsRecord, StatusRecord
from vigibip.box.updates import Updates
from vigibip.wire import frame, parcel


class Errands:
    """Answers what bips ask for. What a bip has is what it last said; nothing is remembered."""

    def __init__(self, updates: Updates) -> None:
        self._updates = updates
        self._settings: dict[int, SettingsRecord] = {}
        self._editions: dict[int, int] = {}
        """Of the settings in force on each bip that has told."""

    def start(self, statuses: Iterable[StatusRecord]) -> None:
        """Go on from the bips' last statuses."""
        told = {record.device_id: BipStatus.read(record.payload) for record in statuses}
        self._editions = {one: status.settings_edition for one, status in told.items()}
        self._updates.start((one, status.firmware) for one, status in told.items())

    def set_all(self, settings: Iterable[SettingsRecord]) -> None:
        """These are the settings that bips shall have."""
        self._settings = {one.device_id: one for one in settings}

    def settings_of(self, device_id: int) -> SettingsRecord:
        return self._settings.get(device_id, SettingsRecord(device_id))

    def edition_told(self, device_id: int) -> int | None:
        """Return the edition of the settings that it has, None when it never said."""
        return self._editions.get(device_id)

    def waiting(self, device: Device) -> int:
        """Return what a reply to it says (wire.frame.*_WAIT)."""
        settings = frame.SETTINGS_WAIT if self._settings_wait(device.device_id) else 0
        return settings | (frame.UPDATE_WAITS if self._updates.waits(device.device_id) else 0)

    def take_status(self, device: Device, payload: bytes) -> None:
        status = BipStatus.read(payload)
        self._editions[device.device_id] = status.settings_edition
        self._updates.take_status(device.device_id, status.firmware)

    def answer(self, device: Device, counter: int, asked: bytes) -> tuple[int, bytes] | None:
        """Return (kind, payload) for the ask with this up-counter, None when nothing is kept."""
        wants, edition, piece = parcel.unpack_ask(asked)
        if wants == parcel.WANTS_UPDATE:
            given = self._updates.piece(device.device_id, counter, edition, piece)
            return None if given is None else (frame.UPDATE, given)
        if wants != parcel.WANTS_SETTINGS:
            return None
        self._editions[device.device_id] = edition
        if not self._settings_wait(device.device_id):
            return None
        one = self._settings[device.device_id]
        return frame.CONFIGURE, parcel.pack_configure(
            counter,
            one.edition,
            one.strength_pct,
            one.led,
            one.status_min,
            one.gestures,
            one.udp_after_ms,
            one.battery_low_mv,
        )

    def _settings_wait(self, device_id: int) -> bool:
        one = self._settings.get(device_id)
        return one is not None and self._editions.get(device_id) != one.edition
