"""The simulated modem on a pseudo-terminal, in real time, seen by a plain file."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.modem.paper import PaperNetwork
from vigibip.base.clock import SystemClock
from vigibip.modem.simulated import (
    SIM7600,
    Behaviour,
    Hang,
    HangKind,
    PtyModem,
    SimulatedModem,
)

_LIMIT_S = 60.0


@pytest.fixture
async def pty(tmp_path: Path) -> AsyncIterator[PtyModem]:
    modem = SimulatedModem(
        SystemClock(),
        PaperNetwork(),
        SIM7600,
        chance=random.Random(1),
        behaviour=Behaviour(boot_silence_s=(0.1, 0.1), usb=True),
    )
    pty = PtyModem(modem, tmp_path / "modem")
    pty.open()
    modem.start(booted=True)
    yield pty
    pty.close()


async def read_until(fd: int, end: bytes) -> bytes:
    heard = b""
    async with asyncio.timeout(_LIMIT_S):
        while not heard.endswith(end):
            try:
                heard += os.read(fd, 4096)
            except BlockingIOError:
                await asyncio.sleep(0.01)
    return heard


async def appears(path: Path, there: bool) -> None:
    async with asyncio.timeout(_LIMIT_S):
        while True:
            if path.exists() is there:
                return
            await asyncio.sleep(0.01)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)


async def test_it_answers_on_its_path(pty: PtyModem) -> None:
    fd = opened(pty.path)
    os.write(fd, b"AT+CGMM\r")
    expected = b"AT+CGMM\r\r\nSIMCOM_SIM7600G-H\r\n\r\nOK\r\n"
    assert await read_until(fd, b"OK\r\n") == expected
    os.close(fd)


async def test_a_port_that_vanishes_hangs_up_and_comes_back(pty: PtyModem) -> None:
    fd = opened(pty.path)
    pty.modem.begin_hang(Hang.of(HangKind.PORT_VANISHED, lasts_s=0.2))
    assert not pty.path.exists()
    with pytest.raises(OSError, match="Input/output"):
        os.write(fd, b"AT\r")
    os.close(fd)
    await appears(pty.path, True)
    fd = opened(pty.path)
    os.write(fd, b"AT\r")
    assert await read_until(fd, b"OK\r\n") == b"AT\r\r\nOK\r\n"
    os.close(fd)


async def test_who_does_not_read_holds_nobody_up(pty: PtyModem) -> None:
    fd = opened(pty.path)
    for _ in range(300):
        pty.modem.tell("+CSQ: 10,99" * 30)
    assert pty.lost_bytes > 0
    await read_until_quiet(fd)
    os.write(fd, b"AT\r")
    assert (await read_until(fd, b"OK\r\n")).endswith(b"AT\r\r\nOK\r\n")
    os.close(fd)


async def read_until_quiet(fd: int) -> None:
    while True:
        try:
            os.read(fd, 65536)
        except BlockingIOError:
            return


async def test_closed_it_leaves_nothing_behind(pty: PtyModem) -> None:
    before = open_files()
    pty.close()
    assert not pty.path.is_symlink()
    assert open_files() == before - 2
    pty.close()
