"""The demonstration with keys, without its town."""

from __future__ import annotations

import gc
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from vigibip.town import live
from vigibip.town.live import _Demo


class _Typed:
    """Keys that were typed while the town was still starting."""

    def __init__(self, keys: str) -> None:
        self.left = list(keys)

    async def next(self) -> str:
        return self.left.pop(0)


# A coroutine that nobody awaits cannot raise: pytest tells it as a warning.
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("keys", ["q", "rq", "cfeq"])
async def test_keys_typed_before_it_is_ready_leave_nothing_behind(keys: str) -> None:
    town: Any = SimpleNamespace(
        shops=[], console_url="", console_login="", stamps=SimpleNamespace(listeners=[])
    )
    typed: Any = _Typed(keys)
    await _Demo(town, typed).run()
    gc.collect()
    assert typed.left == []


class _Store:
    """Open incidents, the last pressed first, each as its presses."""

    def __init__(self, *incidents: Any) -> None:
        self.open = incidents

    async def incidents(self, *, open_only: bool) -> Any:
        assert open_only
        return self.open


def _incident(number: int, alert_id: str, *, answered: bool) -> Any:
    at = datetime(2026, 5, 4, tzinfo=UTC) if answered else None
    return SimpleNamespace(number=number, alerts=[SimpleNamespace(id=alert_id)], answered_at=at)


@pytest.mark.parametrize(
    ("shown", "incidents", "keyed"),
    [
        ("b", [_incident(3, "c", answered=False), _incident(2, "b", answered=False)], ["b"]),
        # The one that is shown was answered at the console, or closed: another one waits.
        ("c", [_incident(3, "c", answered=True), _incident(1, "a", answered=False)], ["a"]),
        ("c", [_incident(1, "a", answered=False)], ["a"]),
        ("c", [_incident(3, "c", answered=True)], []),
        (None, [], []),
    ],
)
async def test_the_officer_answers_what_waits(
    monkeypatch: pytest.MonkeyPatch, shown: str | None, incidents: list[Any], keyed: list[str]
) -> None:
    answered: list[str] = []

    async def answer(_: Any, alert_id: str) -> Any:
        answered.append(alert_id)
        return SimpleNamespace(number=1)

    monkeypatch.setattr(live, "answer", answer)
    town: Any = SimpleNamespace(
        shops=[],
        console_url="",
        console_login="",
        stamps=SimpleNamespace(listeners=[]),
        store=_Store(*incidents),
    )
    demo = _Demo(town, SimpleNamespace())  # type: ignore[arg-type]
    demo._press = SimpleNamespace(alert_id=shown)  # type: ignore[assignment]
    await demo._answer()
    assert answered == keyed
