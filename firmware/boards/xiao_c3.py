"""Pins of a Seeed XIAO ESP32C3; hardware/pins.toml says why these."""

BUTTON = 4
BATTERY = 3
MOTOR = 10
LED = 7
