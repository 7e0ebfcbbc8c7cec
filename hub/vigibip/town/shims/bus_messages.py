"""What a simulated device and its host say to each other: one packet, first byte its kind.

Read by both ends, so in the subset of Python that both run.
"""

# Host to device.
WAKE = 0x01  # B reset cause, B wake reason, B samples the heap: main.py begins
PIN = 0x02  # B gpio, B level
AIR = 0x03  # B more to come, B channel, b rssi_dbm, 6s sender's address, frame or a piece of it
ANALOG = 0x04  # B gpio, I microvolts
HEAP_QUERY = 0x05
TAKEN = 0x06  # B 1: somebody keeps the channel, what is sent waits; 0: nobody

# Device to host.
READY = 0x81  # parked: the next WAKE begins main.py at once
TRANSMIT = 0x82  # B channel, 6s address, frame
RADIO = 0x83  # B channel on which it listens, 0 for off
OUTPUT = 0x84  # B gpio, B level (of PWM in percent), I ms since the start
SLEEP = 0x85  # I ms, 0 for no timer; B level that wakes; B gpio, again and again
RESET = 0x86
WATCHDOG = 0x87  # I ms: bite unless the next one comes before
HEAP = 0x88  # I peak of the live bytes, I live now, I live before main.py, I heap's size,
# and the names of the modules that are loaded
ENDED = 0x89  # text: why main.py is no longer running

# A longer frame comes in pieces. A read takes a buffer for the longest packet, and the one for the
# longest frame would be more than the device's own program ever asks of its heap.
PIECE_MAX = 250
PACKET_MAX = 272
