# MicroPython stand-ins for the modules that only an ESP32 has. The folder is on the simulated
# device's path; the host reads bus_messages alone.
