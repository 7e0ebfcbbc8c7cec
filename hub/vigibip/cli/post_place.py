"""What every `vigibip post …` is told of the post, and how it gets at the post's store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from vigibip.post.config import PostSettings
    from vigibip.post.store import Store

T = TypeVar("T")

DEFAULT_CONFIG = Path("/etc/vigibip/post.toml")
Config = Annotated[Path, typer.Option("--config", help="Le fichier de configuration.")]
AsJson = Annotated[bool, typer.Option("--json", help="En JSON, pour les programmes.")]


def post_settings(config: Path) -> PostSettings:
    """Return what `config` says. Raises ConfigurationError."""
    from vigibip.post.config import load_post_settings

    return load_post_settings(config)


def with_store(settings: PostSettings, work: Callable[[Store], Coroutine[Any, Any, T]]) -> T:
    """Return what `work` makes of the store, beside a running post. Raises StorageError."""

    async def run() -> T:
        from vigibip.post.setting_up import require_store

        store = await require_store(settings)
        try:
            return await work(store)
        finally:
            store.close()

    return asyncio.run(run())


def print_json(told: object) -> None:
    """Print `told`, its moments as ISO 8601."""
    print(json.dumps(told, ensure_ascii=False, default=datetime.isoformat))


def hour(at: datetime, settings: PostSettings) -> str:
    """Return `at` as people at the post read it."""
    return at.astimezone(settings.zone).strftime("%d/%m à %H:%M")


def print_codes(codes: tuple[str, ...]) -> None:
    """Print a card's codes, five a line."""
    for start in range(0, len(codes), 5):
        print("   ".join(codes[start : start + 5]))
