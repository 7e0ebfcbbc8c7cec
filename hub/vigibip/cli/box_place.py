"""What every `vigibip box …` is told of the box."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vigibip.base.config import load_settings

if TYPE_CHECKING:
    from vigibip.box.config import BoxSettings

DEFAULT_CONFIG = Path("/etc/vigibip/box.toml")
Config = Annotated[Path, typer.Option("--config", help="Le fichier de configuration.")]
AsJson = Annotated[bool, typer.Option("--json", help="En JSON, pour les programmes.")]


def box_settings(config: Path) -> BoxSettings:
    """Return what `config` says. Raises ConfigurationError."""
    from vigibip.box.config import BoxSettings

    return load_settings(BoxSettings, config)
