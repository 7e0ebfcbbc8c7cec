"""Coming and going: the login, the one-time link, the session's cookie."""

from __future__ import annotations

import logging
from ipaddress import IPv6Address, IPv6Network, ip_address
from secrets import compare_digest
from typing import Annotated

from fastapi import FastAPI, Form, Request
from fastapi.responses import RedirectResponse, Response

from vigibip.console.accounts import PASSWORD_MAX, Accounts, Session
from vigibip.console.pages import Pages
from vigibip.console.throttle import Throttle

_log = logging.getLogger(__name__)

# Each waits for a hash of 64 MiB: a flood from many addresses is turned away at the door.
_AT_ONCE = 16
_BUSY_WAIT_S = 3

Csrf = Annotated[str, Form(max_length=64)]
_Login = Annotated[str, Form(max_length=100)]
_Password = Annotated[str, Form(max_length=PASSWORD_MAX)]


class Door:
    """Who comes in, who is in, who goes."""

    def __init__(
        self, accounts: Accounts, throttle: Throttle, pages: Pages, *, behind_https: bool
    ) -> None:
        self._accounts = accounts
        self._throttle = throttle
        self._pages = pages
        self._behind_https = behind_https
        # With this prefix a browser takes the cookie from this very host alone, over HTTPS.
        self._cookie = "__Host-vigibip" if behind_https else "vigibip"
        self._entering = 0

    def add_routes(self, app: FastAPI) -> None:
        app.get("/login")(self.login_page)
        app.post("/login")(self.login)
        app.get("/entree/{token}")(self.link_page)
        app.post("/entree/{token}")(self.enter_by_link)
        app.post("/logout")(self.logout)

    # Who asks

    async def session(self, request: Request) -> Session | None:
        """Return who asks; None: nobody who is in."""
        cookie = request.cookies.get(self._cookie)
        return None if cookie is None else await self._accounts.session(cookie)

    @staticmethod
    def is_entitled(session: Session, csrf: str) -> bool:
        """Return whether a form came from a page that was made for this session."""
        return compare_digest(session.csrf.encode(), csrf.encode())

    # Routes

    async def login_page(self, request: Request, told: str = "") -> Response:
        if await self.session(request) is not None:
            return RedirectResponse("/", 303)
        return self._pages.page("login.html", told="over" if told == "over" else "", wait_s=0)

    async def login(self, request: Request, login: _Login, password: _Password) -> Response:
        login, address = login.strip().lower(), _address(request)
        wait_s = self._throttle.wait_s(login, address)
        if wait_s > 0 or self._entering >= _AT_ONCE:
            return self._wait(int(wait_s) + 1 if wait_s > 0 else _BUSY_WAIT_S)
        # Counted before the slow check: many tries at once must not all pass this point.
        self._throttle.failed(login, address)
        self._entering += 1
        try:
            entered = await self._accounts.enter(
                login, password, instead_of=request.cookies.get(self._cookie)
            )
        finally:
            self._entering -= 1
        if entered is None:
            _log.info("a login failed")
            return self._pages.page("login.html", told="failed", wait_s=0, status=403)
        self._throttle.passed(login, address)
        return self._let_in(entered[0])

    async def link_page(self, token: str) -> Response:
        # Whatever fetches links ahead of people must not use this one up: a button does.
        return self._pages.page("link.html", token=token, failed=False)

    async def enter_by_link(self, request: Request, token: str) -> Response:
        # Not throttled: 256 random bits are not guessed, and a link is the way in for whoever
        # is kept waiting at the login.
        entered = await self._accounts.enter_by_link(
            token, instead_of=request.cookies.get(self._cookie)
        )
        if entered is None:
            return self._pages.page("link.html", token="", failed=True, status=403)
        return self._let_in(entered[0])

    async def logout(self, request: Request, csrf: Csrf) -> Response:
        session = await self.session(request)
        if session is not None:
            if not self.is_entitled(session, csrf):
                return self._pages.refusal(403)
            await self._accounts.leave(session)
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(
            self._cookie, path="/", httponly=True, samesite="strict", secure=self._behind_https
        )
        return answer

    def _let_in(self, cookie: str) -> Response:
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            self._cookie,
            cookie,
            httponly=True,
            samesite="strict",
            secure=self._behind_https,
            path="/",
        )
        return answer

    def _wait(self, wait_s: int) -> Response:
        page = self._pages.page("login.html", told="wait", wait_s=wait_s, status=429)
        page.headers["retry-after"] = str(wait_s)
        return page


def _address(request: Request) -> str:
    """Return what tries are counted by: an IPv4 address, or the /64 that an IPv6 customer has.

    Whoever has 2^64 addresses would otherwise be a stranger at each try.
    """
    try:
        address = ip_address(request.client.host if request.client else "")
    except ValueError:
        return "?"
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(IPv6Network((int(address), 64), strict=False))
    return str(address)
