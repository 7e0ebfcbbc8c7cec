"""ESP-NOW for a bip: frames out to one address, frames in, on one channel."""

import espnow
import network

# A reply takes 60 bytes of it; duplicates and a neighbour's frames must not push it out.
_RX_BUFFER = 1024
_RSSI_UNKNOWN = -128
_FRAME_MAX = 250
# The radio knows 20 addresses.
_PEERS_MAX = 16


class Air:
    """The radio, on from its construction to `stop`."""

    def __init__(self, channel: int):
        self._wlan = network.WLAN(network.STA_IF)
        self._wlan.active(True)
        self._wlan.config(channel=channel, pm=network.WLAN.PM_NONE)
        self._now = espnow.ESPNow()
        self._now.config(rxbuf=_RX_BUFFER)
        self._now.active(True)
        self._peers: list[bytes] = []
        self.channel = channel

    def tune(self, channel: int) -> bool:
        """Listen and send on `channel`. Return False when the chip's country does not let it."""
        try:
            self._wlan.config(channel=channel)
        except OSError:
            return False
        self.channel = channel
        return True

    def send(self, data: bytes, address: bytes) -> bool:
        """Transmit once; whether it was heard, only a reply tells.

        Return False when the radio did not take it: its buffers are full.
        """
        try:
            if address not in self._peers:
                if len(self._peers) >= _PEERS_MAX:
                    self._now.del_peer(self._peers.pop(0))
                self._now.add_peer(address)
                self._peers.append(address)
            # Not waiting for the MAC's acknowledgement, which means nothing.
            self._now.send(address, data, False)
        except OSError:
            return False  # the next transmission is near
        return True

    def receive(self, timeout_ms: int) -> tuple[bytes, bytes, int] | None:
        """Return (address, frame, rssi_dbm) of the next frame, None when none came in time."""
        try:
            address, data = self._now.recv(timeout_ms)
        except ValueError:
            return None  # a frame out of step; the module has emptied its buffer
        if address is None or data is None or len(data) > _FRAME_MAX:
            return None
        known = self._now.peers_table.get(address)
        return address, data, known[0] if known else _RSSI_UNKNOWN

    def stop(self) -> None:
        self._now.active(False)
        self._wlan.active(False)
