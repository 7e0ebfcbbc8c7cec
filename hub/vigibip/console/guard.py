"""What every request passes before a route sees it, and every answer before it leaves."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger(__name__)

# The largest form is a login; what is larger is nobody's honest form.
BODY_MAX_BYTES = 8192

# A name or an address, and perhaps a port: RFC 9110, 7.2.
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(:[0-9]{1,5})?")
_LENGTH = re.compile(r"[0-9]{1,9}")

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not "no-referrer": with it a browser sends "Origin: null" with our own forms.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """Refuses foreign hosts, foreign origins and large bodies; adds the security headers.

    hosts: the names that this console answers to, without port; a request for any other is a DNS
    rebinding or a mistake, and learns nothing. refuse: makes the page for a status.

    Every POST must name its origin, and that must be this very page's: all browsers of today send
    it. So no foreign page can have a form sent here, not even the login's: that would let somebody
    put a dispatcher at work under another account.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Iterable[str],
        behind_https: bool,
        refuse: Callable[[int], Response],
    ) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._scheme = "https" if behind_https else "http"
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        status = self._refusal(scope)
        app = self._app if status is None else self._refuse(status)
        await app(scope, _bounded(receive), _with_headers(send, scope["path"]))

    def _refusal(self, scope: Scope) -> int | None:
        """Return the status to refuse with, None for what may pass."""
        headers = Headers(scope=scope)
        named = headers.getlist("host")
        host = named[0].lower() if len(named) == 1 else ""
        match = _HOST.fullmatch(host)
        if match is None or match["name"].strip("[]") not in self._hosts:
            return 421
        if scope["method"] in ("GET", "HEAD"):
            return None
        if headers.getlist("origin") != [f"{self._scheme}://{host}"]:
            _log.warning("a form came from a foreign page, or behind_https is not set as it is")
            return 403
        lengths = headers.getlist("content-length")
        if len(lengths) != 1 or not _LENGTH.fullmatch(lengths[0]):
            return 411
        return 413 if int(lengths[0]) > BODY_MAX_BYTES else None


def _bounded(receive: Receive) -> Receive:
    left = BODY_MAX_BYTES

    async def receive_some() -> Message:
        nonlocal left
        message = await receive()
        if message["type"] == "http.request":
            left -= len(message.get("body", b""))
            if left < 0:
                # More came than content-length said: end it as if the client had gone.
                return {"type": "http.disconnect"}
        return message

    return receive_some


def _with_headers(send: Send, path: str) -> Send:
    # A file of ours may be kept, but asked for again each time: after an upgrade the page and its
    # script must fit each other.
    caching = "no-cache" if path.startswith("/static/") else "no-store"

    async def send_with(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            headers["cache-control"] = caching
        await send(message)

    return send_with
