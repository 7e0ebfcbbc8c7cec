"""The box that runs on this machine, as the workshop pairs with it."""

import hmac

from vigibip.base.errors import PeerError
from vigibip.box.config import BoxSettings
from vigibip.box.control import ask
from vigibip.box.pairing import pair_device, revoke_paired
from vigibip.box.store import one_transaction, records
from vigibip.workshop.pairing import Known


class BoxPairing:
    """Pairs as `vigibip box pair` does, and asks the running daemon what it has heard."""

    def __init__(self, settings: BoxSettings) -> None:
        self._settings = settings

    @property
    def channel(self) -> int:
        return self._settings.radio_channel

    @property
    def receiver_port(self) -> str:
        return self._settings.receiver_port

    def known(self, device_id: int, key: bytes) -> Known:
        record = self._record(device_id)
        if record is None:
            return Known.NO
        if record.revoked:
            return Known.REVOKED
        return Known.PAIRED if hmac.compare_digest(record.key, key) else Known.OTHER_KEY

    def pair(self, device_id: int, name: str, key: bytes) -> None:
        pair_device(self._settings, f"{device_id:08x}", name, key.hex())

    def revoke(self, device_id: int) -> None:
        record = self._record(device_id)
        if record is not None and not record.revoked:
            revoke_paired(self._settings, f"{device_id:08x}")

    def heard(self, device_id: int) -> str | None:
        try:
            told = ask(self._settings.control_path, "status")
        except PeerError:
            return None  # it does not run
        for device in told.get("devices", ()):
            if device.get("id") == f"{device_id:08x}":
                return device.get("heard") or None
        return None

    def _record(self, device_id: int) -> records.DeviceRecord | None:
        if not self._settings.store_path.exists():
            return None
        with one_transaction(self._settings.store_path) as connection:
            devices = records.read_devices(connection)
        return next((one for one in devices if one.device_id == device_id), None)
