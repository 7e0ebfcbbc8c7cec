"""What a receiver does with what comes off the air and down the line; no hardware, no key.

Everything is bounded, and what does not fit is dropped and counted: a receiver that waits is deaf.
"""

import waiting
from jam import Jam
from wire import serial

FIRMWARE = 0x0002

# Header and tag of a sealed frame; what is shorter carries nothing. The version is the box's to
# judge: of an unknown one it must be able to tell people.
_FRAME_MIN = 18
_FRAME_MAX = 250
# Of its own words, which are few: a box that does not read is told the newest.
_TOLD_MAX = 4
# Frames that wait for the radio; a box sends one to a bip that just spoke.
_DOWN_MAX = 32
# The radio knows 20 addresses; one is everybody's.
_PEERS_MAX = 18
AIR_EACH_MS = 10000


class Carrier:
    """Frames up, frames down. `down`: (address, frame)."""

    def __init__(self, channel: int, reset_cause: int, now_ms: int, why: int = 0):
        self.channel = channel
        self.down: list[tuple[bytes, bytes]] = []
        self.peers: list[bytes] = []
        # Told by whoever knows them.
        self.radio_dropped = 0
        self.memory_free = 0
        self.jam = Jam()
        self._reset_cause = reset_cause
        self._why = why
        self._start_ms = now_ms
        self._air_ms = now_ms + AIR_EACH_MS
        self._settled = False
        self._decoder = serial.Decoder()
        self._waiting = waiting.Waiting()
        self._received = 0
        self._sent = 0
        self._send_failed = 0
        self._dropped = 0
        self._guests = 0
        self._guests_dropped = 0
        self._repeats = 0
        # A delimiter first: what the boot printed is no part of a message.
        self._told: list[bytes] = [b"\x00"]
        self._hello()

    def from_air(self, now_ms: int, address: bytes, frame: bytes, rssi_dbm: int) -> None:
        """Carry up a frame that the radio heard."""
        if not _FRAME_MIN <= len(frame) <= _FRAME_MAX:
            self._dropped += 1
            return
        what = self._waiting.put(now_ms, max(-128, min(127, rssi_dbm)), address, frame)
        if what == waiting.GUEST_REFUSED:
            self._guests_dropped += 1
            return
        self._received += 1
        if what == waiting.REPEATED:
            self._repeats += 1
        elif what == waiting.PUSHED_OUT:
            self._dropped += 1
        elif what == waiting.GUEST_TAKEN:
            self._guests += 1

    def next_up(self) -> bytes | None:
        """Return what is to be written to the line next, None for nothing."""
        if self._told:
            return self._told.pop(0)
        frame = self._waiting.take()
        if frame is None:
            return None
        return serial.encode_message(serial.UP_FRAME, serial.pack_up_frame(*frame))

    def from_line(self, data: bytes) -> bool:
        """Take bytes from the box. Return True when the channel has changed."""
        changed = False
        for kind, body in self._decoder.feed(data):
            try:
                if kind == serial.DOWN_FRAME:
                    self._queue_down(*serial.unpack_down_frame(body))
                elif kind == serial.SETTINGS:
                    changed |= self._settle(*serial.unpack_settings(body))
            except ValueError:
                self._dropped += 1
        return changed

    def tick(self, now_ms: int) -> None:
        """Tell the air's counts when it is time, and who we are until the box has answered."""
        if now_ms < self._air_ms:
            return
        self._air_ms = now_ms + AIR_EACH_MS
        if not self._settled:
            self._hello()
        self._tell_air(now_ms)

    def jam_changed(self, now_ms: int) -> None:
        """Tell at once that a jam began, or is over."""
        self._tell_air(now_ms)

    def stay_on(self, channel: int) -> None:
        """The radio did not take the box's channel, and is on `channel` still."""
        self.channel = channel
        self._settled = False
        self._dropped += 1

    def deadline_ms(self) -> int:
        return self._air_ms

    def count_send(self, worked: bool) -> None:
        """Count a frame that the radio took, or did not."""
        if worked:
            self._sent += 1
        else:
            self._send_failed += 1

    def peer_to_forget(self, address: bytes) -> bytes | None:
        """Note that `address` is sent to; return one that the radio forgets for it, or None."""
        if address in self.peers:
            self.peers.remove(address)
        self.peers.append(address)
        return self.peers.pop(0) if len(self.peers) > _PEERS_MAX else None

    def _hello(self) -> None:
        body = serial.pack_hello(FIRMWARE, self.channel, self._reset_cause, self._why)
        self._tell(serial.encode_message(serial.HELLO, body))

    def _tell_air(self, now_ms: int) -> None:
        counts = serial.pack_air(
            (now_ms - self._start_ms) // 1000,
            self._received,
            self._sent,
            self._send_failed,
            self._dropped,
            self._decoder.dropped,
            self._guests,
            self._guests_dropped,
            self._repeats,
            self.radio_dropped,
            self.memory_free,
            self.jam.probes,
            self.jam.probes_failed,
            self.jam.held_ms,
            self.jam.jammed,
        )
        self._tell(serial.encode_message(serial.AIR, counts))

    def _settle(self, channel: int, ids: list[int] | None) -> bool:
        if not 1 <= channel <= 13:
            self._dropped += 1
            return False
        if ids is not None:
            self._waiting.allow(ids)
        self._settled = True
        changed = channel != self.channel
        self.channel = channel
        return changed

    def _tell(self, message: bytes) -> None:
        if len(self._told) >= _TOLD_MAX:
            self._told.pop(0)
            self._dropped += 1
        self._told.append(message)

    def _queue_down(self, address: bytes, frame: bytes) -> None:
        if not _FRAME_MIN <= len(frame) <= _FRAME_MAX:
            self._dropped += 1
            return
        if len(self.down) >= _DOWN_MAX:
            self.down.pop(0)
            self._dropped += 1
        self.down.append((address, frame))
