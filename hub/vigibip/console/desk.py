"""The dispatcher's page: how things stand, live, and what may be done about it."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated

from fastapi import FastAPI, Form, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError
from vigibip.console.accounts import Session
from vigibip.console.door import Csrf, Door
from vigibip.console.live import Live, Picture, Reader, Readers, Snapshot
from vigibip.console.pages import Pages
from vigibip.console.words import FAULTS, UNKNOWN_FAULT
from vigibip.post.errors import IllegalEventError, PressedAgainError, UnknownIncidentError
from vigibip.post.standing import SmsCapacity
from vigibip.post.store import IncidentState, Store
from vigibip.post.store.records import IncidentOutcome

_log = logging.getLogger(__name__)

# Also keeps the stream through proxies that end silent ones, and tells the page that it is live.
_BEAT_S = 2.0

_ANSWERED = (IncidentState.COMING, IncidentState.ON_SCENE)

_Id = Annotated[str, Form(max_length=100)]


class Desk:
    """The page, its stream, and its forms."""

    def __init__(self, store: Store, door: Door, pages: Pages, clock: Clock) -> None:
        self._store = store
        self._door = door
        self._pages = pages
        self._clock = clock
        self._readers = Readers()
        # Stands for each reader's own token in the live part, which is rendered once for all.
        self._csrf_mark = secrets.token_hex(16)
        # Set before the first request: the live part needs `render`.
        self.live: Live

    def add_routes(self, app: FastAPI) -> None:
        app.get("/")(self.page)
        app.get("/live")(self.stream)
        app.head("/live")(self.stream_head)
        app.post("/incidents/{incident_id}/answer")(self.answer)
        app.post("/incidents/{incident_id}/arrive")(self.arrive)
        app.post("/incidents/{incident_id}/close")(self.close)
        app.post("/faults/seen")(self.fault_seen)

    def render(self, picture: Picture) -> str:
        """Return the live part; `html_for` makes it one reader's own."""
        return self._pages.render(
            "live.html",
            picture=picture,
            capacity=SmsCapacity.of(picture.modems),
            outcomes=list(IncidentOutcome),
            events=[
                fault.kind for fault in picture.faults if FAULTS.get(fault.kind, UNKNOWN_FAULT).seen
            ],
            csrf=self._csrf_mark,
        )

    def html_for(self, snapshot: Snapshot, session: Session) -> str:
        return snapshot.html.replace(self._csrf_mark, session.csrf)

    def _age_s(self, snapshot: Snapshot) -> float:
        return self._clock.monotonic_s() - snapshot.read_s

    # Reading

    async def page(self, request: Request, told: str = "") -> Response:
        session = await self._door.session(request)
        if session is None:
            return RedirectResponse("/login", 303)
        try:
            snapshot = await self.live.refresh()
        except StorageError:
            # What was last known, with its age: the page's first beat tells it.
            newest = self.live.newest
            if newest is None:
                raise
            snapshot = newest
        return self._pages.page(
            "desk.html",
            login=session.login,
            csrf=session.csrf,
            live=self.html_for(snapshot, session),
            snapshot=snapshot,
            now=self._clock.utc(),
            age_ms=round(1000 * self._age_s(snapshot)),
            told=told,
        )

    async def stream_head(self, request: Request) -> Response:
        """Tell a page whose stream was refused whether its session still stands."""
        return Response(status_code=401 if await self._door.session(request) is None else 204)

    async def stream(self, request: Request) -> Response:
        session = await self._door.session(request)
        if session is None:
            return Response(status_code=401)
        return _Stream(self, request, session)

    async def events(
        self, request: Request, session: Session, reader: Reader
    ) -> AsyncIterator[str]:
        """Yield what the page is told, until its session, its turn or the console ends."""
        number = 0
        # How soon a browser tries again after the stream broke.
        yield "retry: 1000\n\n"
        while not reader.gone:
            snapshot = await self.live.after(number, _BEAT_S)
            if self.live.ended:
                return
            # Before anything is told: whoever was put out hears of nothing that came after.
            if await self._door.session(request) is None:
                yield _event("over", {})
                return
            age_s = 0.0 if self.live.newest is None else self._age_s(self.live.newest)
            told = {"now": self._clock.utc().isoformat(), "age_s": round(age_s, 1)}
            if snapshot is None:
                yield _event("beat", told | {"number": number})
            else:
                number = snapshot.number
                yield _event(
                    "incidents",
                    told
                    | {
                        "number": number,
                        "open": snapshot.open_count,
                        "waiting": snapshot.waiting,
                        "faults": snapshot.faults,
                        "html": self.html_for(snapshot, session),
                    },
                )

    def join(self, session: Session) -> Reader:
        return self._readers.join(session.digest)

    def leave(self, session: Session, reader: Reader) -> None:
        self._readers.leave(session.digest, reader)

    # Acting

    async def answer(self, request: Request, incident_id: str, csrf: Csrf) -> Response:
        async def act(by: str) -> bool:
            # The store takes a second answer too: two officers may come. Two dispatchers who
            # click for the same one would each send a patrol.
            view = await self._store.incident(incident_id)
            if view is not None and view.state is IncidentState.OPEN:
                await self._store.answer_incident(incident_id, by=by)
                view = await self._store.incident(incident_id)
            return view is not None and view.state in _ANSWERED and view.answered_by == by

        return await self._act(request, csrf, act)

    async def arrive(self, request: Request, incident_id: str, csrf: Csrf) -> Response:
        async def act(by: str) -> bool:
            await self._store.arrive(incident_id, by=by)
            return True

        return await self._act(request, csrf, act)

    async def close(
        self,
        request: Request,
        incident_id: str,
        csrf: Csrf,
        outcome: Annotated[IncidentOutcome, Form()],
        presses: Annotated[int, Form()],
    ) -> Response:
        async def act(by: str) -> bool:
            await self._store.close_incident(
                incident_id, by=by, outcome=outcome, seen_presses=presses
            )
            # Closing again changes nothing, whatever outcome the second one chose.
            view = await self._store.incident(incident_id)
            return view is None or (view.closed_by, view.outcome) == (by, outcome)

        return await self._act(request, csrf, act)

    async def fault_seen(
        self, request: Request, csrf: Csrf, kind: _Id, subject: Annotated[str, Form()] = ""
    ) -> Response:
        if not FAULTS.get(kind, UNKNOWN_FAULT).seen:
            # It is still so: looking away does not mend it.
            return self._pages.refusal(422)

        async def act(_: str) -> bool:
            await self._store.clear_fault(kind, subject)
            return True

        return await self._act(request, csrf, act)

    async def _act(
        self, request: Request, csrf: str, action: Callable[[str], Awaitable[bool]]
    ) -> Response:
        """Do `action` in the reader's name, and tell the page's script or show the page again.

        action: returns whether what stands now is what this reader asked for.
        """
        by_script = request.headers.get("accept") == "application/json"
        session = await self._door.session(request)
        if session is None:
            if by_script:
                return JSONResponse({"told": "over"}, 401)
            return RedirectResponse("/login?told=over", 303)
        if not self._door.is_entitled(session, csrf):
            return JSONResponse({"told": "old"}, 403) if by_script else self._pages.refusal(403)
        told = ""
        try:
            if not await action(session.login):
                told = "overtaken"
        except (UnknownIncidentError, IllegalEventError):
            # Somebody else was first; the page that follows shows what he did.
            told = "overtaken"
        except PressedAgainError:
            told = "pressed"
        except StorageError as error:
            _log.error("an action could not be stored: %s", error)
            told = "not_stored"
        if by_script:
            return JSONResponse({"told": told})
        return RedirectResponse(f"/?told={told}" if told else "/", 303)


class _Stream(StreamingResponse):
    """A reader's stream; its place is given back however it ends."""

    def __init__(self, desk: Desk, request: Request, session: Session) -> None:
        self._desk = desk
        self._session = session
        self._reader = desk.join(session)
        super().__init__(
            desk.events(request, session, self._reader),
            media_type="text/event-stream",
            headers={"x-accel-buffering": "no"},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._desk.leave(self._session, self._reader)


def _event(kind: str, data: dict[str, object]) -> str:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n"
