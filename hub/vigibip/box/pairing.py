"""Pairing and revoking by a command, beside a running box or without one."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from vigibip.base.clock import Clock, SystemClock
from vigibip.base.errors import PeerError, UsageError
from vigibip.box.config import BoxSettings
from vigibip.box.control import ask
from vigibip.box.store import DeviceRecord, one_transaction, records

_log = logging.getLogger(__name__)

_NAME_MAX_CHARS = 80


def pair_device(
    settings: BoxSettings,
    device: str,
    name: str,
    key_text: str,
    clock: Clock | None = None,
) -> None:
    """Pair the bip `device` (8 hexadecimal digits) under `name`; `key_text`: 32 such digits.

    Raises UsageError with what is wrong, and StorageError.
    """
    key_text = key_text.strip()
    if re.fullmatch(r"[0-9a-fA-F]{32}", key_text) is None:
        # Neither the key nor its length is repeated: what was given may be most of a key.
        raise UsageError("la clé, sur l'entrée standard, n'est pas faite de 32 chiffres hexa")
    name = name.strip()
    if not 0 < len(name) <= _NAME_MAX_CHARS or not name.isprintable():
        raise UsageError(f"a name has 1 to {_NAME_MAX_CHARS} printable characters")
    record = DeviceRecord(
        device_id=device_id_of(device),
        key=bytes.fromhex(key_text),
        name=name,
        paired_utc=(clock or SystemClock()).utc(),
    )
    with one_transaction(settings.store_path) as connection:
        records.insert_device(connection, record)
    nudge(settings.control_path)


def revoke_paired(settings: BoxSettings, device: str, clock: Clock | None = None) -> None:
    """Listen no more to `device`. Raises UsageError when it is not paired, and StorageError."""
    with one_transaction(settings.store_path) as connection:
        records.revoke_device(connection, device_id_of(device), (clock or SystemClock()).utc())
    nudge(settings.control_path)


def describe_stopped(settings: BoxSettings) -> dict[str, Any]:
    """Return what the store tells of a box that does not run, in `BoxDaemon.description`'s form."""
    if not settings.store_path.exists():
        return {"running": False, "queued": 0, "devices": [], "faults": []}
    with one_transaction(settings.store_path) as connection:
        devices = records.read_devices(connection)
        queued = connection.execute("SELECT count(*) FROM outbox").fetchone()[0]
    return {
        "running": False,
        "queued": queued,
        "devices": [
            {
                "id": f"{device.device_id:08x}",
                "name": device.name,
                "battery_mv": device.battery_mv,
                "heard": device.heard_utc and device.heard_utc.isoformat(timespec="seconds"),
            }
            for device in devices
            if not device.revoked
        ],
        "faults": [],
    }


def device_id_of(text: str) -> int:
    """Return the id that a person wrote. Raises UsageError."""
    if re.fullmatch(r"[0-9a-fA-F]{8}", text) is None or int(text, 16) == 0:
        raise UsageError("a device id is 8 hexadecimal digits, not all zero")
    return int(text, 16)


def nudge(control: Path) -> None:
    """Have the running box, if there is one, look at once for what a command changed."""
    try:
        ask(control, "reload")
    except PeerError:
        # No box runs, or it looks by itself in a moment.
        _log.debug("no running box was told")
