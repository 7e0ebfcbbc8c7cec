"""Starts the program in force. Stays as it was flashed, as do slots.py and guard.py."""

import sys

import machine

on_trial = fetches = False
try:
    import slots

    on_trial, fetches = slots.enter()
    del slots, sys.modules["slots"]
except Exception as error:
    # The program that was flashed is there whatever the flash keeps.
    sys.print_exception(error)
try:
    import bip

    bip.run(on_trial, fetches)
except Exception as error:
    # Not even its own net held: a file of it is missing, torn or of another MicroPython.
    sys.print_exception(error)
    try:
        import slots

        slots.leave()
    except Exception as second:
        sys.print_exception(second)
    machine.reset()
