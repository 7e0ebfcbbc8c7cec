"""kannel drives the simulated modem: +CMT and +CDS at once, its own HTTP on both sides."""

import asyncio
import socket
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.modem_peers import MODEM_NUMBER, PHONE_NUMBER, ModemBench
from vigibip.modem.simulated import EC25, GENERIC, SIM7600, Model

pytestmark = [pytest.mark.slow, pytest.mark.requires_program("bearerbox", "smsbox")]

TEXT = "Bonjour de la rue des Lilas"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Kannel:
    """bearerbox and smsbox, and whom they call back."""

    def __init__(self, bench: ModemBench) -> None:
        self.bench = bench
        self.called: list[str] = []
        self._sends_port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        own_port = self._server.sockets[0].getsockname()[1]
        admin_port, box_port, self._sends_port = free_port(), free_port(), free_port()
        directory = self.bench.directory
        self.back = f"http://127.0.0.1:{own_port}"
        config = directory / "kannel.conf"
        config.write_text(
            f"group = core\nadmin-port = {admin_port}\nadmin-password = x\n"
            f"admin-interface = 127.0.0.1\nsmsbox-port = {box_port}\n"
            f"smsbox-interface = 127.0.0.1\nlog-level = 0\nlog-file = {directory}/core.log\n\n"
            "group = smsc\nsmsc = at\nsmsc-id = modem\nmodemtype = generic\n"
            f"device = {self.bench.path}\nspeed = 115200\nmy-number = {MODEM_NUMBER}\n\n"
            "group = modems\nid = generic\nname = generic\n"
            "init-string = AT+CNMI=2,2,0,1,0\n\n"
            "group = smsbox\nbearerbox-host = 127.0.0.1\n"
            f"sendsms-port = {self._sends_port}\nsendsms-interface = 127.0.0.1\n"
            f"log-file = {directory}/smsbox-own.log\nlog-level = 0\n\n"
            "group = sendsms-user\nusername = town\npassword = town\n\n"
            f"group = sms-service\nkeyword = default\nget-url = {self.back}/in?from=%p&text=%a\n"
            "max-messages = 0\ncatch-all = true\n"
        )
        await self.bench.serve("bearerbox", "bearerbox", str(config))
        await self.bench.until(lambda: listens(box_port), "bearerbox listens")
        await self.bench.serve("smsbox", "smsbox", str(config))
        await self.bench.until(lambda: listens(self._sends_port), "smsbox listens")

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def send(self, to: str, text: str) -> str:
        asked = urllib.parse.urlencode(
            {
                "username": "town",
                "password": "town",
                "from": MODEM_NUMBER,
                "to": to,
                "text": text,
                # 1: delivered to the phone, 2: not, 8: taken by the network.
                "dlr-mask": 11,
                "dlr-url": f"{self.back}/report?status=%d",
            }
        )
        url = f"http://127.0.0.1:{self._sends_port}/cgi-bin/sendsms?{asked}"
        return await asyncio.to_thread(_get, url)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.called.append(head.decode("latin-1").split(" ")[1])
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        said: bytes = answer.read()
    return said.decode("utf-8")


@pytest.fixture(params=[SIM7600, EC25, GENERIC], ids=lambda model: model.key)
async def kannel(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Kannel]:
    model: Model = request.param
    bench = ModemBench(tmp_path, model)
    bench.start()
    kannel = Kannel(bench)
    await kannel.start()
    yield kannel
    await bench.close()
    await kannel.close()


async def test_kannel_sends_and_calls_back_with_the_report(kannel: Kannel) -> None:
    bench = kannel.bench
    # 0: accepted; 3: kept until the modem is set up.
    assert (await kannel.send(PHONE_NUMBER, TEXT)).startswith(("0:", "3:"))
    await bench.until(lambda: bench.phone.texts == [(MODEM_NUMBER, TEXT)], "the SMS arrives")
    await bench.until(lambda: "/report?status=1" in kannel.called, "its report is called back")


async def test_kannel_receives(kannel: Kannel) -> None:
    bench = kannel.bench
    await bench.until(lambda: bench.modem.volatile.cnmi[1] == 2, "it is set to hand over")
    bench.phone.write(MODEM_NUMBER, TEXT)
    quoted = urllib.parse.quote(PHONE_NUMBER, safe="")
    await bench.until(
        lambda: any(one.startswith(f"/in?from={quoted}&text=") for one in kannel.called),
        "the SMS is called back",
    )
    [called] = [one for one in kannel.called if one.startswith("/in?")]
    assert urllib.parse.parse_qs(urllib.parse.urlsplit(called).query)["text"] == [TEXT]
