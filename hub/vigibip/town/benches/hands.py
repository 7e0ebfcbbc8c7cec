"""Hands on a bip's button, for the fuzz bench: bytes played as presses and pauses.

What the firmware's gestures make of them is held to the rhythms' words, written down a second time
as one pattern over the whole story.
"""

from __future__ import annotations

import re

from vigibip.town import device_tree
from vigibip.wire import frame

_gesture = device_tree.load("bip", "gesture")
_ALL = _gesture.RAISE | _gesture.WITHDRAW | _gesture.DURESS
# So that a byte reaches from a tremble to a fist, and each kind of press is met often.
_LENGTHS_MS = tuple(byte * byte // 12 for byte in range(256))
_RHYTHM = re.compile(r"(?<=q)LgSgLg([SL])(?=q)")
_QUIET_MS = 3000
_END_MS = 60_000


class GestureError(ValueError):
    """A hand was told to have said what it did not, or not to have said what it did."""


def sound() -> list[bytes]:
    """Return a withdrawal, a duress, and a hand that mashes."""
    short, pause, long = 60, 85, 150
    begin = bytes((long, pause, short, pause, long, pause))
    return [begin + bytes((short, 255)), begin + bytes((long, 255)), bytes((40, 30)) * 16]


def play(data: bytes) -> None:
    """Play `data`, a hold and a pause each two bytes. Raises GestureError."""
    hand = _gesture.Gestures(_ALL)
    at_ms = 10_000
    told: list[int] = []
    story = "q"
    for place in range(0, len(data) - 1, 2):
        hold_ms, pause_ms = _LENGTHS_MS[data[place]], _LENGTHS_MS[data[place + 1]]
        if place + 3 >= len(data):
            pause_ms = _END_MS
        story += "S" if hold_ms <= 500 else "L" if 1000 <= hold_ms <= 3000 else "x"
        story += "q" if pause_ms >= _QUIET_MS else "g" if 150 <= pause_ms <= 1500 else "y"
        hand.pressed(at_ms)
        hand.edge(True, at_ms)
        at_ms += hold_ms
        hand.edge(False, at_ms)
        for look_ms in (0, pause_ms):
            mark = hand.mark(at_ms + look_ms)
            if mark:
                told.append(mark)
        at_ms += pause_ms
    meant = [
        frame.WITHDRAWN if made[1] == "S" else frame.DURESS for made in _RHYTHM.finditer(story)
    ]
    if told != meant:
        raise GestureError(f"told {told}, meant {meant}: {story}")
