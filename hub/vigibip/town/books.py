"""What the databases of box and post hold, read from outside while their owners run.

The town judges by these and by what the bips felt, never by what a daemon says of itself.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vigibip.alert.ids import AlertId
from vigibip.base.errors import StorageError


class _Book:
    def __init__(self, path: Path) -> None:
        self._uri = f"{path.absolute().as_uri()}?mode=ro"

    def _rows(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Return what is committed now. Raises StorageError."""
        try:
            with closing(sqlite3.connect(self._uri, uri=True, timeout=5)) as connection:
                return connection.execute(query, arguments).fetchall()
        except sqlite3.Error as error:
            raise StorageError(f"the town cannot read a store: {error}") from error


class BoxBook(_Book):
    """One box's alerts."""

    def has(self, alert_id: str) -> bool:
        alert = AlertId.parse(alert_id)
        query = "SELECT 1 FROM alerts WHERE device = ? AND press = ?"
        return bool(self._rows(query, alert.device_id, alert.press))

    def waiting(self) -> int:
        """Return how many alerts have no receipt yet."""
        return int(self._rows("SELECT count(*) FROM outbox")[0][0])

    def alert_ids(self) -> Counter[str]:
        rows = self._rows("SELECT device, press FROM alerts")
        return Counter(str(AlertId(device, press)) for device, press in rows)


class PostBook(_Book):
    """The post's alerts."""

    def has(self, alert_id: str) -> bool:
        return bool(self._rows("SELECT 1 FROM alert WHERE id = ?", alert_id))

    def alert_ids(self) -> Counter[str]:
        return Counter(row[0] for row in self._rows("SELECT id FROM alert"))

    def pressed_at(self) -> dict[str, datetime | None]:
        """Return when each alert's button went down, as the post was told; None when unknown."""
        return {
            row[0]: None if row[1] is None else datetime.fromisoformat(row[1]).replace(tzinfo=UTC)
            for row in self._rows("SELECT id, pressed_at FROM alert")
        }

    def is_answered(self, alert_id: str) -> bool:
        """Tell whether the alert's incident has a proven answer."""
        query = (
            "SELECT 1 FROM alert JOIN answer ON answer.incident = alert.incident "
            "WHERE alert.id = ? AND answer.proven"
        )
        return bool(self._rows(query, alert_id))

    def presses_of_incidents(self) -> int:
        """Return the sum of what the incidents count as presses."""
        return int(self._rows("SELECT coalesce(sum(presses), 0) FROM incident")[0][0])
