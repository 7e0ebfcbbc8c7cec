"""The console as a program: its stream, its end, its commands, its size."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.console.conftest import PASSWORD, Place, Program, Site, log_in
from vigibip.console.accounts import Accounts
from vigibip.post.store import Store

pytestmark = pytest.mark.xdist_group("console-program")


@asynccontextmanager
async def browser(program: Program) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=program.url, headers={"origin": program.url}, timeout=10
    ) as client:
        yield client


async def let_in(client: httpx.AsyncClient) -> None:
    answer = await log_in(client)
    assert answer.status_code == 303, (answer.status_code, answer.text)


async def next_event(lines: AsyncIterator[str], kind: str) -> dict[str, object]:
    async with asyncio.timeout(15):
        async for line in lines:
            if line == f"event: {kind}":
                return json.loads((await anext(lines)).removeprefix("data: "))
    raise AssertionError("the stream ended")


@asynccontextmanager
async def watching(client: httpx.AsyncClient) -> AsyncIterator[AsyncIterator[str]]:
    """Log in and yield the page's stream behind its first picture."""
    await let_in(client)
    async with client.stream("GET", "/live") as stream:
        lines = stream.aiter_lines()
        await next_event(lines, "incidents")
        yield lines


async def test_a_commit_by_another_process_is_told_within_a_second(
    program: Program, site: Site, accounts: Accounts
) -> None:
    async with browser(program) as client:
        await let_in(client)
        async with client.stream("GET", "/live") as stream:
            lines = stream.aiter_lines()
            assert (await next_event(lines, "incidents"))["open"] == 0
            await site.press()
            committed_s = time.monotonic()
            told = await next_event(lines, "incidents")
            assert time.monotonic() - committed_s < 1
            assert told["open"] == told["waiting"] == 1
            assert (await next_event(lines, "beat"))["age_s"] < 1


async def test_a_reader_who_takes_nothing_does_not_hold_up_the_others(
    program: Program, site: Site, accounts: Accounts
) -> None:
    async with browser(program) as client:
        await let_in(client)
        cookie = client.cookies["vigibip"]
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        slow.connect(("127.0.0.1", program.port))
        head = f"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: vigibip={cookie}\r\n\r\n"
        slow.sendall(head.encode())
        async with client.stream("GET", "/live") as stream:
            lines = stream.aiter_lines()
            for count in range(1, 40):
                await site.press(count % 2)
                committed_s = time.monotonic()
                await next_event(lines, "incidents")
                assert time.monotonic() - committed_s < 1
        slow.close()


async def test_a_session_that_ends_ends_its_stream(
    program: Program, site: Site, accounts: Accounts
) -> None:
    async with browser(program) as client:
        async with watching(client) as lines:
            await accounts.remove("alice")
            await next_event(lines, "over")
            assert [line async for line in lines if line] == []
        assert (await client.head("/live")).status_code == 401


async def test_who_was_put_out_hears_of_nothing_that_came_after(
    program: Program, site: Site, accounts: Accounts
) -> None:
    async with browser(program) as client, watching(client) as lines:
        await accounts.remove("alice")
        await site.press()
        assert not any([line == "event: incidents" async for line in lines])


async def test_open_streams_do_not_hold_its_end(
    program: Program, site: Site, accounts: Accounts
) -> None:
    async with browser(program) as client, watching(client) as lines:
        asked_s = time.monotonic()
        code = await asyncio.to_thread(program.stop)
        assert code == 0
        # Without it the stream would hold it for as long as it lasts.
        assert time.monotonic() - asked_s < 15
        assert not any([line.startswith("event") async for line in lines])


async def test_requests_that_are_none_are_refused_by_the_server(program: Program) -> None:
    for request, status in (
        (b"\x16\x03\x01garbage\r\n\r\n", b"400"),
        (b"GET /login HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
        (b"GET /login HTTP/1.0\r\n\r\n", b"421"),
        (b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 20_000, b"400"),
    ):
        with socket.create_connection(("127.0.0.1", program.port), timeout=10) as plain:
            plain.sendall(request)
            assert plain.recv(4096).split(b" ")[1] == status


async def test_its_memory_stays_small(program: Program, site: Site, accounts: Accounts) -> None:
    async with browser(program) as client:
        await let_in(client)
        for _ in range(20):
            await site.press()
            await client.get("/")
        assert program.process is not None
        status = Path(f"/proc/{program.process.pid}/status").read_text()
        rss_kb = int(status.partition("VmRSS:")[2].split()[0])
        print(f"console RSS {rss_kb / 1024:.0f} MB")
        assert rss_kb < 150 * 1024


# Commands


def vigibip(place: Place, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vigibip", "post", *words, "--config", str(place.config)],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def test_accounts_are_made_listed_and_removed_by_commands(place: Place) -> None:
    assert vigibip(place, "account", "add", "alice", stdin=PASSWORD + "\n").returncode == 0
    assert "changé" in vigibip(place, "account", "add", "alice", stdin=PASSWORD + "\n").stdout
    assert vigibip(place, "account", "add", "bob", stdin="court\n").returncode == 2
    assert vigibip(place, "account", "link", "bob").returncode == 2
    link = json.loads(vigibip(place, "account", "link", "bob", "--create", "--json").stdout)
    assert link["path"].startswith("/entree/")
    assert link["url"] is None  # port 0
    rows = json.loads(vigibip(place, "account", "list", "--json").stdout)
    assert [(row["login"], row["has_password"]) for row in rows] == [
        ("alice", True),
        ("bob", False),
    ]
    assert vigibip(place, "account", "remove", "bob").returncode == 0
    assert vigibip(place, "account", "remove", "bob").returncode == 2
    assert (place.settings.data_dir / "console.sqlite").stat().st_mode & 0o077 == 0


def test_at_a_terminal_a_password_is_asked_for_twice_and_not_shown(place: Place) -> None:
    for second, code in ((PASSWORD, 0), ("another one that differs", 2)):
        parent, child = pty.openpty()
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "vigibip", "post", "account", "add", "alice"),
                *("--config", str(place.config)),
            ],
            stdin=child,
            stdout=child,
            stderr=child,
            start_new_session=True,
        )
        os.close(child)
        shown = b""
        for prompt, typed in ((b"passe : ", PASSWORD), (b"fois : ", second)):
            while prompt not in shown:
                shown += os.read(parent, 1024)
            os.write(parent, typed.encode() + b"\n")
        assert process.wait(20) == code
        assert PASSWORD.encode() not in shown
        os.close(parent)


def test_without_a_store_or_a_free_port_it_says_so(place: Place) -> None:
    told = vigibip(place, "console")
    assert told.returncode == 1
    assert "post init" in told.stderr
    store = Store(place.settings.store_path)
    store.start()
    store.close()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        place.config.write_text(
            f'data_dir = "{place.settings.data_dir}"\nconsole = {{port = {port}}}\n'
        )
        told = vigibip(place, "console")
    assert told.returncode == 2
    assert str(port) in told.stderr
