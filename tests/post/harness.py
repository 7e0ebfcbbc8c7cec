"""What the post's tests share: a radio made of paper, boxes that speak real MQTT, waiting."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from vigibip.alert import topics
from vigibip.alert.messages import (
    Alert,
    Answer,
    AnswerAck,
    Receipt,
    authenticate,
    open_message,
    seal_message,
)
from vigibip.base.clock import Clock, DrivenClock
from vigibip.base.trace import Trace, parse_stamp
from vigibip.post.authority import Authority
from vigibip.post.config import BrokerSettings, EnrolmentSettings, PostSettings
from vigibip.post.daemon import PostDaemon
from vigibip.post.store import Store
from vigibip.radio.contract import (
    STAGE_AUDIO,
    STAGE_PTT,
    Announcement,
    Capabilities,
    Health,
    HeardAnswer,
    OnStage,
    RadioState,
    RelayOutcome,
    RelayResult,
)
from vigibip.radio.errors import RadioClosedError
from vigibip.town.broker import Broker
from vigibip.town.children import Children

DEADLINE_S = 10.0


async def until(met: Callable[[], object], deadline_s: float = DEADLINE_S) -> None:
    """Wait for a condition that another thread, process or task will meet."""
    end_s = time.monotonic() + deadline_s
    while not met():
        if time.monotonic() > end_s:
            raise AssertionError("the condition was not met in time")
        await asyncio.sleep(0.005)


@contextmanager
def held_writer(store: Store) -> Iterator[None]:
    """The disk takes its time: nothing is committed until this ends."""
    held = threading.Event()
    store._writer.submit(lambda _: held.wait(30))
    try:
        yield
    finally:
        held.set()


@dataclass
class Said:
    at_s: float
    announcement: Announcement


class PaperRadio:
    """Obeys the radio contract and writes down what it is told to say."""

    def __init__(self, clock: Clock, *, takes_s: float = 0.0, name: str = "paper") -> None:
        self.name = name
        self.capabilities = Capabilities(two_way=True, max_text_chars=None, needs_ptt=True)
        self.health = Health(RadioState.READY)
        self.said: list[Said] = []
        self.takes_s = takes_s
        self.result = RelayResult.SENT
        self.hangs = False
        self._clock = clock
        self._answers: asyncio.Queue[HeardAnswer] = asyncio.Queue()
        self._turn = asyncio.Lock()
        self._closed = asyncio.Event()

    async def start(self) -> None:
        pass

    async def announce(self, announcement: Announcement, on_stage: OnStage) -> RelayOutcome:
        async with self._turn:
            if self.hangs:
                await asyncio.Event().wait()
            if self.result is RelayResult.FAILED:
                return RelayOutcome(result=self.result, reason="told to fail")
            on_stage(STAGE_PTT)
            self.said.append(Said(self._clock.monotonic_s(), announcement))
            on_stage(STAGE_AUDIO)
            if self.takes_s:
                await self._clock.sleep(self.takes_s)
            return RelayOutcome(result=self.result)

    def key(self, number: int, code: str) -> None:
        """An officer keys his answer."""
        self._answers.put_nowait(HeardAnswer(number, code, self._clock.monotonic_s()))

    async def next_answer(self) -> HeardAnswer:
        heard = asyncio.ensure_future(self._answers.get())
        closed = asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait({heard, closed}, return_when=asyncio.FIRST_COMPLETED)
            if heard.done():
                return heard.result()
            raise RadioClosedError("closed")
        finally:
            heard.cancel()
            closed.cancel()

    async def close(self) -> None:
        self._closed.set()

    @property
    def numbers(self) -> list[int]:
        """The incident numbers that were said, in order; 0 stands for a count."""
        return [0 if one.announcement.digest_of else one.announcement.number for one in self.said]


class BoxClient:
    """A box as the post sees it: its certificate, its keys, real paho, mutual TLS."""

    def __init__(self, site: Site, box_id: str, up_key: bytes, down_key: bytes) -> None:
        self.box_id = box_id
        self.up_key = up_key
        self.down_key = down_key
        self.receipts: list[Receipt] = []
        self.answers: list[Answer] = []
        self.others: list[tuple[str, bytes]] = []
        """What else came, as (kind, payload)."""
        self.acknowledges = True
        self._site = site
        self._inbox: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._client: Client | None = None
        self._subscribed = False

    async def connect(self) -> None:
        files = self._site.authority.client_files(self.box_id)
        tls = ssl.create_default_context(cafile=str(self._site.authority.certificate_path))
        tls.load_cert_chain(files.certificate, files.key)
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.box_id,
            protocol=MQTTProtocolVersion.MQTTv5,
        )
        client.tls_set_context(tls)
        client.on_socket_open = _no_delay
        client.on_connect = lambda c, *_: c.subscribe(topics.all_down(self.box_id), qos=1)
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        await asyncio.to_thread(client.connect, "127.0.0.1", self._site.broker.port)
        client.loop_start()
        self._client = client
        await until(lambda: self._subscribed)

    async def disconnect(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            self._subscribed = False
            client.disconnect()
            await asyncio.to_thread(client.loop_stop)

    def send(self, kind: str, payload: bytes, *, topic: str | None = None) -> None:
        assert self._client is not None
        self._client.publish(topic or topics.up(self.box_id, kind), payload, qos=1)

    def press(self, alert_id: str, **fields: Any) -> None:
        fields.setdefault("age_s", 0)
        self.send(topics.ALERT, seal_message(self.up_key, Alert(alert=alert_id, **fields)))

    def send_json(self, document: object, *, kind: str = topics.ALERT) -> None:
        """Send what no honest box would, under its true key."""
        text = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send(kind, authenticate(self.up_key, text) + text)

    @property
    def accepted(self) -> list[str]:
        return [one.alert for one in self.receipts if one.verdict == "accepted"]

    @property
    def states(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(one.state, tuple(one.alerts)) for one in self.answers]

    def _on_subscribe(self, *_: Any) -> None:
        self._subscribed = True

    def _on_message(self, client: Client, _data: Any, message: MQTTMessage) -> None:
        kind = message.topic.rsplit("/", 1)[1]
        payload = bytes(message.payload)
        if kind == topics.RECEIPT:
            self.receipts.append(open_message(self.down_key, payload, Receipt))
        elif kind == topics.ANSWER:
            answer = open_message(self.down_key, payload, Answer)
            self.answers.append(answer)
            if self.acknowledges:
                ack = AnswerAck(sequence=answer.sequence)
                client.publish(
                    topics.up(self.box_id, topics.ANSWER_ACK),
                    seal_message(self.up_key, ack),
                    qos=1,
                )
        else:
            self.others.append((kind, payload))


def _no_delay(_client: Client, _data: Any, opened: socket.socket) -> None:
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@dataclass
class Site:
    """A broker, a post with a paper radio, and its boxes. Time stands still unless advanced."""

    directory: Path
    clock: DrivenClock = field(default_factory=DrivenClock)
    relay: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    stamps: list[tuple[str, str]] = field(default_factory=list)
    boxes: list[BoxClient] = field(default_factory=list)
    store_watch_s: float = 60
    """Seldom, because each look is a step of the driven clock; the console's tests look often."""
    radio_watch_s: float = 60

    def __post_init__(self) -> None:
        self.clock.settle = self.settle
        self.data_dir = self.directory / "post"
        self.data_dir.mkdir(mode=0o700)
        self.authority = Authority.create(self.data_dir / "authority")
        self.children = Children(self.directory, os.environ)
        self.broker = Broker(self.children, self.directory / "broker", self.authority)
        self.radio = PaperRadio(self.clock)
        self.post: PostDaemon | None = None

    @property
    def settings(self) -> PostSettings:
        return PostSettings.model_validate(
            {
                "data_dir": self.data_dir,
                "broker": BrokerSettings(host="127.0.0.1", port=self.broker.port),
                "enrolment": EnrolmentSettings(host="127.0.0.1", port=0),
                "relay": self.relay,
                "answers": self.answers,
                "store_watch_s": self.store_watch_s,
                "radio_watch_s": self.radio_watch_s,
            }
        )

    @property
    def store(self) -> Store:
        assert self.post is not None
        return self.post.store

    async def start(self) -> None:
        await self.broker.start()
        await self.start_post()

    async def start_post(self) -> None:
        self.radio = PaperRadio(self.clock, takes_s=self.radio.takes_s)
        self.post = PostDaemon(
            self.settings,
            clock=self.clock,
            radios=[self.radio],
            trace=Trace(lambda stamp: self.stamps.append(parse_stamp(stamp)[:2])),
        )
        await self.post.start()
        await until(lambda: self.post is not None and self.post.connected)

    async def stop_post(self) -> None:
        if self.post is not None:
            post, self.post = self.post, None
            await post.stop()

    async def add_box(self, name: str = "Tabac du Centre", *, connect: bool = True) -> BoxClient:
        shop = await self.store.create_shop(name=name, spoken=name, address="12 rue des Lilas")
        up_key, down_key = os.urandom(32), os.urandom(32)
        await self.store.set_box_keys(shop.box_id, up_key=up_key, down_key=down_key, serial="1")
        box = BoxClient(self, shop.box_id, up_key, down_key)
        self.boxes.append(box)
        if connect:
            await box.connect()
        return box

    async def settle(self) -> None:
        """Return once the post has had nothing to do for some looks in a row."""
        calm, end_s = 0, time.monotonic() + DEADLINE_S
        while calm < 4:
            await DrivenClock.run_ready()
            calm = 0 if self.post is not None and self.post.busy else calm + 1
            if time.monotonic() > end_s:
                raise AssertionError("the post never comes to rest")
            await asyncio.sleep(0.002)

    async def advance(self, duration_s: float) -> None:
        await self.clock.advance(duration_s)

    async def close(self) -> None:
        for box in self.boxes:
            await box.disconnect()
        await self.stop_post()
        await self.children.close()
