"""Where an ESP32 may be plugged in."""

from __future__ import annotations

from serial.tools import list_ports

from vigibip.workshop.errors import Cause, StepError

# Espressif's own USB, and the bridges that boards carry: CP210x, CH340 and CH9102, FT232.
_VENDORS = {0x303A, 0x10C4, 0x1A86, 0x0403}


def find() -> str:
    """Return the one port behind which an ESP32 may be. Raises StepError when none or several."""
    found = sorted(port.device for port in list_ports.comports() if port.vid in _VENDORS)
    if not found:
        raise StepError(Cause.NO_PORT)
    if len(found) > 1:
        raise StepError(Cause.MANY_PORTS, ", ".join(found))
    return str(found[0])
