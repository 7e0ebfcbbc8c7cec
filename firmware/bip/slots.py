"""Which program runs: the one that was flashed, or one of two that came later, as updates.

The flashed one lies in the root or is frozen, and nothing overwrites it. An update fills the
folder a or b, whichever is not in force; its program is then on trial: it has a few starts to show
that it reaches the box, or the one before comes back by itself. Which it is stands in NVS, in a
record that only this file and update.py know.

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
# has had, then what update.State tells of.
CURRENT = 0
PREVIOUS = 1
TRIAL = 2
HAD = 3
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


def choose(nvs):
    """Return (which slot this start runs, whether it is on trial): it has a start less by then."""
    pair, record = opened(nvs)
    slot = record[TRIAL]
    if slot != FLASHED:
        try:
            if record[HAD] < STARTS:
                record[HAD] += 1
                pair.save(record)
                return slot, True
            fail(nvs, slot)
        except OSError:
            pass  # what cannot be counted is not tried
    return record[CURRENT], False


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


def enter() -> bool:
    """Let the imports of this start find the program in force; return whether it is on trial."""
    import esp32

    on_trial: bool
    slot, on_trial = choose(esp32.NVS(NAMESPACE))
    if slot != FLASHED:
        sys.path.insert(0, FOLDERS[slot])
    return on_trial


def leave() -> None:
    """The program of this start could not even begin. Raises OSError."""
    import esp32

    if sys.path[0] in FOLDERS[1:]:
        fail(esp32.NVS(NAMESPACE), FOLDERS.index(sys.path[0]))
