"""How a bip is set, by a command beside a running box or without one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vigibip.base.errors import UsageError
from vigibip.box.config import BoxSettings
from vigibip.box.pairing import device_id_of, nudge
from vigibip.box.store import SettingsRecord, bips, one_transaction, records
from vigibip.wire import parcel

GESTURES = {
    "severity": parcel.MAY_RAISE,
    "withdrawal": parcel.MAY_WITHDRAW,
    "duress": parcel.MAY_TELL_DURESS,
}
_EDITION_MAX = 0xFFFF
# Below, the alert would go out twice each time that one frame is lost.
_UDP_AFTER_MIN_MS = 200
_RANGES = {
    "strength_pct": range(101),
    "status_min": range(5, 1441),
    "udp_after_ms": (0, *range(_UDP_AFTER_MIN_MS, 60_001)),
    "battery_low_mv": (0, *range(1_000, 10_001)),
}


def set_bip(
    settings: BoxSettings,
    device: str,
    changes: Mapping[str, int | bool],
    gestures: Mapping[str, bool],
) -> SettingsRecord:
    """Bring the settings of the bip `device` to `changes`, and allow or forbid `gestures`.

    Both by name, of SettingsRecord and of GESTURES; what is not named stays. Returns what is in
    force at the box, which the bip has once it asked. Raises UsageError, StorageError.
    """
    for name, possible in _RANGES.items():
        if name in changes and changes[name] not in possible:
            raise UsageError(f"{name}: {changes[name]} is not allowed")
    device_id = device_id_of(device)
    with one_transaction(settings.store_path) as connection:
        paired = {one.device_id for one in records.read_devices(connection) if not one.revoked}
        if device_id not in paired:
            raise UsageError(f"no device {device_id:08x} is paired here")
        kept = {one.device_id: one for one in bips.read_settings(connection)}
        before = kept.get(device_id, SettingsRecord(device_id))
        bits = before.gestures
        for name, allowed in gestures.items():
            bits = bits | GESTURES[name] if allowed else bits & ~GESTURES[name]
        fields: dict[str, Any] = {**changes, "gestures": bits}
        after = replace(before, **fields)
        if after == before:
            return before
        after = replace(after, edition=before.edition % _EDITION_MAX + 1)
        bips.write_settings(connection, after)
    nudge(settings.control_path)
    return after


def settings_facts(one: SettingsRecord, edition_told: int | None) -> dict[str, Any]:
    """Return how a bip is set, for `vigibip box bips`; `edition_told`: what it has, as it said."""
    facts: dict[str, Any] = {
        "edition": one.edition,
        "waiting": one.edition != 0 and edition_told != one.edition,
        "strength_pct": one.strength_pct,
        "led": one.led,
        "status_min": one.status_min,
        "udp_after_ms": one.udp_after_ms,
        "battery_low_mv": one.battery_low_mv or None,
    }
    return facts | {name: bool(one.gestures & bit) for name, bit in GESTURES.items()}
