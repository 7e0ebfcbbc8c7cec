"""A press that is open, and the record that carries the open presses from one wake to the next."""

import struct

from wire import frame

# A press more than these makes an older one give way; each takes 39 bytes of RTC memory.
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
# Behind the entries; a record that was written before they were told ends there.
_TAIL = ">BB"
_TAIL_LENGTH = 2
_GESTURE = ">Bq"
_GESTURE_LENGTH = 9
# The gesture's byte says in its upper bit that its mark has not reached the box.
_MARK_WAITS = 0x80
_GESTURE_BITS = 0x7F
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
        self.gesture = 0  # its severity, and a mark
        self.mark_ms = -1  # when the mark was made
        self.mark_waits = False  # for an answer to a frame that carries it
        self._marked_from = 0  # the first counter whose frame carries the mark
        self._asked: list[int] = []  # counters of the frames that a reply may answer

    def is_unheard(self) -> bool:
        return self.state == frame.STATE_NONE

    def ask(self, counter: int) -> None:
        """Note that a reply to the frame with `counter` is about this press."""
        if self.mark_waits and not self._marked_from:
            self._marked_from = counter
        self._asked.append(counter)
        if len(self._asked) > _ASKED_MAX:
            self._asked.pop(0)

    def has_asked(self, counter: int) -> bool:
        return counter in self._asked

    def mark(self, mark: int, now_ms: int) -> None:
        """A gesture has said something about this press, or another thing than before."""
        self.gesture = self.gesture & frame.SEVERITY | mark
        self.mark_ms = now_ms
        self.mark_waits = True
        self._marked_from = 0
        self.frame = None

    def takes_mark(self, answered: int) -> bool:
        """Whether the answer to `answered` says for the first time that the mark is there."""
        if not self.mark_waits or not 0 < self._marked_from <= answered:
            return False
        self.mark_waits = False
        return True

    def fresh_ms(self) -> int:
        """Return when something last happened that the palm waits to hear of."""
        return max(self.heard_ms, self.mark_ms) if self.mark_waits else self.heard_ms

    def gesture_age_s(self, now_ms: int) -> int:
        """Return the seconds since the mark, 0 without one, 65535 when the clock was lost."""
        if not self.gesture & ~frame.SEVERITY:
            return 0
        return (now_ms - self.mark_ms) // 1000 if 0 <= self.mark_ms <= now_ms else 0xFFFF

    def age_s(self, now_ms: int) -> int:
        """Return the seconds since the button went down, AGE_UNKNOWN when the clock was lost."""
        if 0 <= self.down_ms <= now_ms:
            return min((now_ms - self.down_ms) // 1000, frame.AGE_UNKNOWN - 1)
        return frame.AGE_UNKNOWN


def pack_record(
    presses: list[Press],
    unheard: int,
    unreached: int,
    since_ms: int,
    status_ms: int,
    sends_failed: int,
    stores_failed: int,
) -> bytes:
    """Return the record of the open presses, oldest first, and of what a status tells.

    unheard, unreached: presses that were not sent, not reached, since the bip was provisioned.
    since_ms: when the clock began. status_ms: when the next status is due. sends_failed,
    stores_failed: since the last status that was answered.
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
    parts.append(struct.pack(_TAIL, sends_failed, stores_failed))
    for press in presses:
        gesture = press.gesture | (_MARK_WAITS if press.mark_waits else 0)
        parts.append(struct.pack(_GESTURE, gesture, press.mark_ms))
    return b"".join(parts)


def unpack_record(record):
    """Return the tuple that `pack_record` took, None when `record` is none of ours."""
    if record is None or len(record) < _HEAD_LENGTH or record[0] != _VERSION:
        return None
    _, count, unheard, unreached, since_ms, status_ms = struct.unpack_from(_HEAD, record)
    tail = _HEAD_LENGTH + count * _ENTRY_LENGTH
    if count > PRESSES_MAX or len(record) < tail:
        return None
    sends_failed = stores_failed = 0
    has_tail = len(record) >= tail + _TAIL_LENGTH + count * _GESTURE_LENGTH
    if has_tail:
        sends_failed, stores_failed = struct.unpack_from(_TAIL, record, tail)
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
        if has_tail:
            offset = tail + _TAIL_LENGTH + index * _GESTURE_LENGTH
            gesture, press.mark_ms = struct.unpack_from(_GESTURE, record, offset)
            press.gesture = gesture & _GESTURE_BITS
            press.mark_waits = bool(gesture & _MARK_WAITS)
        presses.append(press)
    return presses, unheard, unreached, since_ms, status_ms, sends_failed, stores_failed
