"""The device's end of the bus: the one way from the stand-ins to the host.

Pin changes, frames and values arrive here, whenever the program waits or asks; a handler that the
program set for a pin runs then, as a soft interrupt does.
"""

import gc
import socket
import struct
import sys

import bus_messages as messages
import uselect

# MicroPython's socket module has no name for the second, and the ESP32's stubs none for either.
_AF_UNIX = 1
_SEQPACKET = 5


# Set by `connect` and by the host.
directory = ""
reset_cause = 1
wake_reason = 0
levels: dict[int, int] = {}
analog_uv: dict[int, int] = {}
air_taken = False
# Filled by machine and espnow: called with (gpio), (channel, rssi_dbm, address, frame), and ().
pin_listeners: list = []
frame_listeners: list = []
air_listeners: list = []
_pieces: list = []

_socket = socket.socket(_AF_UNIX, _SEQPACKET)
_poller = uselect.poll()
_awake = False
_sampling = False
_peak = 0
_before = 0


def connect(name: str, device_directory: str) -> None:
    """Connect to the host, which listens under `name` (an abstract Unix address)."""
    global directory
    directory = device_directory
    _socket.connect(struct.pack("<H", _AF_UNIX) + b"\0" + name.encode())
    _poller.register(_socket, uselect.POLLIN)


def send(kind: int, body: bytes = b"") -> None:
    _socket.send(bytes((kind,)) + body)


def park() -> None:
    """Wait for the host's WAKE: everything up to it costs no time of the wake."""
    global _before
    gc.collect()
    _before = gc.mem_alloc()
    send(messages.READY)
    while not _awake:
        wait(-1)


def source():
    """Return what becomes readable when something came."""
    return _socket


def wait(timeout_ms: int) -> bool:
    """Handle what comes next; return False when nothing came in time."""
    if _sampling:
        _sample()
    if not _poller.poll(timeout_ms):
        return False
    _handle(_socket.recv(messages.PACKET_MAX))
    return True


def drain() -> None:
    """Handle what came, without waiting."""
    while wait(0):
        pass


def halt() -> None:
    """Wait for the host to end this process: nothing of the program runs any more."""
    while _socket.recv(messages.PACKET_MAX):
        pass
    raise SystemExit  # the host is gone


def _handle(packet: bytes) -> None:
    global reset_cause, wake_reason, air_taken, _awake, _sampling
    if not packet:
        raise SystemExit  # the host is gone
    kind = packet[0]
    if kind == messages.AIR:
        _pieces.append(packet[10:])
        if not packet[1]:
            frame = b"".join(_pieces)
            _pieces.clear()
            rssi_dbm = struct.unpack_from("b", packet, 3)[0]
            for listener in frame_listeners:
                listener(packet[2], rssi_dbm, packet[4:10], frame)
    elif kind == messages.PIN:
        levels[packet[1]] = packet[2]
        if _awake:
            for listener in pin_listeners:
                listener(packet[1])
    elif kind == messages.ANALOG:
        analog_uv[packet[1]] = struct.unpack_from(">I", packet, 2)[0]
    elif kind == messages.TAKEN:
        air_taken = bool(packet[1])
        for listener in air_listeners:
            listener()
    elif kind == messages.WAKE:
        reset_cause, wake_reason, _sampling = packet[1], packet[2], bool(packet[3])
        _awake = True
    elif kind == messages.HEAP_QUERY:
        _sample()
        size = gc.mem_alloc() + gc.mem_free()
        figures = struct.pack(">IIII", _peak, gc.mem_alloc(), _before, size)
        send(messages.HEAP, figures + " ".join(sys.modules).encode())


def _sample() -> None:
    # Live bytes only: garbage is what a collection gives back.
    global _peak
    gc.collect()
    _peak = max(_peak, gc.mem_alloc())
