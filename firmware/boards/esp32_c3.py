"""Pins of an ESP32-C3 module or generic board; hardware/pins.toml says why these."""

BUTTON = 4
BATTERY = 3
MOTOR = 10
LED = 7
