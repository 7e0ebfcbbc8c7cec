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
    machine.reset()
