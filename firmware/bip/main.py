"""Builds and runs the bip. Whatever falls, the open presses are on storage: start anew."""

import machine

try:
    import board
    from wake import run

    run(board)
except Exception as error:
    import sys

    sys.print_exception(error)
    try:
        import esp32
        from storage import NAMESPACE, Storage

        Storage(esp32.NVS(NAMESPACE), machine.RTC(), int).count_crash()
    except Exception as second:
        sys.print_exception(second)
    machine.reset()
