# The wire between bip, receiver and box. This package also runs on MicroPython, as `wire`:
# relative imports only, and only the subset of Python that the device has.
