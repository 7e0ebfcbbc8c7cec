"""The real serial port, on a pseudo-terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from vigibip.modem.port import PortError, SerialPort, serial_opener

DEADLINE_S = 20.0


@dataclass
class Heard:
    data: bytearray = field(default_factory=bytearray)
    lost: list[str] = field(default_factory=list)


@pytest.fixture
def pty() -> Iterator[tuple[int, str]]:
    master, slave = os.openpty()
    tty.setraw(master)
    yield master, os.ttyname(slave)
    for fd in (master, slave):
        # A test may have closed it.
        with contextlib.suppress(OSError):
            os.close(fd)


async def until(condition) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - the kernel tells only the port itself
            await asyncio.sleep(0.005)


def opened(path: str, heard: Heard) -> SerialPort:
    port = serial_opener(path, 115_200)(heard.data.extend, heard.lost.append)
    assert isinstance(port, SerialPort)
    return port


async def test_what_is_written_goes_out_and_what_comes_is_told(pty: tuple[int, str]) -> None:
    master, path = pty
    heard = Heard()
    port = opened(path, heard)
    port.write(b"AT\r")
    assert os.read(master, 10) == b"AT\r"
    os.write(master, b"\r\nOK\r\n")
    await until(lambda: heard.data == b"\r\nOK\r\n")
    port.close()
    port.close()
    port.write(b"AT\r")


async def test_nobody_else_gets_the_port(pty: tuple[int, str]) -> None:
    _, path = pty
    port = opened(path, Heard())
    with pytest.raises(PortError):
        opened(path, Heard())
    port.close()
    opened(path, Heard()).close()


async def test_a_port_that_is_not_there_says_so() -> None:
    with pytest.raises(PortError, match="No such file"):
        opened("/dev/does-not-exist", Heard())


async def test_a_port_that_vanishes_is_told_once(pty: tuple[int, str]) -> None:
    master, path = pty
    heard = Heard()
    port = opened(path, heard)
    os.close(master)
    await until(lambda: heard.lost)
    port.write(b"AT\r")
    await asyncio.sleep(0)
    assert len(heard.lost) == 1
    port.close()


async def test_a_line_that_takes_nothing_is_lost_and_holds_nobody(pty: tuple[int, str]) -> None:
    _, path = pty
    heard = Heard()
    port = opened(path, heard)
    for _ in range(10_000):
        port.write(b"x" * 1000)
        if heard.lost:
            break
        await asyncio.sleep(0)
    assert heard.lost == ["the line takes nothing"]
    port.close()
