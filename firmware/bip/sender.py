"""What a bip says and when: presses, polls and statuses, without radio, motor, flash or clock.

Time comes in as `now_ms`, of a clock that goes on through deep sleep; randomness as
`random(n)`, which returns 0 to n - 1. Whatever comes in returns a list of actions, to be done in
their order. The same file runs on the device and, in driven time, on CPython.

A press is unheard until a reply says otherwise. Its frame is sent at once, then again and again
for one wake, on the known channel and then on all; after that the bip sleeps and tries again with
a new frame. A press that is heard is polled for until an officer is coming.

The palm is told of the newest press only: what came for an older one would be taken for an answer
to the last. An older one goes on until it is heard, and then it is done.
"""

from aim import Aim
from press import PRESSES_MAX, RANKS, Press, pack_record, unpack_record
from wire import frame

FIRMWARE = 0x0001

# Actions: (STORE, record), (TUNE, channel), (SEND, frame, address), (FEEL, name),
# (LINK, channel, address).
STORE = 0
TUNE = 1
SEND = 2
FEEL = 3
LINK = 4

# Not wire.serial's: a bip has no serial line, and that module would cost it 6 KB.
BROADCAST = b"\xff" * 6

# One wake's effort for a press that was just made, and for one that an earlier wake left.
_FIRST_EFFORT_MS = 15000
_LATER_EFFORT_MS = 5000
# Sleep between two efforts, by the number of efforts before; the last one repeats.
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
_COUNT_MAX = 0xFFFF

_FEELS = {
    frame.STATE_HEARD: "heard",
    frame.STATE_NOT_REACHED: "not_reached",
    frame.STATE_DELIVERED: "delivered",
    frame.STATE_UNANSWERED: "unanswered",
    frame.STATE_COMING: "coming",
}


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
        self._aim = Aim(channel, random)
        self._receiver = receiver
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
        self._newest_down = -1  # the highest counter of a reply in this wake
        self._effort_end_ms = 0
        self._slot_ms = 0
        self._resume_ms = None  # when the next effort begins; None during one, and without
        self._restore(record, known_time, now_ms)
        if self._unheard():
            self._resume_ms = now_ms  # every wake goes on with it

    # What comes in.

    def press(self, now_ms: int) -> list[tuple]:
        """The button went down: a new press, sent at once. Return the actions.

        What the counter raises goes through, here as in `tick`; calling again is then safe.
        """
        number = self._counter.next()
        if self._resume_ms is not None:
            self._begin_again()
        self._supersede()
        self._make_room()
        press = Press(number)
        press.down_ms = now_ms
        self._presses.append(press)
        self._seal(press, number, now_ms)
        self._begin_effort(now_ms, _FIRST_EFFORT_MS)
        actions: list[tuple] = [(STORE, self.record())]
        self._shoot(actions)
        self._transmit(press, actions)
        self._next_slot(now_ms)
        return actions

    def receive(self, now_ms: int, address: bytes, data: bytes, rssi_dbm: int) -> list[tuple]:
        """A radio frame came from `address`. Return the actions."""
        try:
            kind, device_id, down = frame.read_header(data)
            if kind != frame.REPLY or device_id != self._device_id:
                self.refused += 1
                return []
            payload = frame.open_frame(self._encrypt_block, data)[3]
        except frame.FrameError:
            self.refused += 1
            return []
        answered, number, state, settings = frame.unpack_reply(payload)
        actions: list[tuple] = []
        if answered == self._status_counter and answered:
            self._status_done(now_ms)
        else:
            press = self._asked(answered)
            if press is None or press.number != number:
                self.refused += 1
                return []
            self._advance(press, state, now_ms, actions)
        if down <= self._newest_down:
            # Late, doubled or replayed: what it says stands, where it came from means nothing.
            return actions
        self._newest_down = down
        self.rssi_dbm = rssi_dbm
        self.settings_waiting = bool(settings)
        if (self._aim.home, self._receiver) != (self._aim.tuned, address):
            self._receiver = address
            actions.append((LINK, self._aim.tuned, address))
        self._aim.answered()
        return actions

    def tick(self, now_ms: int) -> list[tuple]:
        """Time has passed. Return the actions that are due."""
        actions: list[tuple] = []
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
            for press in list(self._presses):
                if not press.is_unheard() and now_ms >= press.poll_ms:
                    self._poll(press, now_ms, actions)
        return actions

    # What the runner asks.

    def stay_on(self, channel: int) -> None:
        """The radio did not take the channel of a TUNE, and is on `channel` still."""
        self._aim.tuned = channel

    def urgent(self) -> bool:
        """Whether a press is being sent right now."""
        return self._resume_ms is None and bool(self._unheard())

    def has_open(self) -> bool:
        """Whether any press is open."""
        return bool(self._presses)

    def next_send_ms(self) -> int | None:
        """Return when a press is sent next, None when none is being sent."""
        return min(self._slot_ms, self._effort_end_ms) if self.urgent() else None

    def deadline_ms(self, now_ms: int) -> int:
        """Return when to call `tick` next."""
        if self.urgent():
            return min(self._slot_ms, self._effort_end_ms)
        deadline: int = self._status_ms
        if self._resume_ms is not None:
            deadline = min(deadline, self._resume_ms)
        for press in self._presses:
            if not press.is_unheard():
                deadline = min(deadline, press.poll_ms)
        return max(deadline, now_ms)

    def sleep_ms(self, now_ms: int) -> int | None:
        """Return how long the bip may sleep deeply, None when it has to stay awake."""
        if self.urgent() or self._status_tries:
            return None
        for press in self._presses:
            if press.tries or (not press.is_unheard() and self._is_fast(press, now_ms)):
                return None
        rest_ms = self.deadline_ms(now_ms) - now_ms
        return rest_ms if rest_ms >= _NAP_MS else None

    def record(self) -> bytes:
        """Return all that the next wake needs to go on."""
        return pack_record(
            self._presses,
            self._unheard_total,
            self._unreached_total,
            self._since_ms,
            self._status_ms,
        )

    def recount(self, counter):
        """Go on with another counter."""
        self._counter = counter

    # The life of a press.

    def _unheard(self):
        return [press for press in self._presses if press.is_unheard()]

    def _supersede(self):
        self._presses = self._unheard()
        for press in self._presses:
            press.superseded = True

    def _make_room(self):
        if len(self._presses) < PRESSES_MAX:
            return
        # All unheard: the one before this one gives way. The first press keeps its age, the new
        # one is sent at once, and the box would count them into one incident anyway.
        self._presses.pop()
        self._count_unheard()

    def _count_unheard(self):
        self._unheard_total = min(self._unheard_total + 1, _COUNT_MAX)

    def _advance(self, press, state, now_ms, actions):
        press.tries = 0
        if not press.is_unheard():
            press.poll_ms = self._next_poll(press, now_ms)
        if RANKS.get(state, 0) <= RANKS[press.state]:
            return
        if press.is_unheard():
            press.heard_ms = now_ms
            press.poll_start_ms = now_ms
            press.frame = None
        press.state = state
        press.poll_ms = self._next_poll(press, now_ms)
        if state == frame.STATE_NOT_REACHED:
            self._unreached_total = min(self._unreached_total + 1, _COUNT_MAX)
        if state == frame.STATE_COMING or press.superseded:
            self._presses.remove(press)
        if not self._unheard():
            self._resume_ms = None
        if not press.superseded:
            # Felt first: a fall between the two lets it be felt twice, never not at all.
            actions.append((FEEL, _FEELS[state]))
        actions.append((STORE, self.record()))

    def _asked(self, answered):
        for press in self._presses:
            if press.has_asked(answered):
                return press
        return None

    # Sending a press.

    def _seal(self, press, counter, now_ms):
        payload = frame.pack_press(
            press.number,
            press.age_s(now_ms),
            self.battery_mv,
            FIRMWARE,
            self.reset_cause,
            self.rssi_dbm,
            press.wakes,
        )
        press.frame = frame.seal_frame(
            self._encrypt_block, frame.PRESS, self._device_id, counter, payload
        )
        press.sent = 0
        press.ask(counter)

    def _begin_again(self):
        for press in self._unheard():
            press.wakes = min(press.wakes + 1, 255)
            press.frame = None

    def _begin_effort(self, now_ms, effort_ms):
        self._resume_ms = None
        self._effort_end_ms = now_ms + effort_ms
        self._aim.begin()

    def _resume(self, now_ms, actions):
        self._begin_again()
        self._begin_effort(now_ms, _LATER_EFFORT_MS)
        actions.append((STORE, self.record()))
        self._slot(now_ms, actions)

    def _give_up(self, now_ms, actions):
        fewest = 255
        felt = False
        for press in self._unheard():
            fewest = min(fewest, press.wakes)
            if not press.told_not_sent:
                press.told_not_sent = True
                felt = felt or not press.superseded
                self._count_unheard()
        pause_ms = _RESUME_MS[min(fewest, len(_RESUME_MS) - 1)]
        self._resume_ms = now_ms + pause_ms + self._random(pause_ms // 8)
        if felt:
            actions.append((FEEL, "not_sent"))
        actions.append((STORE, self.record()))

    def _slot(self, now_ms, actions):
        # Sealed before the aim is taken: a counter that fails leaves aim and radio at one.
        for press in self._unheard():
            if press.frame is None:
                self._seal(press, self._counter.next(), now_ms)
        self._shoot(actions)
        for press in reversed(self._unheard()):
            self._transmit(press, actions)
        self._next_slot(now_ms)

    def _next_slot(self, now_ms):
        self._slot_ms = now_ms + self._aim.pause_ms()

    def _shoot(self, actions):
        if self._aim.shoot():
            actions.append((TUNE, self._aim.tuned))

    def _transmit(self, press, actions):
        press.sent += 1
        # Each third to all: the address may be that of a receiver that was replaced.
        address = BROADCAST if press.sent % 3 == 0 else self._receiver
        actions.append((SEND, press.frame, address))

    # Polls and statuses.

    def _is_fast(self, press, now_ms):
        return now_ms - press.heard_ms < _POLL_FAST_FOR_MS

    def _next_poll(self, press, now_ms):
        heard_for_ms = now_ms - press.heard_ms
        if heard_for_ms < _POLL_FAST_FOR_MS:
            return max(now_ms, press.poll_start_ms + _POLL_FAST_MS)
        if heard_for_ms < _POLL_SLOW_FOR_MS:
            return max(now_ms, press.poll_start_ms + _POLL_SLOW_MS)
        return now_ms + 2 * _STATUS_MS  # the status calls it in, earlier

    def _poll(self, press, now_ms, actions):
        if press.tries >= _TRIES:
            press.tries = 0
            press.poll_ms = self._next_poll(press, now_ms)
            return
        if press.tries == 0:
            press.poll_start_ms = now_ms
        counter = self._counter.next()
        press.ask(counter)
        press.tries += 1
        press.poll_ms = now_ms + _TRY_MS + self._random(_TRY_MS // 4)
        sealed = frame.seal_frame(
            self._encrypt_block,
            frame.POLL,
            self._device_id,
            counter,
            frame.pack_poll(press.number),
        )
        self._send_once(sealed, press.tries, actions)

    def _send_once(self, sealed, tries, actions):
        self._shoot(actions)
        actions.append((SEND, sealed, BROADCAST if tries == _TRIES else self._receiver))

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
                    min(max(0, now_ms - self._since_ms) // 60000, _COUNT_MAX),
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
        for press in list(self._presses):
            if press.is_unheard():
                continue
            if now_ms - press.heard_ms > _FORGET_HEARD_MS:
                self._presses.remove(press)
                forgotten = True
            elif now_ms - press.heard_ms >= _POLL_SLOW_FOR_MS:
                press.tries = 0
                press.poll_ms = now_ms
        if forgotten:
            actions.append((STORE, self.record()))

    # The record.

    def _restore(self, record, known_time, now_ms):
        kept = unpack_record(record)
        if kept is None:
            return
        self._presses, self._unheard_total, self._unreached_total, since_ms, status_ms = kept
        if known_time:
            self._since_ms = min(since_ms, now_ms)
            self._status_ms = min(status_ms, now_ms + _STATUS_MS)
        for press in self._presses:
            if not known_time:
                press.down_ms = -1
                press.heard_ms = press.poll_ms = now_ms
            if not press.is_unheard():
                press.heard_ms = min(press.heard_ms, now_ms)
                press.poll_start_ms = now_ms
                press.poll_ms = min(press.poll_ms, self._next_poll(press, now_ms))
