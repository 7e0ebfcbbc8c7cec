"""What a bip says and when: presses, polls and statuses, without radio, motor, flash or clock.

Time comes in as `now_ms`, of a clock that goes on through deep sleep; randomness as
`random(n)`, which returns 0 to n - 1. Whatever comes in returns a list of actions, to be done in
their order. The same file runs on the device and, in driven time, on CPython.

A press is unheard until a reply says otherwise. Its frame is sent at once, then again and again
for one wake, on the known channel and then on all; after that the bip sleeps and tries again with
a new frame. A press that is heard is polled for until an officer is coming.
"""

import struct

from wire import frame
from wire.serial import BROADCAST

FIRMWARE = 0x0001

# Actions: (STORE, record), (TUNE, channel), (SEND, frame, address), (FEEL, name),
# (LINK, channel, address).
STORE = 0
TUNE = 1
SEND = 2
FEEL = 3
LINK = 4

# A press more than these gives way as `_make_room` says; each costs 30 bytes of RTC memory.
PRESSES_MAX = 8
CHANNELS = 13

# After the n-th transmission of a press, the pause before the next; the last one repeats.
_PAUSES_MS = (40, 55, 80, 120, 180, 250)
# Transmissions without a reply on the known channel before the hunt begins, about 0.4 s.
_TRIES_BEFORE_HUNT = 5
# Longer than a box takes to store a press and reply; the whole hunt takes about 2 s.
_DWELL_MS = 110
_HUNT_HOME_EACH = 4
# The usual choices of an access point first: a receiver's channel is chosen among them.
_HUNT_ORDER = (1, 6, 11, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13)

# One wake's effort for a press that was just made, and for one that an earlier wake left.
_FIRST_EFFORT_MS = 15000
_LATER_EFFORT_MS = 5000
# Sleep between two efforts, by the number of wakes so far; the last one repeats.
_RESUME_MS = (15000, 30000, 60000, 120000, 300000)

_POLL_FAST_MS = 1000
_POLL_FAST_FOR_MS = 120000
_POLL_SLOW_MS = 10000
_POLL_SLOW_FOR_MS = 1800000
# A poll or a status without a reply is tried again so often, at this distance.
_TRIES = 3
_TRY_MS = 200
# Waking costs more than staying awake for so long.
_NAP_MS = 1500
_STATUS_MS = 3600000
_STATUS_FIRST_MS = 500
# The box has it and keeps trying; a day later nobody waits for the palm to tell more.
_FORGET_HEARD_MS = 86400000
# Replies to the last few frames of a press still count: they may come late or out of order.
_ASKED_MAX = 8

_UNHEARD = frame.STATE_NONE
# Only a higher rank changes a press: what is known to be further is never taken back.
_RANKS = {
    frame.STATE_NONE: 0,
    frame.STATE_HEARD: 1,
    frame.STATE_NOT_REACHED: 2,
    frame.STATE_DELIVERED: 3,
    frame.STATE_UNANSWERED: 4,
    frame.STATE_COMING: 5,
}
_FEELS = {
    frame.STATE_HEARD: "heard",
    frame.STATE_NOT_REACHED: "not_reached",
    frame.STATE_DELIVERED: "delivered",
    frame.STATE_UNANSWERED: "unanswered",
    frame.STATE_COMING: "coming",
}

_RECORD_VERSION = 1
_HEAD = ">BBHHqqq"
_HEAD_LENGTH = 30
_ENTRY = ">IBBqqq"
_ENTRY_LENGTH = 30
_TOLD_NOT_SENT = 0x80


class _Press:
    def __init__(self, number):
        self.number = number
        self.state = _UNHEARD
        self.told_not_sent = False
        self.wakes = 0
        self.down_ms = -1  # -1: the clock was lost since
        self.heard_ms = -1
        self.poll_ms = 0
        self.poll_start_ms = 0
        self.tries = 0
        self.frame = None
        self.sent = 0
        self.asked = []


class Sender:
    """The open presses of one bip and all that is sent for them.

    encrypt_block: one AES block under the bip's key. counter: a wire.counter.ReservedCounter.
    record: what the last STORE gave, None on a new device; a damaged one counts as none.
    known_time: False when the clock was lost since the record, which makes ages unknown.
    channel, receiver: where the receiver was heard last; receiver BROADCAST when never.
    """

    def __init__(
        self,
        device_id,
        encrypt_block,
        counter,
        random,
        now_ms,
        record=None,
        known_time=True,
        channel=6,
        receiver=BROADCAST,
    ):
        self._device_id = device_id
        self._encrypt_block = encrypt_block
        self._counter = counter
        self._random = random
        self._presses = []  # oldest first
        self._home = channel
        self._receiver = receiver
        self._tuned = channel
        self._silent = 0  # how often it transmitted since the last authentic reply
        self._hunt = 0
        # What presses and statuses tell about the bip; the runner keeps them up to date.
        self.battery_mv = 0
        self.reset_cause = 0
        self.crashes = 0
        self.rssi_dbm = frame.RSSI_UNKNOWN
        self.refused = 0  # frames that were for another bip, or no answer of our box
        self.settings_waiting = False
        self._unheard_total = 0
        self._unreached_total = 0
        self._since_ms = now_ms
        self._status_ms = now_ms + random(_STATUS_FIRST_MS)
        self._status_frame = None
        self._status_counter = 0
        self._status_tries = 0
        self._effort_end_ms = 0
        self._slot_ms = 0
        self._slots = 0
        self._resume_ms = None  # when the next effort begins; None during one
        if record is not None:
            self._restore(record, known_time, now_ms)
        if self._unheard():
            self._resume_ms = now_ms  # every wake goes on with it

    # What comes in.

    def press(self, now_ms):
        """The button went down: a new press, sent at once. Return the actions.

        What the counter raises goes through, and there is no press.
        """
        number = self._counter.next()
        if self._resume_ms is not None:
            self._begin_again()
        self._make_room()
        entry = _Press(number)
        entry.down_ms = now_ms
        self._presses.append(entry)
        self._seal(entry, number, now_ms)
        self._begin_effort(now_ms, _FIRST_EFFORT_MS)
        actions = [(STORE, self.record())]
        self._tune(self._home, actions)
        self._silent += 1
        self._transmit(entry, now_ms, actions)
        self._next_slot(now_ms)
        return actions

    def receive(self, now_ms, address, data, rssi_dbm):
        """A radio frame came from `address`. Return the actions."""
        try:
            kind, device_id, _ = frame.read_header(data)
            if kind != frame.REPLY or device_id != self._device_id:
                self.refused += 1
                return []
            payload = frame.open_frame(self._encrypt_block, data)[3]
        except frame.FrameError:
            self.refused += 1
            return []
        answered, number, state, settings = frame.unpack_reply(payload)
        actions = []
        if answered == self._status_counter and answered:
            self._status_done(now_ms)
        else:
            entry = self._asked(answered)
            if entry is None or entry.number != number:
                self.refused += 1
                return []
            self._advance(entry, state, now_ms, actions)
        self.rssi_dbm = rssi_dbm
        self.settings_waiting = bool(settings)
        self._silent = 0
        if (self._tuned, address) != (self._home, self._receiver):
            self._home = self._tuned
            self._receiver = address
            actions.append((LINK, self._home, self._receiver))
        return actions

    def tick(self, now_ms):
        """Time has passed. Return the actions that are due."""
        actions = []
        if self._unheard():
            if self._resume_ms is not None:
                if now_ms >= self._resume_ms:
                    self._resume(now_ms, actions)
            elif now_ms >= self._effort_end_ms:
                self._give_up(now_ms, actions)
            elif now_ms >= self._slot_ms:
                self._slot(now_ms, actions)
        if not self.urgent():
            # The alert goes first: polls and statuses wait while a press is being sent.
            self._status(now_ms, actions)
            for entry in list(self._presses):
                if entry.state != _UNHEARD and now_ms >= entry.poll_ms:
                    self._poll(entry, now_ms, actions)
        return actions

    # What the runner asks.

    def urgent(self) -> bool:
        """Whether a press is being sent right now."""
        return self._resume_ms is None and bool(self._unheard())

    def has_open(self) -> bool:
        """Whether any press is open."""
        return bool(self._presses)

    def next_send_ms(self):
        """Return when a press is sent next, None when none is being sent."""
        return min(self._slot_ms, self._effort_end_ms) if self.urgent() else None

    def deadline_ms(self, now_ms):
        """Return when to call `tick` next."""
        if self.urgent():
            return min(self._slot_ms, self._effort_end_ms)
        deadline = self._status_ms
        if self._resume_ms is not None:
            deadline = min(deadline, self._resume_ms)
        for entry in self._presses:
            if entry.state != _UNHEARD:
                deadline = min(deadline, entry.poll_ms)
        return max(deadline, now_ms)

    def sleep_ms(self, now_ms):
        """Return how long the bip may sleep deeply, None when it has to stay awake."""
        if self.urgent() or self._status_tries:
            return None
        for entry in self._presses:
            if entry.tries or (entry.state != _UNHEARD and self._is_fast(entry, now_ms)):
                return None
        rest_ms = self.deadline_ms(now_ms) - now_ms
        return rest_ms if rest_ms >= _NAP_MS else None

    def record(self) -> bytes:
        """Return all that the next wake needs to go on."""
        parts = [
            struct.pack(
                _HEAD,
                _RECORD_VERSION,
                len(self._presses),
                self._unheard_total,
                self._unreached_total,
                self._since_ms,
                self._status_ms,
                -1 if self._resume_ms is None else self._resume_ms,
            )
        ]
        for entry in self._presses:
            state = entry.state | (_TOLD_NOT_SENT if entry.told_not_sent else 0)
            parts.append(
                struct.pack(
                    _ENTRY,
                    entry.number,
                    state,
                    entry.wakes,
                    entry.down_ms,
                    entry.heard_ms,
                    entry.poll_ms,
                )
            )
        return b"".join(parts)

    # The life of a press.

    def _unheard(self):
        return [entry for entry in self._presses if entry.state == _UNHEARD]

    def _make_room(self):
        if len(self._presses) < PRESSES_MAX:
            return
        for entry in self._presses:
            if entry.state != _UNHEARD:
                # The box has it; only the palm learns no more of it.
                self._presses.remove(entry)
                return
        # All unheard: the one before this one gives way. The first press keeps its age, the new
        # one is sent at once, and the box would count them into one incident anyway.
        self._presses.pop()
        self._count_unheard()

    def _count_unheard(self):
        self._unheard_total = min(self._unheard_total + 1, 0xFFFF)

    def _advance(self, entry, state, now_ms, actions):
        entry.tries = 0
        if entry.state != _UNHEARD:
            entry.poll_ms = self._next_poll(entry, now_ms)
        if _RANKS.get(state, 0) <= _RANKS[entry.state]:
            return
        if entry.state == _UNHEARD:
            entry.heard_ms = now_ms
            entry.poll_start_ms = now_ms
            entry.frame = None
        entry.state = state
        entry.poll_ms = self._next_poll(entry, now_ms)
        if state == frame.STATE_NOT_REACHED:
            self._unreached_total = min(self._unreached_total + 1, 0xFFFF)
        if state == frame.STATE_COMING:
            self._presses.remove(entry)
        if not self._unheard():
            self._resume_ms = None
        # Felt first: a fall between the two lets it be felt twice, never not at all.
        actions.append((FEEL, _FEELS[state]))
        actions.append((STORE, self.record()))

    def _asked(self, answered):
        for entry in self._presses:
            if answered in entry.asked:
                return entry
        return None

    def _ask(self, entry, counter):
        entry.asked.append(counter)
        if len(entry.asked) > _ASKED_MAX:
            entry.asked.pop(0)

    # Sending a press.

    def _seal(self, entry, counter, now_ms):
        age_s = frame.AGE_UNKNOWN
        if 0 <= entry.down_ms <= now_ms:
            age_s = min((now_ms - entry.down_ms) // 1000, frame.AGE_UNKNOWN - 1)
        payload = frame.pack_press(
            entry.number,
            age_s,
            self.battery_mv,
            FIRMWARE,
            self.reset_cause,
            self.rssi_dbm,
            entry.wakes,
        )
        entry.frame = frame.seal_frame(
            self._encrypt_block, frame.PRESS, self._device_id, counter, payload
        )
        entry.sent = 0
        self._ask(entry, counter)

    def _begin_again(self):
        for entry in self._unheard():
            entry.wakes = min(entry.wakes + 1, 255)
            entry.frame = None

    def _begin_effort(self, now_ms, effort_ms):
        self._resume_ms = None
        self._effort_end_ms = now_ms + effort_ms
        self._silent = 0
        self._slots = 0

    def _resume(self, now_ms, actions):
        self._begin_again()
        self._begin_effort(now_ms, _LATER_EFFORT_MS)
        actions.append((STORE, self.record()))
        self._slot(now_ms, actions)

    def _give_up(self, now_ms, actions):
        fewest = 255
        felt = False
        for entry in self._unheard():
            fewest = min(fewest, entry.wakes)
            if not entry.told_not_sent:
                entry.told_not_sent = True
                felt = True
                self._count_unheard()
        pause_ms = _RESUME_MS[min(fewest, len(_RESUME_MS) - 1)]
        self._resume_ms = now_ms + pause_ms + self._random(pause_ms // 8)
        if felt:
            actions.append((FEEL, "not_sent"))
        actions.append((STORE, self.record()))

    def _slot(self, now_ms, actions):
        self._tune(self._next_channel(), actions)
        self._silent += 1
        for entry in reversed(self._unheard()):
            self._transmit(entry, now_ms, actions)
        self._next_slot(now_ms)

    def _next_slot(self, now_ms):
        if self._hunting():
            pause_ms = _DWELL_MS
        else:
            pause_ms = _PAUSES_MS[min(self._slots, len(_PAUSES_MS) - 1)]
        self._slots += 1
        self._slot_ms = now_ms + pause_ms + self._random(pause_ms // 3)

    def _transmit(self, entry, now_ms, actions):
        if entry.frame is None:
            self._seal(entry, self._counter.next(), now_ms)
        entry.sent += 1
        # Each third to all: the address may be that of a receiver that was replaced.
        address = BROADCAST if entry.sent % 3 == 0 else self._receiver
        actions.append((SEND, entry.frame, address))

    # Channels.

    def _hunting(self):
        return self._silent >= _TRIES_BEFORE_HUNT

    def _next_channel(self):
        """Home while it answers; else home each fourth time, and all the others in turn."""
        if not self._hunting():
            return self._home
        step = self._hunt
        self._hunt += 1
        if step % _HUNT_HOME_EACH == 0:
            return self._home
        return _HUNT_ORDER[(step - step // _HUNT_HOME_EACH - 1) % CHANNELS]

    def _tune(self, channel, actions):
        if channel != self._tuned:
            self._tuned = channel
            actions.append((TUNE, channel))

    # Polls and statuses.

    def _is_fast(self, entry, now_ms):
        return now_ms - entry.heard_ms < _POLL_FAST_FOR_MS

    def _next_poll(self, entry, now_ms):
        heard_for_ms = now_ms - entry.heard_ms
        if heard_for_ms < _POLL_FAST_FOR_MS:
            return max(now_ms, entry.poll_start_ms + _POLL_FAST_MS)
        if heard_for_ms < _POLL_SLOW_FOR_MS:
            return max(now_ms, entry.poll_start_ms + _POLL_SLOW_MS)
        return now_ms + 2 * _STATUS_MS  # the status calls it in, earlier

    def _poll(self, entry, now_ms, actions):
        if entry.tries >= _TRIES:
            entry.tries = 0
            entry.poll_ms = self._next_poll(entry, now_ms)
            return
        if entry.tries == 0:
            entry.poll_start_ms = now_ms
        entry.tries += 1
        entry.poll_ms = now_ms + _TRY_MS + self._random(_TRY_MS // 4)
        counter = self._counter.next()
        self._ask(entry, counter)
        sealed = frame.seal_frame(
            self._encrypt_block,
            frame.POLL,
            self._device_id,
            counter,
            frame.pack_poll(entry.number),
        )
        self._send_once(sealed, entry.tries, actions)

    def _send_once(self, sealed, tries, actions):
        self._tune(self._next_channel(), actions)
        actions.append((SEND, sealed, BROADCAST if tries == _TRIES else self._receiver))
        self._silent += 1

    def _status(self, now_ms, actions):
        if now_ms < self._status_ms:
            return
        if self._status_tries >= _TRIES:
            self._status_done(now_ms)
            return
        if self._status_tries == 0:
            self._ride_with_status(now_ms, actions)
            self._status_counter = self._counter.next()
            self._status_frame = frame.seal_frame(
                self._encrypt_block,
                frame.STATUS,
                self._device_id,
                self._status_counter,
                frame.pack_status(
                    self.battery_mv,
                    FIRMWARE,
                    self.reset_cause,
                    self.rssi_dbm,
                    self._unheard_total,
                    self._unreached_total,
                    self.crashes,
                    min(max(0, now_ms - self._since_ms) // 60000, 0xFFFF),
                ),
            )
        self._status_tries += 1
        self._status_ms = now_ms + _TRY_MS + self._random(_TRY_MS // 4)
        self._send_once(self._status_frame, self._status_tries, actions)

    def _status_done(self, now_ms):
        self._status_tries = 0
        self._status_counter = 0
        self._status_frame = None
        # A tenth of jitter, so that a street's bips do not stay in step.
        self._status_ms = now_ms + _STATUS_MS - self._random(_STATUS_MS // 10)

    def _ride_with_status(self, now_ms, actions):
        forgotten = False
        for entry in list(self._presses):
            if entry.state == _UNHEARD:
                continue
            if now_ms - entry.heard_ms > _FORGET_HEARD_MS:
                self._presses.remove(entry)
                forgotten = True
            elif now_ms - entry.heard_ms >= _POLL_SLOW_FOR_MS:
                entry.tries = 0
                entry.poll_ms = now_ms
        if forgotten:
            actions.append((STORE, self.record()))

    # The record.

    def _restore(self, record, known_time, now_ms):
        if len(record) < _HEAD_LENGTH or record[0] != _RECORD_VERSION:
            return
        head = struct.unpack_from(_HEAD, record)
        if len(record) != _HEAD_LENGTH + head[1] * _ENTRY_LENGTH:
            return
        self._unheard_total = head[2]
        self._unreached_total = head[3]
        if known_time:
            self._since_ms = min(head[4], now_ms)
            self._status_ms = min(head[5], now_ms + _STATUS_MS)
            if head[6] >= 0:
                self._resume_ms = min(head[6], now_ms + 2 * _RESUME_MS[-1])
        for index in range(min(head[1], PRESSES_MAX)):
            number, state, wakes, down_ms, heard_ms, poll_ms = struct.unpack_from(
                _ENTRY, record, _HEAD_LENGTH + index * _ENTRY_LENGTH
            )
            entry = _Press(number)
            entry.state = state & 0x7F
            entry.told_not_sent = bool(state & _TOLD_NOT_SENT)
            entry.wakes = wakes
            if entry.state not in _RANKS:
                # Sending it again is harmless: the box knows its presses.
                entry.state = _UNHEARD
            if entry.state != _UNHEARD:
                entry.heard_ms = min(heard_ms, now_ms) if known_time else now_ms
                entry.poll_start_ms = now_ms
                entry.poll_ms = min(poll_ms, self._next_poll(entry, now_ms))
                if not known_time:
                    entry.poll_ms = now_ms
            entry.down_ms = down_ms if known_time else -1
            self._presses.append(entry)
