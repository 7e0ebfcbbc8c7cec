"""Stand-in for the esp32 module: NVS as files, and the pins that end a deep sleep."""

import os

import bus
import machine

WAKEUP_ALL_LOW = False
WAKEUP_ANY_HIGH = True

_KEY_MAX = 15


def wake_on_gpio(pins: tuple[machine.Pin, ...] = (), level: bool = False) -> None:
    machine.wake_on = (tuple(pin.gpio for pin in pins), 1 if level else 0)


class NVS:
    """Values are lost at a reset until they are committed; a commit is whole or not at all."""

    def __init__(self, namespace: str):
        self._folder = bus.directory + "/nvs/" + namespace
        self._changed: dict = {}
        for folder in (bus.directory + "/nvs", self._folder):
            try:
                os.mkdir(folder)
            except OSError:
                pass  # it is there

    def get_blob(self, key: str, buffer: bytearray) -> int:
        value = self._changed.get(key)
        if value is None:
            with open(self._folder + "/" + key, "rb") as file:
                value = file.read()
        if len(value) > len(buffer):
            raise OSError(-0x110C, "ESP_ERR_NVS_INVALID_LENGTH")
        buffer[: len(value)] = value
        return len(value)

    def set_blob(self, key: str, value: bytes) -> None:
        if not 0 < len(key) <= _KEY_MAX:
            raise OSError(-0x1109, "ESP_ERR_NVS_KEY_TOO_LONG")
        self._changed[key] = bytes(value)

    def erase_key(self, key: str) -> None:
        # Gone at once: with what else was changed, no commit could bring it back.
        self._changed.pop(key, None)
        os.remove(self._folder + "/" + key)

    def commit(self) -> None:
        for key, value in self._changed.items():
            path = self._folder + "/" + key
            with open(path + ".new", "wb") as file:
                file.write(value)
            os.rename(path + ".new", path)
        self._changed = {}
