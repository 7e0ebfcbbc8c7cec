"""What the workshop asks of a bip on its bench. Nothing that runs in a shop imports it.

Each function tries one part and returns what it measured; the workshop judges.
"""

import time

import espnow
import machine
import network

_CHANNELS = range(1, 14)
_EVERYBODY = b"\xff\xff\xff\xff\xff\xff"
# No frame of ours: a receiver counts it as foreign and passes it over.
_NO_FRAME = b"VigiBip bench"
_LONG_MS = 350
_PAUSE_MS = 200
_STEP_MS = 5


def button_is_down(board):
    """Tell whether the button is down now."""
    return _pin(board).value() == 0


def button(board, wait_ms):
    """Wait for one press; return when it went down and how long it was held, None: it was not."""
    pin = _pin(board)
    began_ms = time.ticks_ms()
    down_ms = _wait(pin, 0, began_ms, wait_ms)
    held_ms = None
    if down_ms is not None:
        up_ms = _wait(pin, 1, began_ms, wait_ms)
        held_ms = None if up_ms is None else up_ms - down_ms
    return {"down_ms": down_ms, "held_ms": held_ms}


def motor(board):
    """Let the motor run three times; return the cell's voltage before and under its load."""
    pin = machine.Pin(board.MOTOR, machine.Pin.OUT, value=0)
    rest_mv = battery(board)["mv"]
    load_mv = rest_mv
    try:
        for _ in range(3):
            pin.value(1)
            time.sleep_ms(_LONG_MS)
            load_mv = min(load_mv, battery(board)["mv"])
            pin.value(0)
            time.sleep_ms(_PAUSE_MS)
    finally:
        pin.value(0)
    return {"rest_mv": rest_mv, "load_mv": load_mv}


def battery(board):
    """Return the cell's voltage, through the board's two equal resistors."""
    return {"mv": machine.ADC(machine.Pin(board.BATTERY)).read_uv() * 2 // 1000}


def radio():
    """Switch the radio on, look which channels it takes, and let one frame go to nobody.

    That it was heard, only the bip's own first status proves, at its box.
    """
    taken = []
    why = ""
    sent = False
    wlan = network.WLAN(network.STA_IF)
    now = espnow.ESPNow()
    try:
        wlan.active(True)
        for channel in _CHANNELS:
            try:
                wlan.config(channel=channel)
                taken.append(channel)
            except OSError:
                pass
        now.active(True)
        now.add_peer(_EVERYBODY)
        now.send(_EVERYBODY, _NO_FRAME, False)
        sent = True
    except OSError as error:
        why = repr(error)
    finally:
        now.active(False)
        wlan.active(False)
    return {"sent": sent, "why": why, "channels": taken}


def _pin(board):
    return machine.Pin(board.BUTTON, machine.Pin.IN, machine.Pin.PULL_UP)


def _wait(pin, level, began_ms, wait_ms):
    while True:
        since_ms = time.ticks_diff(time.ticks_ms(), began_ms)
        if pin.value() == level:
            return since_ms
        if since_ms >= wait_ms:
            return None
        time.sleep_ms(_STEP_MS)
