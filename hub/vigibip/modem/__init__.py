"""The modem: AT grammar, serial channel, reset ladder, and the simulated one."""
