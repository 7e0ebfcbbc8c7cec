"""The line to a device's MicroPython, by mpremote: its REPL, its files.

mpremote's exceptions and those of the line below it become StepErrors here.
"""

from __future__ import annotations

import contextlib
import io
import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

from mpremote.transport import TransportError, TransportExecError
from mpremote.transport_serial import SerialTransport
from serial import SerialException

from vigibip.workshop.errors import Cause, StepError

# Longer than a device takes to answer anything but a person.
_PATIENCE_S = 10.0
# Half a megabyte of files at the slowest flash and hash that a chip may have.
_HASHES_WITHIN_S = 60.0
_HASHES = """
import binascii, hashlib, json, os
found = {}
buffer = memoryview(bytearray(512))
def walk(folder):
    for entry in os.ilistdir(folder or "/"):
        path = folder + "/" + entry[0]
        if entry[1] & 0x4000:
            walk(path)
            continue
        h = hashlib.sha256()
        with open(path, "rb") as file:
            while True:
                count = file.readinto(buffer)
                if not count:
                    break
                h.update(buffer[:count])
        found[path[1:]] = binascii.hexlify(h.digest()).decode()
walk("")
print(json.dumps(found))
"""
# A piece of a file as the raw REPL carries it; larger ones cost the device's heap.
_PIECE_BYTES = 512


class DeviceFellError(Exception):
    """What the device was asked to run raised there; the text is MicroPython's traceback."""


class Line:
    """An open line, the device in its raw REPL. Every method raises StepError."""

    def __init__(self, transport: SerialTransport) -> None:
        self._transport = transport

    @classmethod
    def open(cls, port: str, *, patience_s: float = _PATIENCE_S) -> Line:
        """Interrupt what runs on `port` and take its REPL; the program starts no more by itself."""
        with _translated(Cause.NO_ANSWER):
            transport = SerialTransport(port, timeout=patience_s)
            try:
                transport.enter_raw_repl(timeout_overall=patience_s)
            except BaseException:
                with contextlib.suppress(OSError, SerialException):
                    transport.serial.close()
                raise
        return cls(transport)

    def close(self) -> None:
        with contextlib.suppress(OSError, SerialException, TransportError):
            self._transport.serial.close()

    def ask(self, program: str, *, within_s: float = _PATIENCE_S) -> Any:
        """Run `program`, which prints one JSON value, and return that value.

        Raises DeviceFellError too. Nothing of the program or its answer is logged: it may be a key.
        """
        with _translated(Cause.CABLE):
            try:
                told, fell = self._transport.exec_raw(program, timeout=within_s)
            except TransportExecError as error:
                raise DeviceFellError(error.error_output) from None
            if fell:
                raise DeviceFellError(fell.decode(errors="replace").strip())
        try:
            return json.loads(told)
        except ValueError:
            raise StepError(Cause.CABLE, "the device's answer came through garbled") from None

    def leave(self, program: str) -> None:
        """Run `program`, which ends the line, such as a reset."""
        with _translated(Cause.CABLE):
            self._transport.exec_raw_no_follow(program)

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of every file on the flash, by its path without a leading slash."""
        try:
            told: dict[str, str] = self.ask(_HASHES, within_s=_HASHES_WITHIN_S)
        except DeviceFellError as error:
            raise StepError(Cause.PROGRAM_FELL, str(error).splitlines()[-1]) from None
        return told

    def write(self, path: str, content: bytes, progress: Callable[[int], None]) -> None:
        """Write a file beside and then over the old one, so that there is always a whole one.

        `progress` is told how many of its bytes are there.
        """
        fresh = "/" + path + ".new"
        with _translated(Cause.CABLE):
            folder = path.rpartition("/")[0]
            if folder and not self._transport.fs_isdir("/" + folder):
                self._transport.fs_mkdir("/" + folder)
            self._transport.fs_writefile(
                fresh,
                content,
                chunk_size=_PIECE_BYTES,
                progress_callback=lambda done, _: progress(done),
            )
            self._transport.exec(f"import os\nos.rename({fresh!r}, {'/' + path!r})")

    def remove(self, path: str) -> None:
        with _translated(Cause.CABLE):
            self._transport.fs_rmfile("/" + path)


@contextlib.contextmanager
def _translated(cause: Cause) -> Iterator[None]:
    # mpremote prints what it does not understand: not onto our standard output, and not at all.
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except TransportExecError as error:
        last = error.error_output.strip().splitlines()[-1:]
        raise StepError(_cause_on_device(last, cause), " ".join(last)) from None
    except (TransportError, SerialException, OSError) as error:
        if isinstance(error, StepError):
            raise
        raise StepError(_of(error, cause), _short(error)) from None
    except (struct.error, ValueError, SyntaxError):
        # mpremote reads fewer bytes than it counts on when a cable is pulled.
        raise StepError(cause, "the line broke off") from None


def _of(error: Exception, cause: Cause) -> Cause:
    return Cause.NO_ROOM if getattr(error, "errno", None) == 28 else cause


def _cause_on_device(last: list[str], cause: Cause) -> Cause:
    return Cause.NO_ROOM if any("ENOSPC" in line or ": 28" in line for line in last) else cause


def _short(error: Exception) -> str:
    # A TransportError can repeat what it read, which may be a key.
    return "" if isinstance(error, TransportError) else str(error)
