"""Templates to HTML, in the post's language."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from vigibip.base.catalogue import catalogue
from vigibip.base.clock import Clock
from vigibip.console import words

TEMPLATES = Path(__file__).parent / "templates"


class Pages:
    """The console's templates in one language."""

    def __init__(self, language: str, clock: Clock, zone: tzinfo) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            extensions=["jinja2.ext.i18n"],
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.install_gettext_translations(  # type: ignore[attr-defined]
            catalogue(language), newstyle=True
        )
        self._environment.filters["clock"] = _clock_filter(clock, zone)
        self._environment.globals.update(language=language, words=words)

    def render(self, template: str, **values: Any) -> str:
        """Return the HTML of `template`."""
        return self._environment.get_template(template).render(**values)

    def page(self, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """Return a whole page."""
        return HTMLResponse(self.render(template, **values), status)

    def refusal(self, status: int) -> HTMLResponse:
        """Return the page of an error; it tells nothing of what was asked."""
        told = words.REFUSALS.get(status) or words.REFUSALS[500 if status >= 500 else 400]
        return self.page("refusal.html", status=status, code=status, refusal=told)


def _clock_filter(clock: Clock, zone: tzinfo) -> Callable[[datetime], str]:
    def told(moment: datetime) -> str:
        """Return the local time of day, with the day when it is not today."""
        local = moment.astimezone(zone)
        today = clock.utc().astimezone(zone).date()
        return local.strftime("%H:%M:%S" if local.date() == today else "%d/%m %H:%M")

    return told
