"""Pins of an ESP32-S3 module or generic board; hardware/pins.toml says why these."""

BUTTON = 4
BATTERY = 2
MOTOR = 5
LED = 6
