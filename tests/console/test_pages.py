"""What the templates are given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from vigibip.base.clock import DrivenClock
from vigibip.console.pages import Pages

NEW_YEARS_EVE = datetime(2026, 12, 31, 22, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "now", "before"),
    [
        ("Europe/Paris", "23:30:00", "20:30:00"),
        # There the new year has begun.
        ("Indian/Reunion", "02:30:00", "31/12 23:30"),
    ],
)
def test_hours_are_those_of_the_town(zone: str, now: str, before: str) -> None:
    pages = Pages("fr", DrivenClock(NEW_YEARS_EVE), ZoneInfo(zone))
    told = pages._environment.from_string("{{ at|clock }}")
    assert told.render(at=NEW_YEARS_EVE) == now
    assert told.render(at=NEW_YEARS_EVE - timedelta(hours=3)) == before
