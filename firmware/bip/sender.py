"""What a bip says and when: its open presses, without radio, motor, flash or clock.

Time comes in as `now_ms`, of a clock that goes on through deep sleep; randomness as
`random(n)`, which returns 0 to n - 1. Whatever comes in returns a list of actions, to be done in
their order. The same file runs on the device and, in driven time, on CPython.

A press is unheard until a reply says otherwise. Its frame is sent at once, then again and again
for one wake, on the known channel and then on all; after that the bip sleeps and tries again with
a new frame. A press that is heard is polled for until an officer is coming.

The palm is told of the newest press only: what came for an older one would be taken for an answer
to the last. An older one goes on until it is heard, and then it is done.
"""

from polls import SLOW_FOR_MS, Polls
from press import PRESSES_MAX, RANKS, Press, pack_record, unpack_record
from reports import Reports
from voice import BROADCAST, FEEL, GIVEN, LINK, SEND, STORE, TUNE, Voice  # noqa: F401
from wire import frame

# One wake's effort for a press that was just made, and for one that an earlier wake left.
_FIRST_EFFORT_MS = 15000
_LATER_EFFORT_MS = 5000
# Sleep between two efforts, by the number of efforts before; the last one repeats.
_RESUME_MS = (15000, 30000, 60000, 120000, 300000)
# Waking costs more than staying awake for so long.
_NAP_MS = 1500
# The box has it and keeps trying; a day later nobody waits for the palm to tell more.
_FORGET_HEARD_MS = 86400000

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
    status_min: minutes between two statuses. edition: of the settings in force.
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
        status_min=60,
        edition=0,
    ):
        self.voice = Voice(device_id, encrypt_block, counter, random, channel, receiver)
        self.reports = Reports(self.voice, now_ms, status_min, edition)
        self.waiting = 0  # what the box has told that it keeps for this bip
        self.asking = None  # an asking.Asking while one is under way
        self._random = random
        self._polls = Polls(self.voice, self.reports)
        self._presses = []  # oldest first
        self._newest = None  # the last press of this wake, also when it is no longer open
        self._effort_end_ms = 0
        self._slot_ms = 0
        self._resume_ms = None  # when the next effort begins; None during one, and without
        self._restore(record, known_time, now_ms)
        if self._unheard():
            self._resume_ms = now_ms  # every wake goes on with it

    # What comes in.

    def press(self, now_ms: int, gesture: int = 0) -> list[tuple]:
        """The button went down: a new press, sent at once. Return the actions.

        gesture: its severity, 0 for none. What the counter raises goes through, here as in `tick`;
        calling again is then safe.
        """
        number = self.voice.counter.next()
        if self._resume_ms is not None:
            self._begin_again()
        self._supersede()
        self._make_room()
        press = Press(number)
        press.down_ms = now_ms
        press.gesture = gesture
        self._presses.append(press)
        self._newest = press
        self._seal(press, number, now_ms)
        self._begin_effort(now_ms, _FIRST_EFFORT_MS)
        actions: list[tuple] = [(STORE, self.record())]
        self.voice.shoot(actions)
        self._transmit(press, actions)
        self._next_slot(now_ms)
        return actions

    def mark(self, now_ms: int, mark: int) -> list[tuple]:
        """A gesture has withdrawn the newest press, or told a duress. Return the actions.

        It is one more word about an alert, which goes on as if there were none.
        """
        press = self._newest
        if press is None:
            return []
        press.mark(mark, now_ms)
        if press not in self._presses:
            self._make_room()
            self._presses.append(press)
        if press.is_unheard():
            self._slot_ms = now_ms
        else:
            press.tries = 0
            press.poll_ms = now_ms
        return [(STORE, self.record())]

    def receive(self, now_ms: int, address: bytes, data: bytes, rssi_dbm: int) -> list[tuple]:
        """A radio frame came from `address`. Return the actions."""
        opened = self.voice.open(data)
        if opened is None:
            return []
        kind, down, payload = opened
        # Every kind from the box begins with the counter of the frame that it answers.
        answered = int.from_bytes(payload[:4], "big")
        waiting = self.waiting
        actions: list[tuple] = []
        if kind != frame.REPLY:
            if self.asking is None or not self.asking.takes(answered):
                self.voice.refused += 1
                return []
            actions.append((GIVEN, kind, payload))
        else:
            _, number, state, waiting = frame.unpack_reply(payload)
            if not self._take_reply(answered, number, state, now_ms, actions):
                self.voice.refused += 1
                return []
        if self.voice.heard(down, address, rssi_dbm, actions):
            self.waiting = waiting
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
            if self.reports.begins(now_ms):
                self._ride_with_status(now_ms, actions)
            self.reports.tick(now_ms, actions)
            for press in list(self._presses):
                if not press.is_unheard() and now_ms >= press.poll_ms:
                    self._polls.tick(press, now_ms, actions)
            if self.asking is not None:
                self.asking.tick(now_ms, actions)
        return actions

    # What the runner asks.

    def stay_on(self, channel: int) -> None:
        """The radio did not take the channel of a TUNE, and is on `channel` still."""
        self.voice.aim.tuned = channel

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
        deadline: int = self.reports.due_ms
        if self._resume_ms is not None:
            deadline = min(deadline, self._resume_ms)
        if self.asking is not None and not self.asking.is_over:
            deadline = min(deadline, self.asking.due_ms)
        for press in self._presses:
            if not press.is_unheard():
                deadline = min(deadline, press.poll_ms)
        return max(deadline, now_ms)

    def sleep_ms(self, now_ms: int) -> int | None:
        """Return how long the bip may sleep deeply, None when it has to stay awake."""
        if self.urgent() or self.reports.is_busy() or self._is_asking():
            return None
        for press in self._presses:
            if press.tries or (not press.is_unheard() and self._polls.is_fast(press, now_ms)):
                return None
        rest_ms = self.deadline_ms(now_ms) - now_ms
        return rest_ms if rest_ms >= _NAP_MS else None

    def record(self) -> bytes:
        """Return all that the next wake needs to go on."""
        reports = self.reports
        return pack_record(
            self._presses,
            reports.unheard,
            reports.unreached,
            reports.since_ms,
            reports.due_ms,
            reports.sends_failed,
            reports.stores_failed,
        )

    def recount(self, counter):
        """Go on with another counter."""
        self.voice.counter = counter

    # The life of a press.

    def _is_asking(self):
        return self.asking is not None and not self.asking.is_over

    def _unheard(self):
        return [press for press in self._presses if press.is_unheard()]

    def _supersede(self):
        self._presses = [press for press in self._presses if press.is_unheard() or press.mark_waits]
        for press in self._presses:
            press.superseded = True

    def _make_room(self):
        if len(self._presses) < PRESSES_MAX:
            return
        # All unheard: the one before this one gives way. The first press keeps its age, the new
        # one is sent at once, and the box would count them into one incident anyway.
        self._presses.pop()
        self.reports.count_unheard()

    def _take_reply(self, answered, number, state, now_ms, actions):
        if self.reports.takes(answered, now_ms):
            if not self._presses and self.reports.feels_low(now_ms):
                actions.append((FEEL, "battery_low"))
            return True
        if self.asking is not None and self.asking.takes(answered):
            return True  # the box keeps nothing for it
        for press in self._presses:
            if press.has_asked(answered):
                if press.number != number:
                    return False
                self._advance(press, answered, state, now_ms, actions)
                return True
        return False

    def _advance(self, press, answered, state, now_ms, actions):
        press.tries = 0
        feels = []
        if RANKS.get(state, 0) > RANKS[press.state]:
            if press.is_unheard():
                press.heard_ms = now_ms
                press.poll_start_ms = now_ms
                press.frame = None
            press.state = state
            feels.append(_FEELS[state])
            if state == frame.STATE_NOT_REACHED:
                self.reports.count_unreached()
        # A box that has not stored the press has not stored its mark either.
        if not press.is_unheard() and press.takes_mark(answered):
            feels.append("noted")
        if not press.is_unheard() and not press.mark_waits:
            press.poll_ms = self._polls.next_ms(press, now_ms)
        if not feels:
            return
        is_done = press.state == frame.STATE_COMING or press.superseded
        if is_done and not press.mark_waits:
            self._presses.remove(press)
        if not self._unheard():
            self._resume_ms = None
        if not press.superseded:
            # Felt first: a fall between the two lets it be felt twice, never not at all.
            actions.extend([(FEEL, name) for name in feels])
        actions.append((STORE, self.record()))

    # Sending a press.

    def _seal(self, press, counter, now_ms):
        press.ask(counter)
        payload = self.reports.press_payload(press, now_ms)
        press.frame = self.voice.seal(frame.PRESS, counter, payload)
        press.sent = 0

    def _begin_again(self):
        for press in self._unheard():
            press.wakes = min(press.wakes + 1, 255)
            press.frame = None

    def _begin_effort(self, now_ms, effort_ms):
        self._resume_ms = None
        self._effort_end_ms = now_ms + effort_ms
        self.voice.aim.begin()

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
                self.reports.count_unheard()
        pause_ms = _RESUME_MS[min(fewest, len(_RESUME_MS) - 1)]
        self._resume_ms = now_ms + pause_ms + self._random(pause_ms // 8)
        if felt:
            actions.append((FEEL, "not_sent"))
        actions.append((STORE, self.record()))

    def _slot(self, now_ms, actions):
        # Sealed before the aim is taken: a counter that fails leaves aim and radio at one.
        for press in self._unheard():
            if press.frame is None:
                self._seal(press, self.voice.counter.next(), now_ms)
        self.voice.shoot(actions)
        for press in reversed(self._unheard()):
            self._transmit(press, actions)
        self._next_slot(now_ms)

    def _next_slot(self, now_ms):
        self._slot_ms = now_ms + self.voice.aim.pause_ms()

    def _transmit(self, press, actions):
        press.sent += 1
        # Each third to all: the address may be that of a receiver that was replaced.
        self.voice.say(press.frame, press.sent % 3 == 0, actions)

    def _ride_with_status(self, now_ms, actions):
        forgotten = False
        for press in list(self._presses):
            if press.is_unheard():
                continue
            if now_ms - press.heard_ms > _FORGET_HEARD_MS:
                self._presses.remove(press)
                forgotten = True
            elif now_ms - press.fresh_ms() >= SLOW_FOR_MS:
                press.tries = 0
                press.poll_ms = now_ms
        if forgotten:
            actions.append((STORE, self.record()))

    # The record.

    def _restore(self, record, known_time, now_ms):
        kept = unpack_record(record)
        if kept is None:
            return
        reports = self.reports
        self._presses, reports.unheard, reports.unreached, since_ms, due_ms = kept[:5]
        reports.sends_failed, reports.stores_failed = kept[5:]
        if known_time:
            reports.restore(now_ms, since_ms, due_ms)
        for press in self._presses:
            if not known_time:
                press.down_ms = press.mark_ms = -1
                press.heard_ms = press.poll_ms = now_ms
            if not press.is_unheard():
                press.heard_ms = min(press.heard_ms, now_ms)
                press.poll_start_ms = now_ms
                press.poll_ms = min(press.poll_ms, self._polls.next_ms(press, now_ms))
