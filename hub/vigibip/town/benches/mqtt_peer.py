"""The peer of the press bench: a bare message over the same kind of broker, and nothing else.

No seal, no store, no radio: what a networked button without any promise would take from one
program to the other (paho, QoS 1, mutual TLS, TCP_NODELAY).
"""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from vigibip.alert import topics
from vigibip.post.authority import Authority
from vigibip.post.broker_link import tls_context
from vigibip.town.broker import Broker
from vigibip.town.children import Children
from vigibip.town.errors import TownError

_BOX = "box-peer0000"
_PAUSE_S = 0.01
_DEADLINE_S = 20.0
_PAYLOAD = b"x" * 160  # as long as an alert's


async def bare_messages_ms(children: Children, directory: Path, count: int) -> list[float]:
    """Return the milliseconds from publish to arrival of `count` messages, one after the other.

    Raises TownError when one does not arrive.
    """
    authority = Authority.create(directory / "authority")
    broker = Broker(children, directory / "broker", authority)
    await broker.start()
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[int] = asyncio.Queue()

    def on_message(_client: Any, _data: Any, _message: Any) -> None:
        loop.call_soon_threadsafe(arrived.put_nowait, time.monotonic_ns())

    post = await _connected(authority, broker, topics.POST_IDENTITY, topics.ALL_UP, on_message)
    box = await _connected(authority, broker, _BOX, None, None)
    taken: list[float] = []
    try:
        async with asyncio.timeout(_DEADLINE_S + count * 10 * _PAUSE_S):
            for _ in range(count):
                started_ns = time.monotonic_ns()
                box.publish(topics.up(_BOX, topics.ALERT), _PAYLOAD, qos=1)
                taken.append((await arrived.get() - started_ns) / 1e6)
                await asyncio.sleep(_PAUSE_S)
    except TimeoutError as error:
        raise TownError("a bare message did not arrive") from error
    finally:
        for client in (box, post):
            client.disconnect()
            await asyncio.to_thread(client.loop_stop)
        await broker.stop()
    return taken


async def _connected(
    authority: Authority, broker: Broker, identity: str, subscription: str | None, on_message: Any
) -> mqtt.Client:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()

    def on_ready(*_: Any) -> None:
        loop.call_soon_threadsafe(ready.set)

    def on_connect(client: mqtt.Client, *_: Any) -> None:
        if subscription is None:
            on_ready()
        else:
            client.subscribe(subscription, qos=1)

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=identity, protocol=mqtt.MQTTv5)
    client.tls_set_context(
        tls_context(authority.certificate_path, authority.client_files(identity))
    )
    client.on_socket_open = _no_delay
    client.on_connect = on_connect
    client.on_subscribe = on_ready
    if on_message is not None:
        client.on_message = on_message
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        await asyncio.wait_for(ready.wait(), _DEADLINE_S)
    except TimeoutError as error:
        raise TownError(f"the peer {identity} does not reach its broker") from error
    return client


def _no_delay(_client: Any, _data: Any, opened: Any) -> None:
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
