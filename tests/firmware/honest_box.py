"""The box's side of a bip for tests: it knows what is true, and answers only that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from vigibip.town import device_tree
from vigibip.wire import counter, frame, parcel

core: Any = device_tree.load("bip", "sender")
press_module: Any = device_tree.load("bip", "press")

DEVICE_ID = 0xA1B2C3D4
KEY = bytes(range(16))
OTHER_KEY = bytes(range(16, 32))
RECEIVER = b"\x02recvr"
CHANNEL = 6
RANKS: dict[int, int] = press_module.RANKS
FEEL_STATES = {
    "heard": frame.STATE_HEARD,
    "not_reached": frame.STATE_NOT_REACHED,
    "delivered": frame.STATE_DELIVERED,
    "unanswered": frame.STATE_UNANSWERED,
    "coming": frame.STATE_COMING,
}


def block_cipher(key: bytes) -> Any:
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update


ENCRYPT = block_cipher(KEY)


@dataclass
class Box:
    """Opens what a bip sends and replies with what is true of the press."""

    states: dict[int, int] = field(default_factory=dict)
    """What became of each press that it received, by the press's number."""
    status_counters: set[int] = field(default_factory=set)
    """Of the statuses that it received: one that is sent again is the same."""
    last_status: tuple[int, ...] = ()
    settings: tuple[int, ...] | None = None
    """What it gives a bip that asks, of parcel.pack_configure but for what it answers."""
    asks: list[tuple[int, int, int]] = field(default_factory=list)
    down: int = 0

    @property
    def statuses(self) -> int:
        return len(self.status_counters)

    def take(self, sealed: bytes, *, stores: bool = True) -> bytes:
        """Receive a frame; return the reply. `stores`: a fresh press is on the disk at once."""
        kind, device_id, answered, payload = frame.open_frame(ENCRYPT, sealed)
        assert device_id == DEVICE_ID
        if kind == frame.PRESS:
            number = frame.unpack_press(payload)[0]
            fresh = frame.STATE_HEARD if stores else frame.STATE_NONE
            self.states.setdefault(number, fresh)
            if stores:
                self.raise_to(number, frame.STATE_HEARD)
        elif kind == frame.POLL:
            number = frame.unpack_poll(payload)
        elif kind == frame.ASK:
            self.asks.append(parcel.unpack_ask(payload))
            number = 0
            if self.settings is not None:
                given = parcel.pack_configure(answered, *self.settings)
                return self.sealed(frame.CONFIGURE, given)
        else:
            self.status_counters.add(answered)
            self.last_status = frame.unpack_status(payload)
            number = 0
        return self.reply(answered, number, self.states.get(number, frame.STATE_NONE))

    def raise_to(self, number: int, state: int) -> None:
        """Something true happened to a press; what is further is never taken back."""
        if RANKS[state] > RANKS[self.states[number]]:
            self.states[number] = state

    def reply(self, answered: int, number: int, state: int, encrypt: Any = ENCRYPT) -> bytes:
        given = self.last_status[9] if self.last_status else 0
        waits = self.settings is not None and self.settings[0] != given
        waiting = frame.SETTINGS_WAIT if waits else 0
        payload = frame.pack_reply(answered, number, state, waiting)
        return self.sealed(frame.REPLY, payload, encrypt)

    def sealed(self, kind: int, payload: bytes, encrypt: Any = ENCRYPT) -> bytes:
        self.down += 1
        return frame.seal_frame(encrypt, kind, DEVICE_ID, self.down, payload)


class Flash:
    """What outlives a wake: the counter's reservation, and the record that STORE gave."""

    def __init__(self) -> None:
        self.reserved = 1
        self.record: bytes | None = None
        self.used: dict[int, bytes] = {}
        """Each up-counter and the one frame that was sealed with it."""

    def counter(self) -> Any:
        def reserve(end: int) -> None:
            self.reserved = end

        return counter.ReservedCounter(self.reserved, reserve)


class Bip:
    """A sender in driven time: does its actions and notes what leaves and what is felt."""

    def __init__(self, flash: Flash | None = None, now_ms: int = 1_000_000, seed: int = 1) -> None:
        self.flash = flash or Flash()
        self.now_ms = now_ms
        self.air: list[tuple[int, bytes, bytes]] = []
        """(channel, frame, address) of what left and was not looked at yet."""
        self.felt: list[str] = []
        self.links: list[tuple[int, bytes]] = []
        self.asked: dict[int, int] = {}
        """The counters of this wake's frames, each with the press that it is about."""
        self._seed = seed
        self.home = (CHANNEL, RECEIVER)
        self.channel = CHANNEL
        self.sender: Any
        self.wake(known_time=True)

    def wake(self, *, known_time: bool, record: bytes | None = None) -> None:
        """A fresh interpreter: only flash and RTC memory are as before."""
        self.channel = self.home[0]
        self.asked = {}
        self.sender = core.Sender(
            DEVICE_ID,
            ENCRYPT,
            self.flash.counter(),
            self._random,
            self.now_ms,
            self.flash.record if record is None else record,
            known_time,
            *self.home,
        )

    def press(self) -> int:
        """Push the button. Return the press's number."""
        before = len(self.air)
        self.do(self.sender.press(self.now_ms))
        sealed = self.air[before][1]
        return frame.unpack_press(frame.open_frame(ENCRYPT, sealed)[3])[0]

    def receive(self, reply: bytes, rssi_dbm: int = -60, address: bytes = RECEIVER) -> None:
        self.do(self.sender.receive(self.now_ms, address, reply, rssi_dbm))

    def advance(self, duration_ms: int) -> None:
        """Let time pass; it sleeps whenever it may, and each sleep ends the interpreter."""
        end_ms = self.now_ms + duration_ms
        while True:
            rest_ms = self.sender.sleep_ms(self.now_ms)
            due_ms = self.sender.deadline_ms(self.now_ms)
            if due_ms > end_ms:
                self.now_ms = end_ms
                return
            self.now_ms = max(self.now_ms, due_ms)
            if rest_ms is not None:
                self.wake(known_time=True, record=self.sender.record())
            self.do(self.sender.tick(self.now_ms))

    def do(self, actions: list[tuple[Any, ...]]) -> None:
        for action in actions:
            if action[0] == core.STORE:
                self.flash.record = action[1]
            elif action[0] == core.TUNE:
                self.channel = action[1]
            elif action[0] == core.SEND:
                counter_used = frame.read_header(action[1])[2]
                assert self.flash.used.setdefault(counter_used, action[1]) == action[1], (
                    "a counter was used for two frames"
                )
                self.air.append((self.channel, action[1], action[2]))
                self._note(*frame.open_frame(ENCRYPT, action[1]))
            elif action[0] == core.FEEL:
                self.felt.append(action[1])
            elif action[0] == core.LINK:
                self.home = (action[1], action[2])
                self.links.append(self.home)

    def _note(self, kind: int, _: int, counter_used: int, payload: bytes) -> None:
        if kind == frame.PRESS:
            self.asked[counter_used] = frame.unpack_press(payload)[0]
        elif kind == frame.POLL:
            self.asked[counter_used] = frame.unpack_poll(payload)

    def opened(self, sealed: bytes) -> tuple[int, int, int, bytes]:
        return frame.open_frame(ENCRYPT, sealed)

    def sent(self) -> list[tuple[int, bytes, bytes]]:
        """Return what left since the last call."""
        sent, self.air = self.air, []
        return sent

    def open_presses(self) -> list[int]:
        kept = press_module.unpack_record(self.sender.record())
        return [press.number for press in kept[0]]

    def _random(self, below: int) -> int:
        # A small generator of its own: Hypothesis shrinks best when chance is not its concern.
        self._seed = (self._seed * 1103515245 + 12345) & 0x7FFFFFFF
        return (self._seed >> 8) % below
