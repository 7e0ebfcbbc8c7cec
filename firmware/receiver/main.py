"""Builds and runs the receiver. Whatever falls: start anew."""

import machine

try:
    from bridge import run

    run()
except Exception as error:
    import sys

    sys.print_exception(error)
    machine.reset()
