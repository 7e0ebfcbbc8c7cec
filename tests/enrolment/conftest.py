"""A post that serves enrolment over real TLS, with its real store and a clock that stands still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vigibip.alert.enrolment_token import EnrolmentToken
from vigibip.base.clock import DrivenClock
from vigibip.box.enrolling import Enrolled, enrol
from vigibip.post.authority import Authority
from vigibip.post.enrolment import TOKEN_LIFETIME_S, BrokerAddress, Enrolments, issue_token
from vigibip.post.enrolment_server import EnrolmentServer
from vigibip.post.store.store import Store


@dataclass
class Post:
    """What an enrolment needs of a post."""

    clock: DrivenClock
    authority: Authority
    store: Store
    server: EnrolmentServer

    @classmethod
    def make(cls, directory: Path) -> Post:
        # The certificates are checked against the machine's clock, so this one starts there.
        clock = DrivenClock(datetime.now(UTC))
        authority = Authority.create(directory / "authority", clock)
        store = Store(directory / "post.sqlite", clock=clock)
        post = cls(clock, authority, store, server=None)  # type: ignore[arg-type]
        post.server = post.new_server(authority)
        return post

    def new_server(
        self, authority: Authority, hosts: Sequence[str] = ("127.0.0.1", "localhost")
    ) -> EnrolmentServer:
        broker = BrokerAddress("broker.example", 8883)
        enrolments = Enrolments(authority, self.store, self.clock, broker)
        return EnrolmentServer(
            enrolments,
            authority,
            self.clock,
            host="127.0.0.1",
            port=0,
            public_hosts=hosts,
            deadline_s=5,
        )

    async def serve(self, server: EnrolmentServer) -> None:
        """Serve with `server` from now on."""
        await self.server.stop()
        self.server = server
        await server.start()

    async def new_box(self) -> str:
        shop = await self.store.create_shop(name="Tabac", spoken="Tabac", address="1 rue Haute")
        return shop.box_id

    async def token(
        self, box_id: str | None = None, *, valid_for_s: float = TOKEN_LIFETIME_S
    ) -> EnrolmentToken:
        return await issue_token(
            self.store,
            self.authority,
            self.clock,
            box_id=box_id or await self.new_box(),
            host="127.0.0.1",
            port=self.server.port,
            valid_for_s=valid_for_s,
        )

    async def enrolled(self) -> list[str]:
        """Return the boxes that are enrolled."""
        return [shop.box_id for shop in await self.store.shops() if shop.enrolled_at is not None]

    async def keys(self, box_id: str) -> tuple[bytes, bytes]:
        """Return up and down key as the store has them."""
        box = (await self.store.known_boxes(box_id))[box_id]
        return box.up_key, box.down_key


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    post = Post.make(tmp_path)
    post.store.start()
    await post.server.start()
    yield post
    await post.server.stop()
    post.store.close()


async def enrol_box(post: Post, token: EnrolmentToken, path: Path) -> Enrolled:
    """Run the box's command beside the post's event loop."""
    return await asyncio.to_thread(enrol, token, path, post.clock, timeout_s=5)
