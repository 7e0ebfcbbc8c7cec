"""The demo's broker, as one process: `iotcore` behind a gate of mutual TLS.

iotcore's wheel accepts any client, with or without a certificate: its `capath` is ignored, and it
has no access rules. So it listens without TLS on a loopback port of its own choosing, and this
process stands before it: it verifies the client's certificate and revocation, takes the identity
from it, and passes on only what that identity may say (`mqtt_gate`). Whoever has an account on the
machine can still reach the inner port: good for a demo, and the messages' own HMAC holds there.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
import ssl
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from vigibip.post.broker_config import PACKET_MAX_BYTES
from vigibip.town.mqtt_gate import Gate, GateError

_log = logging.getLogger(__name__)

_CHUNK_BYTES = 65536
_HANDSHAKE_DEADLINE_S = 10.0

_RUMQTTD = """\
id = 0
[router]
id = 0
max_connections = 12000
max_outgoing_packet_count = 200
max_segment_size = 1048576
max_segment_count = 4
[v5.1]
name = "inner"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 10000
max_payload_size = {payload}
max_inflight_count = 100
"""


@dataclass(frozen=True, slots=True)
class EmbeddedBrokerOptions:
    """What the process is told, as JSON, in its one argument."""

    port: int
    authority: str
    certificate: str
    key: str
    crl: str

    def command(self) -> list[str]:
        """Return the argument list that runs this broker."""
        return [sys.executable, "-m", __spec__.name, json.dumps(asdict(self))]


class GatedBroker:
    """Accepts clients with a certificate of the authority and relays them to the inner port."""

    def __init__(self, options: EmbeddedBrokerOptions, inner_port: int) -> None:
        self._options = options
        self._inner_port = inner_port
        self._clients: set[asyncio.Task[None]] = set()

    async def run(self, until: asyncio.Event) -> None:
        """Serve until `until` is set."""
        server = await asyncio.start_server(
            self._serve,
            "127.0.0.1",
            self._options.port,
            ssl=self._tls(),
            ssl_handshake_timeout=_HANDSHAKE_DEADLINE_S,
            backlog=1024,
        )
        async with server:
            await until.wait()
            server.close()
            for client in self._clients:
                client.cancel()

    def _tls(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._options.certificate, self._options.key)
        context.load_verify_locations(self._options.authority)
        context.load_verify_locations(self._options.crl)
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
        return context

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relay = asyncio.create_task(self._relay(reader, writer))
        self._clients.add(relay)
        try:
            await relay
        except GateError as error:
            _log.warning("a client was put out: %s", error)
        except (OSError, ssl.SSLError) as error:
            _log.info("a client is gone: %s", error)
        except asyncio.CancelledError:
            _log.debug("a client is put out: the broker ends")
        finally:
            self._clients.discard(relay)
            writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gate = Gate(_common_name(writer))
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._inner_port)
        try:
            down = asyncio.create_task(_copy(inner_reader, writer))
            try:
                while data := await reader.read(_CHUNK_BYTES):
                    inner_writer.write(gate.feed(data))
                    await inner_writer.drain()
            finally:
                down.cancel()
                await asyncio.gather(down, return_exceptions=True)
        finally:
            inner_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Relay what the broker says; its end of the connection ends the client's."""
    try:
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


def _common_name(writer: asyncio.StreamWriter) -> str:
    subject = writer.get_extra_info("peercert")["subject"]
    return next(str(value) for part in subject for name, value in part if name == "commonName")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _main(options: EmbeddedBrokerOptions) -> None:
    from iotcore import IotCoreBroker

    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    inner_port = _free_port()
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory) / "rumqttd.toml"
        config.write_text(_RUMQTTD.format(port=inner_port, payload=PACKET_MAX_BYTES))
        broker = IotCoreBroker(config_path=str(config))
        broker.start()
        await GatedBroker(options, inner_port).run(end)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    # rumqttd reports every routed message as an error, and its spans as messages.
    for name in ("rumqttd", "tracing", "iotcore"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    asyncio.run(_main(EmbeddedBrokerOptions(**json.loads(sys.argv[1]))))
