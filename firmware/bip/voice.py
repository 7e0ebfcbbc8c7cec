"""What one bip says and hears: sealed and opened under its key, aimed at its receiver."""

from aim import Aim
from wire import frame

# Actions, of all that returns a list of them: (STORE, record), (TUNE, channel),
# (SEND, frame, address), (FEEL, name), (LINK, channel, address), (GIVEN, kind, payload).
STORE = 0
TUNE = 1
SEND = 2
FEEL = 3
LINK = 4
GIVEN = 5

# Not wire.serial's: a bip has no serial line, and that module would cost it 6 KB.
BROADCAST = b"\xff" * 6

# What is no press is tried again so often without a reply, at this distance.
TRIES = 3
TRY_MS = 200


class Voice:
    """counter: a wire.counter.ReservedCounter; what it raises goes through."""

    def __init__(self, device_id, encrypt_block, counter, random, channel, receiver):
        self.counter = counter
        self.random = random
        self.aim = Aim(channel, random)
        self.rssi_dbm = frame.RSSI_UNKNOWN
        self.refused = 0  # frames that were for another bip, or no answer of our box
        self._device_id = device_id
        self._encrypt_block = encrypt_block
        self._receiver = receiver
        self._newest_down = -1  # the highest counter of an answer in this wake

    def seal(self, kind: int, counter: int, payload: bytes) -> bytes:
        return frame.seal_frame(self._encrypt_block, kind, self._device_id, counter, payload)

    def open(self, data: bytes) -> tuple[int, int, bytes] | None:
        """Return (kind, counter, payload) of what our box has sealed, None for all else."""
        try:
            kind, device_id, down = frame.read_header(data)
            if device_id == self._device_id:
                payload = frame.open_frame(self._encrypt_block, data, frame.FROM_BOX)[3]
                return kind, down, payload
        except frame.FrameError:
            pass
        self.refused += 1
        return None

    def has_heard(self) -> bool:
        """Whether the box has answered in this wake."""
        return self._newest_down >= 0

    def shoot(self, actions):
        """Take aim for the next transmission."""
        if self.aim.shoot():
            actions.append((TUNE, self.aim.tuned))

    def say(self, sealed, to_all, actions):
        """Send `sealed`, to the receiver that answered last or to all."""
        actions.append((SEND, sealed, BROADCAST if to_all else self._receiver))

    def heard(self, down, address, rssi_dbm, actions):
        """Note an answer's way, and return True; False when it is late, doubled or replayed.

        What such a one says stands; where it came from means nothing.
        """
        if down <= self._newest_down:
            return False
        self._newest_down = down
        self.rssi_dbm = rssi_dbm
        if (self.aim.home, self._receiver) != (self.aim.tuned, address):
            self._receiver = address
            actions.append((LINK, self.aim.tuned, address))
        self.aim.answered()
        return True


class Repeated:
    """One frame that is no press: sent at once, and again until it is answered or given up."""

    def __init__(self, voice):
        self._voice = voice
        self.due_ms = 0
        self.tries = 0  # of a frame that waits for its answer; 0: none does
        self._sealed = b""
        self._counter = 0

    def tick(self, now_ms, kind, payload, actions):
        """Send what is due. Return False once it was tried often enough.

        payload: called for the payload when a new frame is sealed.
        """
        if self.tries >= TRIES:
            self.end()
            return False
        voice = self._voice
        if self.tries == 0:
            counter = voice.counter.next()
            self._sealed = voice.seal(kind, counter, payload())
            self._counter = counter
        self.tries += 1
        self.due_ms = now_ms + TRY_MS + voice.random(TRY_MS // 4)
        voice.shoot(actions)
        voice.say(self._sealed, self.tries == TRIES, actions)
        return True

    def takes(self, answered: int) -> bool:
        """Whether an answer to `answered` is for this one; it is over then."""
        if not answered or answered != self._counter:
            return False
        self.end()
        return True

    def end(self):
        self.tries = 0
        self._counter = 0
        self._sealed = b""
