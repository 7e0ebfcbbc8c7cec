"""The console as an ASGI application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from vigibip.base.clock import Clock, SystemClock
from vigibip.base.errors import StorageError
from vigibip.console.accounts import Accounts, accounts_path
from vigibip.console.desk import Desk
from vigibip.console.door import Door
from vigibip.console.guard import Guard
from vigibip.console.live import Live
from vigibip.console.pages import Pages
from vigibip.console.throttle import Throttle
from vigibip.post.config import PostSettings
from vigibip.post.running import post_runs
from vigibip.post.store import Store

_log = logging.getLogger(__name__)

_STATIC = Path(__file__).parent / "static"
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


class Console:
    """The console on the post's store, with its own `console.sqlite` beside it.

    `asgi` serves while `running` is entered.
    """

    asgi: ASGIApp

    def __init__(self, settings: PostSettings, *, clock: Clock | None = None) -> None:
        clock = clock or SystemClock()
        self._store = Store(settings.store_path, clock=clock)
        self._accounts = Accounts(accounts_path(settings), clock=clock)
        self._pages = Pages(settings.language, clock, settings.zone)
        behind_https = settings.console.behind_https
        door = Door(self._accounts, Throttle(clock), self._pages, behind_https=behind_https)
        desk = Desk(self._store, door, self._pages, clock)
        lock_file = settings.data_dir / "post.lock"
        self._live = desk.live = Live(
            self._store, clock, settings.zone, desk.render, lambda: post_runs(lock_file)
        )
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
        app.mount("/static", StaticFiles(directory=_STATIC))
        door.add_routes(app)
        desk.add_routes(app)
        app.add_exception_handler(HTTPException, self._refused)
        app.add_exception_handler(RequestValidationError, self._invalid)
        app.add_exception_handler(StorageError, self._unreadable)
        app.add_exception_handler(Exception, self._failed)
        # Outside of everything: the page of a failure passes it too.
        self.asgi = Guard(
            app,
            hosts={*_THIS_MACHINE, settings.console.host, *settings.console.hosts},
            behind_https=behind_https,
            refuse=self._pages.refusal,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open the stores and watch, as long as the block runs. Raises StorageError."""
        await asyncio.to_thread(self._store.start)
        try:
            await asyncio.to_thread(self._accounts.start)
            await self._live.refresh()
            if not await self._accounts.accounts():
                _log.warning("no account yet: make one with `vigibip post account add LOGIN`")
            watching = asyncio.create_task(self._live.watch())
            try:
                yield
            finally:
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching
        finally:
            self._accounts.close()
            self._store.close()

    async def end_streams(self) -> None:
        """Let the readers of live streams go, before the server stops."""
        await self._live.end()

    # What an error tells is a page in the reader's language, and nothing of what was sent.

    async def _refused(self, _: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
        return self._pages.refusal(error.status_code)

    async def _invalid(self, _: Request, __: Exception) -> Response:
        return self._pages.refusal(422)

    async def _unreadable(self, _: Request, error: Exception) -> Response:
        _log.error("a store does not answer: %s", error)
        return self._pages.refusal(503)

    async def _failed(self, _: Request, __: Exception) -> Response:
        return self._pages.refusal(500)
