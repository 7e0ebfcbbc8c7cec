"""Sends one press, and can do nothing else: for a program that falls before its first frame.

It shares with the program only what reads the storage and seals a frame: neither its sender nor
its radio, its motor or its button.
"""

import struct
import time

import espnow
import machine
import network
from cryptolib import aes
from version import FIRMWARE
from wire import frame
from wire.counter import ReservedCounter

_ECB = 1
_EVERYBODY = b"\xff" * 6
_FOR_MS = 20000
_LISTEN_MS = 120
# The receiver's channel, as far as it is known, each third time; all of them in turn.
_HOME_EACH = 3
_CHANNELS = 13
_WATCHDOG_MS = 10000

# The record of press.py, which may be what falls: where the entries begin, how long each is, and
# where in it number and state stand.
_HEAD_LENGTH = 22
_ENTRY_LENGTH = 30
_STATE_AT = 4
_STATE = 0x3F


def unheard(record):
    """Return where the newest press that nobody has heard stands in `record`, None without one."""
    if record is None or len(record) < _HEAD_LENGTH:
        return None
    for index in range(record[1] - 1, -1, -1):
        place = _HEAD_LENGTH + index * _ENTRY_LENGTH
        if place + _ENTRY_LENGTH <= len(record) and not record[place + _STATE_AT] & _STATE:
            return place
    return None


def send(board, storage):
    """Send the press that waits until the box has heard it. Return whether it has.

    False also when none waits. A press that is in no record is named by this frame's own counter.
    """
    settings = storage.settings()
    place = unheard(storage.record)
    if settings is None or not (storage.untold or place is not None):
        return False
    device_id, key, channel, _ = settings
    encrypt_block = aes(key, _ECB).encrypt
    counter = _counter(storage)
    number = counter
    if place is not None and not storage.untold:
        number = struct.unpack_from(">I", storage.record, place)[0]
    payload = frame.pack_press(
        number,
        frame.AGE_UNKNOWN,
        storage.battery_mv,
        FIRMWARE,
        machine.reset_cause(),
        frame.RSSI_UNKNOWN,
        0,
    )
    sealed = frame.seal_frame(encrypt_block, frame.PRESS, device_id, counter, payload)
    if not _call(encrypt_block, sealed, counter, number, channel):
        return False
    if storage.untold:
        storage.untold = False
        storage.note()
    else:
        record = bytearray(storage.record)
        record[place + _STATE_AT] |= frame.STATE_HEARD
        storage.save(bytes(record))
    _tell(board)
    return True


def _counter(storage):
    try:
        return ReservedCounter(storage.reserved, storage.reserve, 1).next()
    except (OSError, OverflowError):
        return storage.unused()


def _call(encrypt_block, sealed, counter, number, home):
    watchdog = machine.WDT(timeout=_WATCHDOG_MS)
    wlan = network.WLAN(network.STA_IF)
    wlan.active(True)
    radio = espnow.ESPNow()
    radio.active(True)
    radio.add_peer(_EVERYBODY)
    began_ms = time.ticks_ms()
    shots = 0
    while time.ticks_diff(time.ticks_ms(), began_ms) < _FOR_MS:
        watchdog.feed()
        channel = home if shots % _HOME_EACH == 0 else shots % _CHANNELS + 1
        shots += 1
        try:
            wlan.config(channel=channel)
            radio.send(_EVERYBODY, sealed, False)
            _, data = radio.recv(_LISTEN_MS)
        except (OSError, ValueError):
            continue  # a channel that is refused, buffers that are full, a frame out of step
        if data is not None and _is_answer(encrypt_block, bytes(data), counter, number):
            return True
    return False


def _is_answer(encrypt_block, data, counter, number):
    try:
        kind, _, _, payload = frame.open_frame(encrypt_block, data, frame.FROM_BOX)
    except frame.FrameError:
        return False
    if kind != frame.REPLY:
        return False
    answered, press, state, _ = frame.unpack_reply(payload)
    return answered == counter and press == number and state != frame.STATE_NONE


def _tell(board):
    # As "heard" feels.
    motor = machine.Pin(board.MOTOR, machine.Pin.OUT, value=0)
    for _ in range(2):
        motor.value(1)
        time.sleep_ms(100)
        motor.value(0)
        time.sleep_ms(120)
