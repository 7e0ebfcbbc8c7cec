"""The demonstration with keys, without its town."""

from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import Any

import pytest

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
