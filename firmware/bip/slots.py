"""Which program runs: the one that was flashed, or one of two that came later, as updates.

The flashed one lies in the root or is frozen, and nothing overwrites it. An update fills the
folder a or b, whichever is not in force; its program is then on trial: it has a few starts to show
that it reaches the box, or the one before comes back by itself. Which it is stands in NVS, in a
record that only this file and trial.py know.

This file, guard.py, main.py, boot.py and board.py stay outside of what an update replaces. An
update replaces the others because its folder stands first in sys.path, before the root and before
what is frozen. main.py forgets this module before the program begins: it takes no room.
"""

import sys

from guard import NAMESPACE, Pair

FLASHED = 0
FOLDERS = ("", "a", "b")
# Starts that a program on trial has: a cell that gives way and a box that is restarting are
# forgiven once each.
STARTS = 3

# The record: slot in force, the one before, the one on trial (FLASHED for none), starts that it
# has had and FETCH when the next start is one for fetch.py, then what trial.State tells of.
CURRENT = 0
PREVIOUS = 1
TRIAL = 2
HAD = 3
FETCH = 0x80
FLOOR_AT = 4
CANDIDATE_AT = 8
REFUSED_AT = 16
RECORD_LENGTH = 24


def opened(nvs):
    """Return (where it is kept, the record)."""
    pair = Pair(nvs, "slot")
    kept = pair.load()
    if kept is None or len(kept) < RECORD_LENGTH or max(kept[:HAD]) >= len(FOLDERS):
        kept = bytes(RECORD_LENGTH)
    return pair, bytearray(kept)


def choose(nvs, by_button):
    """Return (which slot this start runs, whether it is on trial, whether it is for fetch.py).

    One on trial has a start less by then. by_button: a press woke the chip. That is no time to try
    or to fetch: the program in force sends it.
    """
    pair, record = opened(nvs)
    slot = record[TRIAL]
    if by_button or (slot == FLASHED and not record[HAD] & FETCH):
        return record[CURRENT], False, False
    try:
        if record[HAD] & FETCH:
            record[HAD] &= ~FETCH
            pair.save(record)
            return slot or record[CURRENT], False, True
        if record[HAD] < STARTS:
            record[HAD] += 1
            pair.save(record)
            return slot, True, False
        fail(nvs, slot)
    except OSError:
        pass  # what cannot be counted is not tried
    return record[CURRENT], False, False


def request() -> None:
    """Let the next start be one for fetch.py, unless a press wakes the chip. Raises OSError."""
    import esp32

    pair, record = opened(esp32.NVS(NAMESPACE))
    record[HAD] |= FETCH
    pair.save(record)


def fail(nvs, slot):
    """The program in `slot` is no good: the one before it is in force. Raises OSError."""
    pair, record = opened(nvs)
    if slot == FLASHED:
        return  # nothing lies behind it
    if slot == record[TRIAL]:
        record[TRIAL] = FLASHED
        record[REFUSED_AT:RECORD_LENGTH] = record[CANDIDATE_AT:REFUSED_AT]
    elif slot == record[CURRENT]:
        record[CURRENT] = record[PREVIOUS]
        record[PREVIOUS] = FLASHED
    pair.save(record)


def enter() -> tuple[bool, bool]:
    """Let the imports of this start find its program; return (on trial, for fetch.py)."""
    import esp32
    import machine

    on_trial: bool
    fetches: bool
    by_button = machine.reset_cause() == machine.DEEPSLEEP_RESET
    by_button = by_button and machine.wake_reason() != machine.TIMER_WAKE
    slot, on_trial, fetches = choose(esp32.NVS(NAMESPACE), by_button)
    if slot != FLASHED:
        sys.path.insert(0, FOLDERS[slot])
    return on_trial, fetches


def leave() -> None:
    """The program of this start could not even begin. Raises OSError."""
    import esp32

    if sys.path[0] in FOLDERS[1:]:
        fail(esp32.NVS(NAMESPACE), FOLDERS.index(sys.path[0]))
