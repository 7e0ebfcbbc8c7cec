"""A console beside a store with two shops; in this process, or as the real program."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import httpx
import pytest

from vigibip.alert.messages import Alert
from vigibip.base.clock import DrivenClock
from vigibip.console.accounts import Accounts
from vigibip.console.app import Console
from vigibip.post.config import PostSettings
from vigibip.post.store import Store
from vigibip.post.store.incidents import IntakeRules

PASSWORD = "trois mots sans lien"
ORIGIN = "http://127.0.0.1:8080"
_RULES = IntakeRules(worker="test")


class Site:
    """The post's side of the store: shops, and presses that arrive."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.boxes: list[str] = []
        self._presses = 0

    async def equip(self, *names: str) -> None:
        for index, name in enumerate(names, start=len(self.boxes)):
            shop = await self.store.create_shop(name=name, spoken=name, address=f"{index} rue X")
            await self.store.set_box_keys(
                shop.box_id, up_key=bytes(32), down_key=bytes(32), serial=f"{index:x}"
            )
            self.boxes.append(shop.box_id)

    async def press(self, shop: int = 0, **fields: object) -> str:
        """Commit one press as the daemon does, and return its incident."""
        self._presses += 1
        alert = Alert(alert=f"{shop:08x}{self._presses:08x}", **{"age_s": 0, **fields})
        return (await self.store.accept_alert(self.boxes[shop], alert, rules=_RULES)).incident_id


@dataclass
class Place:
    settings: PostSettings
    config: Path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    config = tmp_path / "post.toml"
    config.write_text(f'data_dir = "{tmp_path}"\nconsole = {{port = 0}}\n')
    return Place(PostSettings(data_dir=tmp_path), config)


@pytest.fixture
async def site(place: Place) -> AsyncIterator[Site]:
    store = Store(place.settings.store_path)
    store.start()
    site = Site(store)
    await site.equip("Tabac du Centre", "Épicerie <Nuit & Jour>")
    yield site
    store.close()


@pytest.fixture
async def accounts(place: Place) -> AsyncIterator[Accounts]:
    accounts = Accounts(place.settings.data_dir / "console.sqlite")
    accounts.start()
    await accounts.add("alice", PASSWORD)
    yield accounts
    accounts.close()


@pytest.fixture
async def desk(place: Place, site: Site, accounts: Accounts) -> AsyncIterator[SimpleNamespace]:
    """A console in this process: `.client` (a browser that sends its origin), `.clock`."""
    clock = DrivenClock()
    console = Console(place.settings, clock=clock)
    async with console.running():
        transport = httpx.ASGITransport(console.asgi, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url=ORIGIN, headers={"origin": ORIGIN}
        ) as client:
            yield SimpleNamespace(console=console, client=client, clock=clock, transport=transport)


async def log_in(client: httpx.AsyncClient, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/login", data={"login": "alice", "password": password})


def csrf_of(page: str) -> str:
    return page.partition('name="csrf" value="')[2].partition('"')[0]


class Program:
    """`vigibip post console` as a process."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.url = ""
        self.process: subprocess.Popen[str] | None = None

    def start(self, port: int = 0) -> None:
        text = self._place.config.read_text().splitlines()[0]
        self._place.config.write_text(f"{text}\nconsole = {{port = {port}}}\n")
        words = ("console", "--config", str(self._place.config))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "vigibip", "post", *words], stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        told = ""
        for line in self.process.stderr:
            if line.startswith("console : "):
                self.url = line.removeprefix("console : ").strip().rstrip("/")
                # A pipe that nobody reads would stop the program once it is full.
                threading.Thread(target=_drain, args=(self.process.stderr,), daemon=True).start()
                return
            told += line
        code = self.process.wait(20)
        raise AssertionError(f"the console did not start: exit code {code}\n{told}")

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; return the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        return self.process.wait(20)

    async def link(self, login: str) -> str:
        words = ("account", "link", login, "--create", "--json", "--config")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "vigibip", "post", *words, str(self._place.config)),
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
        assert process.returncode == 0, "the command of the link has failed"
        return self.url + str(json.loads(out)["path"])


def _drain(pipe: IO[str]) -> None:
    with pipe:
        for _ in pipe:
            pass


@pytest.fixture
def program(place: Place, site: Site) -> Iterator[Program]:
    program = Program(place)
    program.start()
    yield program
    if program.process is not None and program.process.poll() is None:
        program.kill()
