"""A configuration file becomes one frozen object, or a list of every mistake in it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from vigibip.base.errors import ConfigurationError


class Settings(BaseModel):
    """Base of every configuration object: frozen, and an unknown key is a mistake."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True
    )


S = TypeVar("S", bound=Settings)

# What an installer meets first, by pydantic's type of mistake.
_SAID = {
    "missing": "ce réglage manque",
    "extra_forbidden": "aucun réglage ne porte ce nom ici",
}


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        # The names are the files of the machine's tzdata package, which Debian always has.
        raise ValueError("no time zone of this name is in /usr/share/zoneinfo") from error
    return name


TimeZoneName = Annotated[str, AfterValidator(_known_zone)]
"""A name that ZoneInfo takes: of the hours that people read, whatever the machine is set to."""


def load_settings(model: type[S], path: Path) -> S:
    """Read the TOML file at `path` as `model`.

    Raises ConfigurationError with every mistake, each with the file and the dotted key. The
    offending value is not repeated: it may be a secret.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        text = "ce fichier manque ; écrivez-le, ou nommez-en un autre (--config)"
        raise ConfigurationError(str(path), [("", text)]) from error
    except OSError as error:
        raise ConfigurationError(str(path), [("", error.strerror or str(error))]) from error
    except (ValueError, RecursionError) as error:
        # Besides TOMLDecodeError: text that is no UTF-8, a number of 5,000 digits, deep nesting.
        raise ConfigurationError(str(path), [("", f"not valid TOML: {error}")]) from error
    return parse_settings(model, data, str(path))


def parse_settings(model: type[S], data: dict[str, Any], source: str) -> S:
    """Validate `data` as `model`; `source` names where it came from in the mistakes."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        mistakes = [
            (
                ".".join(str(part) for part in detail["loc"]),
                _SAID.get(detail["type"], detail["msg"]),
            )
            for detail in error.errors(include_input=False, include_url=False)
        ]
        raise ConfigurationError(source, mistakes) from error
