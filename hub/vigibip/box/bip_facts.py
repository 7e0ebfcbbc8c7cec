"""All that is known of the bips, for `vigibip box bips`: of a box that runs, and of its store."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from vigibip.box.battery import Forecast, forecast, forecast_facts
from vigibip.box.bip_settings import settings_facts
from vigibip.box.bip_status import BipStatus, status_facts
from vigibip.box.config import BoxSettings
from vigibip.box.power_profile import power_profile
from vigibip.box.store import SettingsRecord, StatusRecord, bips, one_transaction, records


def bip_facts(
    device_id: int,
    name: str,
    heard_utc: datetime | None,
    status: StatusRecord | None,
    settings: SettingsRecord,
    edition_told: int | None,
    battery: Forecast | None,
) -> dict[str, Any]:
    """Return what is known of a bip; "status" None: it never told one."""
    return {
        "id": f"{device_id:08x}",
        "name": name,
        "heard": heard_utc and heard_utc.isoformat(timespec="seconds"),
        "status": status and status_facts(status),
        "battery": forecast_facts(battery),
        "settings": settings_facts(settings, edition_told),
    }


def facts_of_stopped(settings: BoxSettings, now: datetime) -> dict[str, Any]:
    """Return what the store tells of the bips of a box that does not run."""
    if not settings.store_path.exists():
        return {"running": False, "bips": []}
    with one_transaction(settings.store_path) as connection:
        statuses = {one.device_id: one for one in bips.read_statuses(connection)}
        kept = {one.device_id: one for one in bips.read_settings(connection)}
        days = bips.read_days(connection)
        devices = records.read_devices(connection)
    profile = power_profile()
    battery = profile.battery[settings.bip_battery]
    today = bips.day_of(now)
    told = {
        device_id: BipStatus.read(one.payload).settings_edition
        for device_id, one in statuses.items()
    }
    return {
        "running": False,
        "bips": [
            bip_facts(
                one.device_id,
                one.name,
                one.heard_utc,
                statuses.get(one.device_id),
                kept.get(one.device_id, SettingsRecord(one.device_id)),
                told.get(one.device_id),
                forecast(days.get(one.device_id, ()), today, profile, battery),
            )
            for one in devices
            if not one.revoked
        ],
    }
