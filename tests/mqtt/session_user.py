"""Whoever uses a session, as its tests do."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Callable

from tests.support.bad_broker import BadBroker
from tests.support.paho_peer import client_context
from vigibip.base.clock import DrivenClock
from vigibip.mqtt.session import EndCause, Session, SessionSettings
from vigibip.post.authority import Authority

DEADLINE_S = 10.0
UP = "vigibip/1/box-00000001/up/status"
DOWN = "vigibip/1/box-00000001/down/x"
MESSAGE_MAX_BYTES = 16384

MakeBroker = Callable[[Callable[[ssl.SSLSocket], None]], BadBroker]
"""Given how it behaves on each connection."""


async def until(met: Callable[[], object]) -> None:
    end_s = time.monotonic() + DEADLINE_S
    while not met():
        assert time.monotonic() < end_s, "the condition was not met in time"
        await asyncio.sleep(0.002)


class User:
    """Whoever uses a session: notes what it tells, and in which thread."""

    def __init__(
        self, authority: Authority, port: int, *, identity: str = "post", host: str = "127.0.0.1"
    ) -> None:
        self.told: list[str] = []
        self.messages: list[tuple[str, bytes]] = []
        self.causes: list[EndCause] = []
        self.reasons: list[str] = []
        self.threads: set[int] = set()
        self.when_connected: Callable[[], None] = lambda: None
        self.when_told: Callable[[], None] = lambda: None
        self.clock = DrivenClock()
        self._settings = SessionSettings(
            host=host,
            port=port,
            tls=client_context(authority, authority, identity),
            identity=identity,
            subscription="vigibip/1/+/up/+" if identity == "post" else f"vigibip/1/{identity}/#",
            message_max_bytes=MESSAGE_MAX_BYTES,
            keepalive_s=15,
            connect_timeout_s=5.0,
            up_within_s=30.0,
            acknowledged_within_s=10.0,
        )

    def make(self) -> Session:
        self.session = Session(self._settings, self, self.clock)
        return self.session

    async def connected(self) -> Session:
        """Return a new session once it is connected and subscribed."""
        before = self.told.count("subscribed")
        session = self.make()
        session.connect()
        await until(lambda: self.told.count("subscribed") > before)
        return session

    def session_connected(self) -> None:
        self._tell("connected")
        self.when_connected()

    def session_subscribed(self) -> None:
        self._tell("subscribed")

    def session_message(self, topic: str, payload: bytes) -> None:
        self._tell("message")
        self.messages.append((topic, payload))
        self.when_told()

    def session_ended(self, cause: EndCause, reason: str) -> None:
        self._tell("ended")
        self.causes.append(cause)
        self.reasons.append(reason)

    def ended(self) -> bool:
        return "ended" in self.told

    def pass_time(self, duration_s: float) -> None:
        """Let it be so much later, and be looked after."""
        self.clock._now_s += duration_s
        self.session.keep_alive()

    def _tell(self, what: str) -> None:
        self.threads.add(threading.get_ident())
        self.told.append(what)
