"""Who opens a connection and sends nothing, or not all, does not keep it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import uvicorn
from uvicorn.server import ServerState

from vigibip.console import connection
from vigibip.console.connection import PatientConnection

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(connection, "REQUEST_S", 0.05)

    async def app(scope, receive, send) -> None:
        if scope["method"] == "POST":
            while (message := await receive())["type"] == "http.request":
                if not message["more_body"]:
                    break
            else:
                return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        # A stream: it lasts until its reader goes.
        while (await receive())["type"] != "http.disconnect":
            pass

    config = uvicorn.Config(app, ws="none", log_config=None, lifespan="off")
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: PatientConnection(config, state, {}), "127.0.0.1", 0
    )
    async with server:
        yield server.sockets[0].getsockname()[1]


async def ended(port: int, sent: bytes) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    try:
        async with asyncio.timeout(20):
            return await reader.read() == b""
    except ConnectionResetError:
        return True
    finally:
        writer.close()


async def test_a_request_that_does_not_come_whole_is_ended_and_a_stream_is_not(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    head = await reader.readuntil(b"begun\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    for sent in (b"", b"GET / HT", HEAD, HEAD + b"x" * 99):
        assert await ended(port, sent)
    # All that time the stream, which was there before them, has stood.
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await reader.read(100)
    assert not reader.at_eof()
    writer.close()
    await writer.wait_closed()
