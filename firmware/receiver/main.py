"""Builds and runs the receiver. Whatever falls: start anew."""

import machine
import micropython

# Ctrl-C is a byte of a frame like any other, and a box may be speaking already.
micropython.kbd_intr(-1)
try:
    from bridge import run

    run()
except Exception as error:
    import sys

    sys.print_exception(error)
    # The next HELLO says why: wire.serial's WHY_MEMORY, WHY_EXCEPTION.
    machine.RTC().memory(b"\x02" if isinstance(error, MemoryError) else b"\x01")
    machine.reset()
