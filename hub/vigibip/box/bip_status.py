"""What a bip says of itself: the fields of its status, and what they mean."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

from vigibip.box.store import StatusRecord
from vigibip.wire import frame

# Of a bip that does not tell its interval: the firmware's own.
INTERVAL_UNTOLD_MIN = 60
# So many more falls between two statuses are no accident any more.
_FALLS_OF_A_LOOP = 3

# As MicroPython's ESP32 port numbers machine.reset_cause().
_RESET_CAUSES = {1: "power-on", 2: "hard", 3: "watchdog", 4: "deep-sleep", 5: "soft"}


class BipStatus(NamedTuple):
    """The fields of a status, as `wire.frame.pack_status` orders and explains them."""

    battery_mv: int
    firmware: int
    reset_cause: int
    rssi_dbm: int
    unheard: int
    unreached: int
    crashes: int
    uptime_min: int
    interval_min: int
    settings_edition: int
    sends_failed: int
    stores_failed: int
    complaints: int
    crash_digest: int
    crash_module: int
    crash_line: int

    @classmethod
    def read(cls, payload: bytes) -> Self:
        return cls(*frame.unpack_status(payload)[: len(cls._fields)])

    @property
    def crash(self) -> str:
        """Where it last fell, for a technician; empty when it never did."""
        if not self.crash_line and not self.crash_digest:
            return ""
        letters = self.crash_module.to_bytes(4, "big").rstrip(b"\0").decode("ascii", "replace")
        module = "".join(letter if letter.isprintable() else "?" for letter in letters)
        return f"{module}:{self.crash_line} ({self.crash_digest:04x})"

    def falls_in_a_loop(self, before: BipStatus | None) -> bool:
        """Tell whether it falls again and again; `before`: its status before this one."""
        if self.complaints & frame.LAST_RESORT:
            return True
        # A count that went back is of a bip that was provisioned anew.
        return before is not None and self.crashes - before.crashes >= _FALLS_OF_A_LOOP


def version_text(firmware: int) -> str:
    """Return a version as people write it."""
    return f"{firmware >> 8}.{firmware & 0xFF}"


def status_facts(record: StatusRecord) -> dict[str, Any]:
    """Return a status for `vigibip box bips`."""
    status = BipStatus.read(record.payload)
    unknown = frame.RSSI_UNKNOWN
    return {
        "told": record.told_utc.isoformat(timespec="seconds"),
        "battery_mv": status.battery_mv or None,
        "firmware": version_text(status.firmware),
        "reset_cause": _RESET_CAUSES.get(status.reset_cause, str(status.reset_cause)),
        "rssi_dbm": None if record.rssi_dbm == unknown else record.rssi_dbm,
        "rssi_of_replies_dbm": None if status.rssi_dbm == unknown else status.rssi_dbm,
        "interval_min": status.interval_min or None,
        "uptime_min": status.uptime_min,
        "unheard": status.unheard,
        "unreached": status.unreached,
        "sends_failed": status.sends_failed,
        "stores_failed": status.stores_failed,
        "crashes": status.crashes,
        "last_crash": status.crash,
        "button_stuck": bool(status.complaints & frame.BUTTON_STUCK),
        "battery_low": bool(status.complaints & frame.BATTERY_LOW),
        "last_resort": bool(status.complaints & frame.LAST_RESORT),
        "settings_edition": status.settings_edition,
    }
