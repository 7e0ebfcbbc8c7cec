"""Stand-in for the espnow module: frames over the bus, with the limits of the real one."""

import struct
import time

import bus
import bus_messages
from network import WLAN

MAX_DATA_LEN = 1470
ADDR_LEN = 6
MAX_TOTAL_PEER_NUM = 20

_BASE = 12388
_BUFFER_DEFAULT = 528
# The real buffer keeps a header, the address, RSSI and time beside each frame.
_PACKET_OVERHEAD = 14


def _failure(number: int, name: str) -> OSError:
    return OSError(-(_BASE + number), "ESP_ERR_ESPNOW_" + name)


class ESPNow:
    """`send` is True whatever becomes of the frame: the MAC's acknowledgement means nothing."""

    def __init__(self):
        self.peers_table: dict = {}
        self._peers: list = []
        self._active = False
        self._buffer: list = []
        self._buffered = 0
        self._capacity = _BUFFER_DEFAULT
        self._waiting: list = []
        self._sent = 0
        self._received = 0
        self._dropped = 0

    def active(self, flag=None):
        if flag is not None:
            self._active = bool(flag)
            self._buffer = []
            self._buffered = 0
            bus.frame_listeners[:] = [self._arrived] if self._active else []
            bus.air_listeners[:] = [self._leave] if self._active else []
            self._waiting = []
            if not self._active:
                self._peers = []
        return self._active

    def config(self, *, rxbuf: int = 0) -> None:
        if rxbuf:
            self._capacity = rxbuf

    def add_peer(self, mac: bytes) -> None:
        self._must_be_active()
        if mac in self._peers:
            raise _failure(7, "EXIST")
        if len(self._peers) >= MAX_TOTAL_PEER_NUM:
            raise _failure(4, "FULL")
        self._peers.append(bytes(mac))

    def del_peer(self, mac: bytes) -> None:
        self._must_be_active()
        if mac not in self._peers:
            raise _failure(5, "NOT_FOUND")
        self._peers.remove(mac)

    def send(self, mac: bytes, msg: bytes, sync: bool = True) -> bool:
        self._must_be_active()
        if mac not in self._peers:
            raise _failure(5, "NOT_FOUND")
        if not 0 < len(msg) <= MAX_DATA_LEN:
            raise ValueError("msg too long")
        if not WLAN.is_active:
            raise _failure(8, "IF")
        self._waiting.append(struct.pack(">B", WLAN.channel) + mac + msg)
        self._sent += 1
        self._leave()
        return True

    def stats(self) -> tuple:
        """Return (sent, answered, failed, received, dropped): answered is that it left."""
        bus.drain()
        left = self._sent - len(self._waiting)
        return (self._sent, left, 0, self._received, self._dropped)

    def recv(self, timeout_ms: int = 300000) -> list:
        """Return [address, message], [None, None] when none came in time."""
        self._must_be_active()
        end = time.ticks_add(time.ticks_ms(), timeout_ms)
        bus.drain()
        while not self._buffer:
            left_ms = time.ticks_diff(end, time.ticks_ms())
            if left_ms <= 0:
                return [None, None]
            bus.wait(left_ms)
        mac, data, rssi_dbm = self._buffer.pop(0)
        self._buffered -= len(data) + _PACKET_OVERHEAD
        self.peers_table[mac] = [rssi_dbm, time.ticks_ms()]
        return [mac, data]

    def any(self) -> bool:
        bus.drain()
        return bool(self._buffer)

    def _leave(self) -> None:
        while self._waiting and not bus.air_taken:
            bus.send(bus_messages.TRANSMIT, self._waiting.pop(0))

    def _arrived(self, channel: int, rssi_dbm: int, mac: bytes, data: bytes) -> None:
        if not WLAN.is_active or channel != WLAN.channel or len(data) > MAX_DATA_LEN:
            return
        if self._buffered + len(data) + _PACKET_OVERHEAD > self._capacity:
            self._dropped += 1
            return
        self._received += 1
        self._buffer.append((mac, data, rssi_dbm))
        self._buffered += len(data) + _PACKET_OVERHEAD

    def _must_be_active(self) -> None:
        if not self._active:
            raise _failure(1, "NOT_INIT")
