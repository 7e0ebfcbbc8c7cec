"""How a start begins and a wake ends: whether it is a press, and how the chip is put to sleep.

A start that is no wake from sleep follows a fall, whatever it was: an exception, the watchdog, a
cell that gave way. Three go on at once; from the fourth on, without a wake that came to its end
between, the bip rests first, the button armed: a fault at every start neither empties the cell nor
keeps a press back.
"""

import os
import sys

import esp32
import machine
from button import Button
from press import unpack_record
from storage import NAMESPACE, Storage

_STARTS_AT_ONCE = 3
# After the fourth start, the fifth, ...; the last one repeats.
_RESTS_MS = (5000, 15000, 60000, 300000)
# A button that is down when the bip falls asleep is looked at so often. Its release wakes the chip
# too, unless the board's pull-up is too weak against the pull-down that the chip sets for that.
_HELD_REST_MS = 60000
# One that stays down is told as stuck; looking at it each minute would empty the cell.
_STUCK_REST_MS = 600000


def opened_storage() -> Storage:
    return Storage(esp32.NVS(NAMESPACE), machine.RTC(), random32)


def begin(board, button, storage):
    """Count this start, and the press that it may be. After a fall too many, rest first.

    What fell before each first frame may fall again: then a press that waits goes out by other
    means, before the rest.
    """
    if _is_press(button, storage):
        button.count()
    # Until its record is stored, whatever falls: the next start counts it again.
    storage.untold = button.pending() > 0
    # A soft reset is somebody at the console.
    if machine.reset_cause() in (machine.DEEPSLEEP_RESET, machine.SOFT_RESET):
        storage.note()
        return
    starts = storage.count_start()
    if starts > _STARTS_AT_ONCE:
        _resort(board, button, storage)
        index = min(starts - _STARTS_AT_ONCE, len(_RESTS_MS)) - 1
        sleep(button, storage, _RESTS_MS[index])


def _resort(board, button, storage):
    try:
        from last_resort import send

        if send(board, storage):
            storage.resorted = True
            for _ in range(button.pending()):
                button.told()
    except Exception as error:
        # Nothing is left but to rest and try again: without a rest the cell would not last.
        sys.print_exception(error)


def is_stuck(button: Button, storage: Storage) -> bool:
    """Whether the button was down all through a sleep whose timer ended it."""
    by_timer: bool = machine.wake_reason() == machine.TIMER_WAKE
    slept: bool = machine.reset_cause() == machine.DEEPSLEEP_RESET
    return slept and by_timer and storage.held and button.down_at_start


def note_fall(button: Button, storage: Storage, error: Exception) -> None:
    """Note what the next start and the next status must know of this one. Raises OSError."""
    from fall import described

    storage.held = button.is_down()
    storage.untold = button.pending() > 0
    storage.note()
    storage.count_crash(*described(error))


def sleep(button: Button, storage: Storage, rest_ms: int) -> None:
    """Sleep deeply until the button or the timer; return if it was pressed at the last moment."""
    held = button.is_down()
    storage.held = held
    storage.note()
    # The chip wakes by level: a button that is still down must first be let go.
    level = esp32.WAKEUP_ANY_HIGH if held else esp32.WAKEUP_ALL_LOW
    # An S3 has this one and wakes from deep sleep by no other; a C3 has only the other.
    wake_on_ext0 = getattr(esp32, "wake_on_ext0", None)
    if wake_on_ext0 is not None:
        wake_on_ext0(button.pin, level)
    else:
        esp32.wake_on_gpio((button.pin,), level)
    # Looked at last: a press while the radio was switched off is no button that is held.
    if button.pending() and not storage.untold:
        return
    if held:
        rest_ms = min(rest_ms, _STUCK_REST_MS if storage.stuck else _HELD_REST_MS)
    machine.deepsleep(rest_ms)


def random32() -> int:
    return int.from_bytes(os.urandom(4), "big")


def _is_press(button: Button, storage: Storage) -> bool:
    if storage.untold:
        return True
    down: bool = button.down_at_start
    if machine.reset_cause() == machine.DEEPSLEEP_RESET:
        by_button = machine.wake_reason() != machine.TIMER_WAKE
        # It slept with the button down, to be woken by the release: down now means that it was let
        # go and pressed again.
        return down and by_button if storage.held else down or by_button
    if storage.time_is_known:
        # After a fall it may still be down from the press that is on storage.
        return down and not storage.held
    kept = unpack_record(storage.record)
    return down and not (kept and kept[0])
