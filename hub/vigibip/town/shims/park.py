"""Starts a simulated device: its stand-ins are loaded, and it waits for power, button or timer.

Arguments: the bus's name, the device's directory (flash/, nvs/, rtc.bin).
"""

import os
import sys

import bus
import bus_messages

bus.connect(sys.argv[1], sys.argv[2])
import select  # noqa: F401

import esp32  # noqa: F401
import espnow  # noqa: F401
import machine  # noqa: F401
import network  # noqa: F401

os.chdir(sys.argv[2] + "/flash")
sys.path.insert(0, "")
bus.park()
try:
    import boot  # noqa: F401
    import main  # noqa: F401

    ended = "main.py has ended"
except Exception as error:
    sys.print_exception(error)
    ended = repr(error)
bus.send(bus_messages.ENDED, ended.encode())
bus.halt()
