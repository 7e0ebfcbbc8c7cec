"""Which firmware this is, as the wire tells it: major * 256 + minor."""

FIRMWARE = 0x0001
