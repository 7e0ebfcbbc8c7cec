"""The network between box and broker: slow, cut and put back, without losing its order."""

import asyncio
import socket
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from vigibip.town import network_pair
from vigibip.town.network import Cut, NetworkLink
from vigibip.town.network_pair import Side

DEADLINE_S = 10.0


class Echo:
    """Sends everything back; tells who came and who went."""

    def __init__(self) -> None:
        self.port = 0
        self.open = 0
        self.ended: asyncio.Queue[Exception | None] = asyncio.Queue()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        ended: Exception | None = None
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError as error:
            ended = error
        finally:
            self.open -= 1
            self.ended.put_nowait(ended)
            writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    echo = Echo()
    await echo.start()
    yield echo
    await echo.stop()


@pytest.fixture
async def link(echo: Echo) -> AsyncIterator[NetworkLink]:
    link = NetworkLink("127.0.0.1", echo.port)
    await link.start()
    yield link
    await link.stop()


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def connect(link: NetworkLink) -> AsyncIterator[Callable[[], Awaitable[Streams]]]:
    opened: list[asyncio.StreamWriter] = []

    async def connect() -> Streams:
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        opened.append(writer)
        return reader, writer

    yield connect
    for writer in opened:
        writer.close()


async def round_trip(streams: Streams, data: bytes) -> float:
    """Send `data`, wait for its echo, return the seconds that it took."""
    reader, writer = streams
    start_s = time.perf_counter()
    writer.write(data)
    assert await asyncio.wait_for(reader.readexactly(len(data)), DEADLINE_S) == data
    return time.perf_counter() - start_s


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - a relay tells nobody what it did
            await asyncio.sleep(0.005)


Connect = Callable[[], Awaitable[Streams]]


async def test_what_goes_in_comes_out(link: NetworkLink, connect: Connect) -> None:
    await round_trip(await connect(), b"press")
    assert (link.counts.connections, link.counts.bytes_up, link.counts.bytes_down) == (1, 5, 5)
    assert link.connections == 1


async def test_a_delay_is_added_each_way(link: NetworkLink, connect: Connect) -> None:
    streams = await connect()
    await round_trip(streams, b"warm")
    link.delay_ms = 60
    took_s = await round_trip(streams, b"press")
    assert took_s >= 0.120
    link.delay_ms = 0
    assert await round_trip(streams, b"press") < 0.120


async def test_a_slow_network_is_not_a_narrow_one(link: NetworkLink, connect: Connect) -> None:
    """8 MB with 100 ms each way: one delay there and back, not one for every piece."""
    link.delay_ms = 100
    reader, writer = await connect()
    data = bytes(range(256)) * 4096 * 8
    start_s = time.perf_counter()
    sending = asyncio.create_task(_send(writer, data))
    assert await asyncio.wait_for(reader.readexactly(len(data)), DEADLINE_S) == data
    await sending
    assert 0.2 <= time.perf_counter() - start_s < 4.0


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


async def test_order_is_kept_when_the_delay_shrinks(link: NetworkLink, connect: Connect) -> None:
    streams = await connect()
    await round_trip(streams, b"warm")
    reader, writer = streams
    expected = b""
    for number, delay_ms in enumerate([80, 40, 5, 0, 20, 0]):
        link.delay_ms = delay_ms
        piece = b"piece %d;" % number
        writer.write(piece)
        expected += piece
        await asyncio.sleep(0.003)  # a piece of its own: the relay has read it by now
    assert await asyncio.wait_for(reader.readexactly(len(expected)), DEADLINE_S) == expected


async def test_the_relay_itself_costs_little(
    echo: Echo, link: NetworkLink, connect: Connect
) -> None:
    """Beside the same echo without the relay; a loaded machine slows both."""
    reader, writer = await asyncio.open_connection("127.0.0.1", echo.port)
    direct = (reader, writer)
    relayed = await connect()
    samples: dict[str, list[float]] = {"direct": [], "relayed": []}
    for _ in range(500):
        samples["direct"].append(await round_trip(direct, b"x" * 300))
        samples["relayed"].append(await round_trip(relayed, b"x" * 300))
    writer.close()
    added_s = statistics.median(samples["relayed"]) - statistics.median(samples["direct"])
    assert added_s < 0.001  # for both ways together


async def test_no_side_waits_for_a_fuller_packet(
    link: NetworkLink, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides: list[asyncio.BaseTransport] = []
    original = Side.connection_made

    def spy(side: Side, transport: asyncio.BaseTransport) -> None:
        sides.append(transport)
        original(side, transport)

    monkeypatch.setattr(Side, "connection_made", spy)
    await round_trip(await connect(), b"x")
    options = [
        side.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        for side in sides
    ]
    assert len(options) == 2
    assert all(options)


async def test_silence_holds_everything_back_and_nobody_is_told(
    echo: Echo, link: NetworkLink, connect: Connect
) -> None:
    reader, writer = streams = await connect()
    await round_trip(streams, b"before")
    await link.cut(Cut.SILENT)
    writer.write(b"held")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readexactly(4), 0.1)
    assert echo.open == 1
    assert link.counts.bytes_up == 6
    await link.restore()
    assert await asyncio.wait_for(reader.readexactly(4), DEADLINE_S) == b"held"


async def test_a_close_does_not_pass_a_silence(
    echo: Echo, link: NetworkLink, connect: Connect
) -> None:
    streams = await connect()
    await round_trip(streams, b"before")
    await link.cut(Cut.SILENT)
    streams[1].close()
    await streams[1].wait_closed()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(echo.ended.get(), 0.1)
    await link.restore()
    assert await asyncio.wait_for(echo.ended.get(), DEADLINE_S) is None
    await until(lambda: link.connections == 0)


async def test_a_connection_made_in_a_silence_works_after_it(
    echo: Echo, link: NetworkLink, connect: Connect
) -> None:
    await link.cut(Cut.SILENT)
    streams = await connect()
    streams[1].write(b"hello")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(streams[0].readexactly(5), 0.1)
    assert echo.open == 0
    gone = await connect()
    gone[1].close()
    await until(lambda: link.connections == 1)
    await link.restore()
    assert await asyncio.wait_for(streams[0].readexactly(5), DEADLINE_S) == b"hello"
    assert echo.open == 1


async def test_a_reset_tears_down_and_lets_the_next_one_through(
    echo: Echo, link: NetworkLink, connect: Connect
) -> None:
    streams = await connect()
    await round_trip(streams, b"before")
    await link.cut(Cut.RESET)
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(streams[0].read(1), DEADLINE_S)
    assert isinstance(await asyncio.wait_for(echo.ended.get(), DEADLINE_S), ConnectionResetError)
    await round_trip(await connect(), b"after")
    assert link.counts.resets == 1


async def test_refused_until_restored_on_the_same_port(link: NetworkLink, connect: Connect) -> None:
    streams = await connect()
    await round_trip(streams, b"before")
    port = link.port
    await link.cut(Cut.REFUSED)
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(streams[0].read(1), DEADLINE_S)
    with pytest.raises(ConnectionRefusedError):
        await connect()
    with pytest.raises(OSError, match="in use"), socket.socket() as thief:
        thief.bind(("127.0.0.1", port))
    await link.restore()
    assert link.port == port
    await round_trip(await connect(), b"after")


async def test_a_dead_target_ends_the_connection(
    echo: Echo, link: NetworkLink, connect: Connect
) -> None:
    await echo.stop()
    streams = await connect()
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(streams[0].read(1), DEADLINE_S)
    assert link.counts.unanswered == 1
    await until(lambda: link.connections == 0)
    await echo.start()
    await round_trip(await connect(), b"after")


async def test_what_was_sent_before_a_close_still_arrives(
    link: NetworkLink, connect: Connect
) -> None:
    link.delay_ms = 30
    reader, writer = await connect()
    writer.write(b"last words")
    writer.write_eof()
    # The relay passes an end on as the end of both ways, after what was ahead of it.
    await asyncio.wait_for(reader.read(-1), DEADLINE_S)
    await until(lambda: link.counts.bytes_up == 10)


async def test_a_silence_is_bounded_in_memory(link: NetworkLink, connect: Connect) -> None:
    reader, writer = await connect()
    await round_trip((reader, writer), b"x")
    await link.cut(Cut.SILENT)
    data = b"y" * (network_pair._HELD_MAX_BYTES * 4)
    sending = asyncio.create_task(_send(writer, data))
    done, _ = await asyncio.wait([sending], timeout=0.5)
    assert not done, "the sender was never made to wait"
    await link.restore()
    assert await asyncio.wait_for(reader.readexactly(len(data)), DEADLINE_S) == data
    await sending


async def test_stopping_leaves_nothing_behind(link: NetworkLink, connect: Connect) -> None:
    streams = await connect()
    await round_trip(streams, b"x")
    await link.stop()
    with pytest.raises(ConnectionRefusedError):
        await connect()
    await until(lambda: link.connections == 0)
