"""Stand-in for select, whose own poll knows files but not the stand-in for ESPNow."""

import bus
import espnow
import uselect

POLLIN = uselect.POLLIN
POLLOUT = uselect.POLLOUT


class poll:
    def __init__(self):
        self._files = uselect.poll()
        self._radio = None

    def register(self, obj, eventmask: int = POLLIN) -> None:
        if isinstance(obj, espnow.ESPNow):
            self._radio = obj
            self._files.register(bus.source(), POLLIN)
        else:
            self._files.register(obj, eventmask)

    def poll(self, timeout_ms: int = -1):
        if self._radio is None:
            return self._files.poll(timeout_ms)
        if self._radio.any():
            timeout_ms = 0
        ready = []
        for entry in self._files.poll(timeout_ms):
            if entry[0] is not bus.source():
                ready.append(entry)
        if self._radio.any():
            ready.append((self._radio, POLLIN))
        return ready

    def ipoll(self, timeout_ms: int = -1):
        return iter(self.poll(timeout_ms))
