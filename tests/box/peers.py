"""The box's counterparts in its tests: a bip, a receiver on a pseudo-terminal, a post."""

from __future__ import annotations

import asyncio
import os
import pty
import threading
import tty
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.support.paho_peer import PahoPeer, client_context
from vigibip.alert import topics
from vigibip.alert.ids import AlertId
from vigibip.alert.messages import (
    Alert,
    Answer,
    AnswerAck,
    BoxStatus,
    OfficerAnswer,
    Receipt,
    open_message,
    seal_message,
)
from vigibip.box.enrolment import EnrolledPost, Enrolment
from vigibip.post.authority import Authority, new_private_key, private_key_pem
from vigibip.wire import frame, parcel
from vigibip.wire import serial as line

BOX_ID = "box-00000001"
UP_KEY = bytes(range(32))
DOWN_KEY = bytes(range(32, 64))
DEADLINE_S = 10.0


async def until(
    condition: Callable[[], Any], what: str = "", deadline_s: float = DEADLINE_S
) -> Any:
    """Return what `condition` returns once that is true; fail at a deadline of real time."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + deadline_s
    while not (found := condition()):
        assert loop.time() < end_s, f"did not happen: {what or condition}"
        await asyncio.sleep(0.002)
    return found


class Bip:
    """Seals what a bip says and opens what it is told."""

    def __init__(self, device_id: int = 0x1A2B3C4D, key: bytes = bytes(range(16))) -> None:
        self.device_id = device_id
        self.key = key
        self.mac = b"\x02\x00" + device_id.to_bytes(4, "big")
        self.counter = 0
        self._encrypt_block = Cipher(algorithms.AES(key), modes.ECB()).encryptor().update

    def press(
        self,
        *,
        press: int | None = None,
        age_s: int = 0,
        counter: int | None = None,
        gesture: int = 0,
        gesture_age_s: int = 0,
    ) -> bytes:
        """Return a press frame; `press` None: a new press, named by this frame's counter."""
        counter = self._count() if counter is None else counter
        payload = frame.pack_press(
            press or counter, age_s, 3900, 0x0100, 0, -50, 0, gesture, gesture_age_s
        )
        return self.seal(frame.PRESS, counter, payload)

    def poll(self, press: int) -> bytes:
        return self.seal(frame.POLL, self._count(), frame.pack_poll(press))

    def status(self, *, battery_mv: int = 3800, **fields: int) -> bytes:
        """Return a status frame; `fields`: those of frame.pack_status after the uptime."""
        crashes = fields.pop("crashes", 0)
        payload = frame.pack_status(battery_mv, 0x0100, 4, -60, 0, 0, crashes, 7, **fields)
        return self.seal(frame.STATUS, self._count(), payload)

    def ask(self, wants: int, edition: int, piece: int = 0) -> bytes:
        payload = parcel.pack_ask(wants, edition, piece)
        return self.seal(frame.ASK, self._count(), payload)

    def seal(self, kind: int, counter: int, payload: bytes) -> bytes:
        return frame.seal_frame(self._encrypt_block, kind, self.device_id, counter, payload)

    def alert_id(self, press: int) -> str:
        return str(AlertId(self.device_id, press))

    def read_reply(self, sealed: bytes) -> Reply:
        kind, counter, payload = self.read(sealed)
        assert kind == frame.REPLY
        return Reply(counter, *frame.unpack_reply(payload))

    def read(self, sealed: bytes) -> tuple[int, int, bytes]:
        """Return kind, counter and payload of what it was sent."""
        kind, device_id, counter, payload = frame.open_frame(
            self._encrypt_block, sealed, frame.FROM_BOX
        )
        assert device_id == self.device_id
        return kind, counter, payload

    def _count(self) -> int:
        self.counter += 1
        return self.counter


@dataclass(frozen=True, slots=True)
class Reply:
    counter: int
    answered: int
    press: int
    state: int
    waiting: int


class MemoryLink:
    """A receiver without a wire, for tests in driven time."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, bytes]] = []
        self.allowed: list[int] = []
        self.hear: Callable[[int, bytes, bytes], None] = lambda _rssi, _mac, _frame: None

    def start(self, on_frame: Callable[[int, bytes, bytes], None]) -> None:
        self.hear = on_frame

    def allow(self, ids: Sequence[int]) -> None:
        self.allowed = list(ids)

    def send(self, mac: bytes, frame: bytes) -> None:
        self.sent.append((mac, frame))

    def describe(self) -> list[dict[str, Any]]:
        return []

    async def close(self) -> None:
        self.hear = lambda _rssi, _mac, _frame: None

    def states(self, bip: Bip, answered: int | None = None) -> list[int]:
        """The states that `bip` was told, all of them or those that answer one frame."""
        replies = [bip.read_reply(sealed) for mac, sealed in self.sent if mac == bip.mac]
        return [one.state for one in replies if answered in (None, one.answered)]


class PtyReceiver:
    """The receiver's side of a serial line, at `port` on the box's side."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.down: list[tuple[bytes, bytes]] = []
        self.settings: list[tuple[int, list[int] | None]] = []
        self.on_down: Callable[[], None] = lambda: None
        self._decoder = line.Decoder()
        self._fd: int | None = None
        self.plug()

    @property
    def port(self) -> str:
        return str(self.path)

    def plug(self) -> None:
        """Appear at `path`, as udev would name it."""
        self._fd, far = pty.openpty()
        tty.setraw(far)
        self._far = far
        self.path.symlink_to(os.ttyname(far))
        os.set_blocking(self._fd, False)
        asyncio.get_running_loop().add_reader(self._fd, self._readable)

    def unplug(self) -> None:
        if self._fd is not None:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._far)
            os.close(self._fd)
            self._fd = None
            self.path.unlink()

    def write(self, data: bytes) -> None:
        assert self._fd is not None
        assert os.write(self._fd, data) == len(data)

    def hello(self) -> None:
        self.write(line.encode_message(line.HELLO, line.pack_hello(0x0100, 1, 0)))

    def air(self, **told: int) -> None:
        self.write(line.encode_message(line.AIR, line.pack_air(1, 2, 3, 4, 5, 6, **told)))

    def hear(self, mac: bytes, sealed: bytes, rssi_dbm: int = -61) -> None:
        body = line.pack_up_frame(rssi_dbm, mac, sealed)
        self.write(line.encode_message(line.UP_FRAME, body))

    def replies(self, bip: Bip) -> list[Reply]:
        return [bip.read_reply(sealed) for mac, sealed in self.down if mac == bip.mac]

    def states(self, bip: Bip) -> list[int]:
        return [reply.state for reply in self.replies(bip)]

    def _readable(self) -> None:
        assert self._fd is not None
        try:
            data = os.read(self._fd, 4096)
        except OSError:
            return
        for kind, body in self._decoder.feed(data):
            if kind == line.DOWN_FRAME:
                self.down.append(line.unpack_down_frame(body))
                self.on_down()
            elif kind == line.SETTINGS:
                self.settings.append(line.unpack_settings(body))


def enrolment_for(authority: Authority, host: str, port: int) -> Enrolment:
    """What an enrolled box holds of a post behind the broker at `host`:`port`."""
    key = new_private_key()
    post = EnrolledPost(
        name="poste",
        broker_host=host,
        broker_port=port,
        up_key=UP_KEY,
        down_key=DOWN_KEY,
        authority_pem=authority.certificate_pem,
        certificate_pem=authority.issue_client(key.public_key(), BOX_ID),
        private_key_pem=private_key_pem(key),
    )
    return Enrolment(BOX_ID, (post,))


class Post(PahoPeer):
    """A post as far as the box can tell: takes alerts, gives receipts when it is asked to."""

    def __init__(self, port: int, authority: Authority) -> None:
        super().__init__(port, client_context(authority, authority), "post", comes_back=True)
        self.receipts = True
        self.verdict: Callable[[Alert], Receipt] = lambda alert: Receipt(
            alert=alert.alert, verdict="accepted"
        )
        self.alerts: list[Alert] = []
        self.acknowledged: list[int] = []
        self.statuses: list[BoxStatus] = []
        self.officer_answers: list[OfficerAnswer] = []
        self._lock = threading.Lock()

    def ids(self) -> list[str]:
        return [alert.alert for alert in self.alerts]

    def tell(self, kind: str, message: Any, key: bytes = DOWN_KEY) -> None:
        self.tell_raw(kind, seal_message(key, message))

    def tell_raw(self, kind: str, payload: bytes) -> None:
        self._client.publish(topics.down(BOX_ID, kind), payload, qos=1)

    def answer(self, sequence: int, *alerts: str, state: str = "coming") -> None:
        message = Answer.model_validate(
            {"sequence": sequence, "alerts": list(alerts), "state": state}
        )
        self.tell(topics.ANSWER, message)

    def _on_message(self, _c: Any, _u: Any, message: Any) -> None:
        _, kind = topics.parse_up(message.topic)
        if kind == topics.ALERT:
            alert = open_message(UP_KEY, message.payload, Alert)
            self.alerts.append(alert)
            if self.receipts:
                self.tell(topics.RECEIPT, self.verdict(alert))
        elif kind == topics.ANSWER_ACK:
            self.acknowledged.append(open_message(UP_KEY, message.payload, AnswerAck).sequence)
        elif kind == topics.STATUS:
            self.statuses.append(open_message(UP_KEY, message.payload, BoxStatus))
        elif kind == topics.OFFICER_ANSWER:
            self.officer_answers.append(open_message(UP_KEY, message.payload, OfficerAnswer))
