"""Who a bip is: its id and key, made here, kept in its NVS, read back from there.

The device's own `storage` module says in what form, so that there is no second copy of it. The
key goes over the wire to the device, and from there to its box: never into a log, an argument of
a command, a file or an error.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from vigibip.workshop.errors import Cause, StepError
from vigibip.workshop.line import DeviceFellError, Line

KEY_BYTES = 16
# All that a bip keeps under its identity; settings first, so that what is left after a pulled
# cable is no identity. MicroPython cannot list them.
NVS_KEYS = (
    *("settings", "counter0", "counter1", "open0", "open1"),
    *("set0", "set1", "link", "crashes"),
)

_READ = """
import esp32, json, storage
class R:
    def memory(self, data=None):
        return b""
s = storage.Storage(esp32.NVS(storage.NAMESPACE), R(), lambda: 0).settings()
print(json.dumps(None if s is None else [s[0], bytes(s[1]).hex()]))
"""
# A bip keeps where it was answered from.
_LIVED = """
import esp32, json, storage
try:
    esp32.NVS(storage.NAMESPACE).get_blob("link", bytearray(64))
    print("true")
except OSError:
    print("false")
"""
_ERASE = """
import esp32, json, storage
n = esp32.NVS(storage.NAMESPACE)
for k in {keys!r}:
    try:
        n.erase_key(k)
    except OSError:
        pass
    n.commit()
print("true")
"""
# settings last: only with it is it a bip.
_WRITE = """
import esp32, storage
b = storage.provisioned({device_id}, {key!r}, {channel}, {receiver!r})
n = esp32.NVS(storage.NAMESPACE)
s = b.pop("settings")
for k in b:
    n.set_blob(k, b[k])
n.commit()
n.set_blob("settings", s)
n.commit()
print("true")
"""


@dataclass(frozen=True, slots=True, repr=False)
class Identity:
    """It does not show its key in a traceback."""

    device_id: int
    key: bytes

    def __repr__(self) -> str:
        return f"Identity({self.device_id:08x})"


def new_identity() -> Identity:
    """Return an identity that nobody ever had: chance of the operating system's quality."""
    return Identity(secrets.randbelow(0xFFFFFFFF) + 1, secrets.token_bytes(KEY_BYTES))


def read(line: Line) -> Identity | None:
    """Return who the device is, None when it is nobody yet. Raises StepError."""
    told = _ask(line, _READ)
    if told is None:
        return None
    try:
        device_id, key = int(told[0]), bytes.fromhex(told[1])
    except (TypeError, ValueError, IndexError):
        raise StepError(Cause.PROGRAM_FELL, "its settings are not understood") from None
    return Identity(device_id, key)


def has_lived(line: Line) -> bool:
    """Tell whether some box has answered this bip since it has its identity. Raises StepError."""
    return bool(_ask(line, _LIVED))


def erase(line: Line) -> None:
    """Let the device be nobody. Raises StepError."""
    _ask(line, _ERASE.format(keys=NVS_KEYS))


def write(line: Line, identity: Identity, channel: int, receiver: bytes) -> None:
    """Make a device that is nobody `identity`, and read it back. Raises StepError."""
    program = _WRITE.format(
        device_id=identity.device_id, key=identity.key, channel=channel, receiver=receiver
    )
    _ask(line, program)
    if read(line) != identity:
        raise StepError(Cause.COPY_DIFFERS, "its settings")


def _ask(line: Line, program: str) -> Any:
    try:
        return line.ask(program)
    except DeviceFellError as error:
        # The last line names the error; the others may show what was run.
        raise StepError(Cause.PROGRAM_FELL, str(error).splitlines()[-1][:80]) from None
