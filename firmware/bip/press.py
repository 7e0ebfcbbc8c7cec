"""A press that is open, and the record that carries the open presses from one wake to the next."""

import struct

from wire import frame

# A press more than these makes an older one give way; each takes 30 bytes of RTC memory.
PRESSES_MAX = 8
# Replies to the last few frames of a press still count: they may come late or out of order.
_ASKED_MAX = 8

# Only a higher rank changes a press: what is known to be further is never taken back.
RANKS = {
    frame.STATE_NONE: 0,
    frame.STATE_HEARD: 1,
    frame.STATE_NOT_REACHED: 2,
    frame.STATE_DELIVERED: 3,
    frame.STATE_UNANSWERED: 4,
    frame.STATE_COMING: 5,
}

_VERSION = 1
_HEAD = ">BBHHqq"
_HEAD_LENGTH = 22
_ENTRY = ">IBBqqq"
_ENTRY_LENGTH = 30
# Beside the state, in its byte; a record that was written before one of them had it clear.
_TOLD_NOT_SENT = 0x80
_SUPERSEDED = 0x40
_STATE = 0x3F


class Press:
    """One press that nobody is known to be coming for. `number`: its first frame's counter."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.state = frame.STATE_NONE
        self.told_not_sent = False
        self.superseded = False  # a newer press was made: the palm asks about that one
        self.wakes = 0  # efforts before this one
        self.down_ms = -1  # when the button went down; -1: the clock was lost since
        self.heard_ms = -1
        self.poll_ms = 0  # when it is polled for next
        self.poll_start_ms = 0  # when that poll was first tried
        self.tries = 0  # of a poll that waits for its reply
        self.frame: bytes | None = None  # the sealed frame of this effort
        self.sent = 0  # how often that frame was transmitted
        self._asked: list[int] = []  # counters of the frames that a reply may answer

    def is_unheard(self) -> bool:
        return self.state == frame.STATE_NONE

    def ask(self, counter: int) -> None:
        """Note that a reply to the frame with `counter` is about this press."""
        self._asked.append(counter)
        if len(self._asked) > _ASKED_MAX:
            self._asked.pop(0)

    def has_asked(self, counter: int) -> bool:
        return counter in self._asked

    def age_s(self, now_ms: int) -> int:
        """Return the seconds since the button went down, AGE_UNKNOWN when the clock was lost."""
        if 0 <= self.down_ms <= now_ms:
            return min((now_ms - self.down_ms) // 1000, frame.AGE_UNKNOWN - 1)
        return frame.AGE_UNKNOWN


def pack_record(
    presses: list[Press], unheard: int, unreached: int, since_ms: int, status_ms: int
) -> bytes:
    """Return the record of the open presses, oldest first, and of what a status tells.

    unheard, unreached: presses that were not sent, not reached, since the bip was provisioned.
    since_ms: when the clock began. status_ms: when the next status is due.
    """
    parts = [struct.pack(_HEAD, _VERSION, len(presses), unheard, unreached, since_ms, status_ms)]
    for press in presses:
        state = press.state | (_TOLD_NOT_SENT if press.told_not_sent else 0)
        state |= _SUPERSEDED if press.superseded else 0
        parts.append(
            struct.pack(
                _ENTRY,
                press.number,
                state,
                press.wakes,
                press.down_ms,
                press.heard_ms,
                press.poll_ms,
            )
        )
    return b"".join(parts)


def unpack_record(record):
    """Return the tuple that `pack_record` took, None when `record` is none of ours."""
    if record is None or len(record) < _HEAD_LENGTH or record[0] != _VERSION:
        return None
    _, count, unheard, unreached, since_ms, status_ms = struct.unpack_from(_HEAD, record)
    if count > PRESSES_MAX or len(record) != _HEAD_LENGTH + count * _ENTRY_LENGTH:
        return None
    presses = []
    for index in range(count):
        number, state, wakes, down_ms, heard_ms, poll_ms = struct.unpack_from(
            _ENTRY, record, _HEAD_LENGTH + index * _ENTRY_LENGTH
        )
        press = Press(number)
        press.told_not_sent = bool(state & _TOLD_NOT_SENT)
        press.superseded = bool(state & _SUPERSEDED)
        # A state from elsewhere: sending it again is harmless, the box knows its presses.
        press.state = state & _STATE if state & _STATE in RANKS else frame.STATE_NONE
        press.wakes = wakes
        press.down_ms = down_ms
        press.heard_ms = heard_ms
        press.poll_ms = poll_ms
        presses.append(press)
    return presses, unheard, unreached, since_ms, status_ms
