"""The peer of the durability bench: store-and-forward by a mosquitto bridge with persistence.

A publisher hands alerts to an edge broker (QoS 1) and takes its PUBACK for "safe", as a box that
trusts a bridge would; the edge broker forwards them to a second one, where a subscriber with a
lasting session collects them. Both brokers are killed at random moments and started again.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from vigibip.town.children import Child, Children
from vigibip.town.errors import TownError
from vigibip.town.places import free_ports

_TOPIC = "alerts"
_SESSION_EXPIRY_S = 3600
_QUIET_S = 6.0
_DEADLINE_S = 600.0

# The most careful settings that mosquitto has: write the whole store out after every change.
_TUNED = "autosave_on_changes true\nautosave_interval 1\n"
_PERSISTENT = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {directory}/
set_tcp_nodelay true
max_queued_messages 0
"""
_BRIDGE = """\
connection post
address 127.0.0.1:{remote}
bridge_protocol_version mqttv50
topic {topic} out 1
cleansession false
notifications false
restart_timeout 1
"""


@dataclass(frozen=True, slots=True)
class BridgeResult:
    acknowledged: int
    lost: int
    doubled: int
    kills: int


def mosquitto_path() -> str | None:
    """Return the mosquitto program, None where it is not installed."""
    return shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


class _Broker:
    def __init__(self, children: Children, name: str, config: Path, port: int) -> None:
        self._children = children
        self._name = name
        self._config = config
        self.port = port
        self._child: Child | None = None

    async def start(self) -> None:
        program = mosquitto_path() or "mosquitto"
        self._child = await self._children.start(self._name, [program, "-c", str(self._config)])
        async with asyncio.timeout(20):
            while not await _listens(self.port):  # noqa: ASYNC110 - another process's port
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        if self._child is not None:
            await self._child.kill()


class _Client:
    """A paho client of its own thread, whose events arrive in this loop."""

    def __init__(self, name: str, port: int, *, subscribe: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._acknowledged: dict[int, asyncio.Event] = {}
        self.arrived: Counter[int] = Counter()
        self.last_arrival_s = self._loop.time()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv5
        )
        self._client.reconnect_delay_set(0.1, 0.5)  # type: ignore[arg-type]
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message
        if subscribe:
            self._client.on_connect = lambda client, *_: client.subscribe(_TOPIC, qos=1)
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = _SESSION_EXPIRY_S
        self._client.connect("127.0.0.1", port, clean_start=False, properties=properties)
        self._client.loop_start()

    async def publish(self, number: int) -> None:
        """Publish and return at the broker's PUBACK; paho sends again after a lost connection."""
        acknowledged = asyncio.Event()
        # Events come through the loop, so none can come before this waits for it.
        mid = self._client.publish(_TOPIC, str(number), qos=1).mid
        self._acknowledged[mid] = acknowledged
        await acknowledged.wait()
        del self._acknowledged[mid]

    async def quiet(self, duration_s: float) -> None:
        """Return once nothing has arrived for `duration_s`."""
        while (left_s := self.last_arrival_s + duration_s - self._loop.time()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left_s)

    async def close(self) -> None:
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    def _on_publish(self, _client: object, _data: object, mid: int, *_rest: object) -> None:
        self._loop.call_soon_threadsafe(self._note_publish, mid)

    def _note_publish(self, mid: int) -> None:
        if mid in self._acknowledged:
            self._acknowledged[mid].set()

    def _on_message(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        self._loop.call_soon_threadsafe(self._note_arrival, int(message.payload))

    def _note_arrival(self, number: int) -> None:
        self.arrived[number] += 1
        self.last_arrival_s = self._loop.time()


async def run_bridge(
    directory: Path,
    children: Children,
    progress: Callable[[str], None],
    *,
    alerts: int,
    kills: int,
    alerts_per_s: float,
    tuned: bool,
    seed: int,
) -> BridgeResult:
    """Send `alerts` through the bridge while its two brokers are killed `kills` times in all."""
    edge, remote = _configure(directory, children, tuned=tuned)
    await remote.start()
    await edge.start()
    subscriber = _Client("post", remote.port, subscribe=True)
    publisher = _Client("box", edge.port, subscribe=False)
    draw = random.Random(seed)
    killer = asyncio.create_task(_kill_often(draw, (edge, remote), kills, alerts / alerts_per_s))
    try:
        async with asyncio.timeout(_DEADLINE_S):
            for number in range(alerts):
                await publisher.publish(number)
                await asyncio.sleep(draw.expovariate(alerts_per_s))
                if number % 250 == 249:
                    progress(f"mosquitto bridge: {number + 1} of {alerts} acknowledged")
            done_kills = await killer
            await subscriber.quiet(_QUIET_S)
    except TimeoutError as error:
        raise TownError("the mosquitto bridge did not come to an end") from error
    finally:
        killer.cancel()
        await publisher.close()
        await subscriber.close()
        await edge.kill()
        await remote.kill()
    return BridgeResult(
        acknowledged=alerts,
        lost=sum(1 for number in range(alerts) if not subscriber.arrived[number]),
        doubled=sum(1 for count in subscriber.arrived.values() if count > 1),
        kills=done_kills,
    )


def _configure(directory: Path, children: Children, *, tuned: bool) -> tuple[_Broker, _Broker]:
    edge_port, remote_port = free_ports(2)
    brokers = []
    for name, port, bridge in (
        ("edge", edge_port, _BRIDGE.format(remote=remote_port, topic=_TOPIC)),
        ("remote", remote_port, ""),
    ):
        store = directory / name
        store.mkdir(parents=True)
        # mosquitto gives root's files to its own user otherwise, who may not write here.
        text = "user root\n" if os.geteuid() == 0 else ""
        text += _PERSISTENT.format(port=port, directory=store) + (_TUNED if tuned else "") + bridge
        config = directory / f"{name}.conf"
        config.write_text(text, encoding="ascii")
        label = f"mosquitto-{'tuned' if tuned else 'default'}-{name}"
        brokers.append(_Broker(children, label, config, port))
    return brokers[0], brokers[1]


async def _kill_often(
    draw: random.Random, brokers: tuple[_Broker, _Broker], kills: int, duration_s: float
) -> int:
    for _ in range(kills):
        await asyncio.sleep(draw.uniform(0.2, 1.6) * duration_s / kills)
        broker = draw.choice(brokers)
        await broker.kill()
        await asyncio.sleep(draw.uniform(0.05, 0.5))
        await broker.start()
    return kills


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
