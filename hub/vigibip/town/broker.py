"""The town's broker: mosquitto as production has it, or `iotcore` where none is installed.

Both know a client by its certificate and keep each box in its own topics. Neither keeps anything
across a restart. iotcore (a wheel, no system package) verifies neither certificates nor access
itself; what stands before it does (`embedded_broker`).
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import socket
import time
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from vigibip.base.private_files import make_private_directory
from vigibip.post.authority import Authority
from vigibip.post.broker_config import BrokerConfig, write_broker_config
from vigibip.town.children import Child, Children
from vigibip.town.embedded_broker import EmbeddedBrokerOptions
from vigibip.town.errors import TownError

_HOST = "127.0.0.1"
_START_DEADLINE_S = 15.0
_POLL_S = 0.02


class BrokerKind(Enum):
    MOSQUITTO = "mosquitto"
    IOTCORE = "iotcore"


def installed_kind() -> BrokerKind:
    """Return mosquitto when it is installed (Debian keeps it in sbin), else iotcore."""
    return BrokerKind.MOSQUITTO if _mosquitto() else BrokerKind.IOTCORE


class Broker:
    """One broker on one loopback port, which it keeps across restarts."""

    def __init__(
        self,
        children: Children,
        directory: Path,
        authority: Authority,
        kind: BrokerKind | None = None,
        *,
        port: int = 0,
    ) -> None:
        """`kind` None: `installed_kind()`. `port` 0: one that is free now."""
        self._children = children
        self._directory = directory
        self._authority = authority
        self.kind = kind or installed_kind()
        self.host = _HOST
        self.port = port or _claim_port()
        self._child: Child | None = None

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.running

    @property
    def pid(self) -> int:
        """The process of the broker. Raises TownError when none runs."""
        if self._child is None:
            raise TownError("the broker was not started")
        return self._child.pid

    async def start(self) -> None:
        """Start it, or start it again; returns once it accepts connections. Raises TownError."""
        _claim_port(self.port)
        self._child = await self._children.start("broker", self._command())
        deadline_s = time.monotonic() + _START_DEADLINE_S
        while not await self._accepts():
            if not self._child.running:
                raise TownError(f"the broker ended at its start\n{self._child.log_tail()}")
            if time.monotonic() > deadline_s:
                await self._child.kill()
                raise TownError(f"the broker does not listen\n{self._child.log_tail()}")
            await asyncio.sleep(_POLL_S)

    async def stop(self) -> None:
        """End it in good order."""
        if self._child is not None:
            await self._child.stop()

    async def kill(self) -> None:
        """End it as a power cut would."""
        if self._child is not None:
            await self._child.kill()

    def _command(self) -> Sequence[str]:
        hosts = ["localhost", _HOST]
        if self.kind is BrokerKind.MOSQUITTO:
            program = _mosquitto()
            if program is None:
                raise TownError("mosquitto is not installed")
            config = BrokerConfig(
                hosts=hosts,
                port=self.port,
                bind_address=_HOST,
                user=pwd.getpwuid(os.geteuid()).pw_name,
            )
            path = write_broker_config(self._directory, self._authority, config)
            return [program, "-c", str(path)]
        make_private_directory(self._directory)
        server = self._authority.server_files("broker", hosts)
        return EmbeddedBrokerOptions(
            port=self.port,
            authority=str(self._authority.certificate_path),
            certificate=str(server.certificate),
            key=str(server.key),
            crl=str(self._authority.crl_path),
        ).command()

    async def _accepts(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(_HOST, self.port)
        except OSError:
            return False
        writer.close()
        return True


def _mosquitto() -> str | None:
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    return shutil.which("mosquitto", path=search)


def _claim_port(port: int = 0) -> int:
    """Return `port`, or a free one for 0, after having held it. Raises TownError when taken.

    Whoever else listened there would be taken for the broker.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise TownError(f"port {port} is taken") from error
        return int(probe.getsockname()[1])
