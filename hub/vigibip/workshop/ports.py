"""Where an ESP32 may be plugged in."""

from __future__ import annotations

from pathlib import Path

from serial.tools import list_ports

from vigibip.workshop.errors import Cause, StepError

# Espressif's own USB, and the bridges that boards carry: CP210x, CH340 and CH9102, FT232.
_VENDORS = {0x303A, 0x10C4, 0x1A86, 0x0403}


def find(taken: str | None = None) -> str:
    """Return the one port behind which an ESP32 may be. Raises StepError when none or several.

    taken: the port of the box's own receiver, which is not looked at; a link to it will do.
    """
    apart = None if taken is None else Path(taken).resolve()
    found = sorted(
        port.device
        for port in list_ports.comports()
        if port.vid in _VENDORS and Path(port.device).resolve() != apart
    )
    if not found:
        raise StepError(Cause.NO_PORT)
    if len(found) > 1:
        raise StepError(Cause.MANY_PORTS, ", ".join(found))
    return str(found[0])
