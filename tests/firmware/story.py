"""A press's story, told alike by CPython and by the device's interpreter (so: no pytest here).

`tell(core, frame, counter, encrypt_block)` runs every scene; a scene that fails raises.
"""

_ID = 0xA1B2C3D4
_HOME = b"\x02recvr"


class _Bip:
    def __init__(self, core, frame, counter, encrypt_block):
        self.core = core
        self.frame = frame
        self.encrypt = encrypt_block
        self.counter = counter
        self.reserved = 1
        self.record = None
        self.now_ms = 1000
        self.felt = []
        self.air = []
        self.down = 0
        self.wake()

    def wake(self, known_time=True):
        self.sender = self.core.Sender(
            _ID,
            self.encrypt,
            self.counter.ReservedCounter(self.reserved, self._reserve),
            lambda below: below // 2,
            self.now_ms,
            self.record,
            known_time,
            6,
            _HOME,
        )

    def _reserve(self, end):
        self.reserved = end

    def do(self, actions):
        for action in actions:
            if action[0] == self.core.STORE:
                self.record = action[1]
            elif action[0] == self.core.SEND:
                self.air.append(action[1])
            elif action[0] == self.core.FEEL:
                self.felt.append(action[1])

    def press(self):
        self.air = []
        self.do(self.sender.press(self.now_ms))
        return self.opened(self.air[0])[2]

    def opened(self, sealed):
        return self.frame.open_frame(self.encrypt, sealed)

    def advance(self, duration_ms):
        end_ms = self.now_ms + duration_ms
        while True:
            due_ms = self.sender.deadline_ms(self.now_ms)
            if due_ms > end_ms:
                break
            self.now_ms = max(due_ms, self.now_ms)
            self.do(self.sender.tick(self.now_ms))
        self.now_ms = end_ms

    def hear(self, answered, press, state):
        self.down += 1
        payload = self.frame.pack_reply(answered, press, state, 0)
        self.receive(self.frame.seal_frame(self.encrypt, self.frame.REPLY, _ID, self.down, payload))

    def receive(self, data):
        self.do(self.sender.receive(self.now_ms, _HOME, data, -60))


def _answered(bip):
    number = bip.press()
    bip.hear(number, number, bip.frame.STATE_HEARD)
    bip.advance(1100)
    poll = bip.opened(bip.air[-1])
    assert poll[0] == bip.frame.POLL
    bip.hear(poll[2], number, bip.frame.STATE_DELIVERED)
    bip.hear(poll[2], number, bip.frame.STATE_HEARD)
    bip.hear(poll[2], number, bip.frame.STATE_COMING)
    assert bip.felt == ["heard", "delivered", "coming"], bip.felt
    assert not bip.sender.has_open()


def _nothing_false(bip):
    number = bip.press()
    bip.hear(number, number + 1, bip.frame.STATE_COMING)
    bip.hear(number + 1, number, bip.frame.STATE_COMING)
    bip.hear(0, 0, bip.frame.STATE_COMING)
    for data in (b"", b"\x01", bytes(50), bytes(range(50)), b"\xff" * 300):
        bip.receive(data)
    sealed = bip.frame.seal_frame(
        bip.encrypt,
        bip.frame.REPLY,
        _ID,
        1,
        bip.frame.pack_reply(number, number, bip.frame.STATE_COMING, 0),
    )
    for index in range(len(sealed)):
        bip.receive(sealed[:index] + bytes((sealed[index] ^ 4,)) + sealed[index + 1 :])
        bip.receive(sealed[:index])
    assert bip.felt == [], bip.felt


def _goes_on(bip):
    number = bip.press()
    bip.advance(16000)
    assert bip.felt == ["not_sent"], bip.felt
    assert bip.sender.sleep_ms(bip.now_ms) is not None
    bip.record = bip.sender.record()
    bip.wake()
    bip.air = []
    bip.advance(1)
    kind, _, again, payload = bip.opened(bip.air[0])
    told = bip.frame.unpack_press(payload)
    assert kind == bip.frame.PRESS
    assert (told[0], told[1], told[6]) == (number, 16, 1), told
    assert again != number
    bip.wake(False)
    bip.air = []
    bip.advance(1)
    assert bip.frame.unpack_press(bip.opened(bip.air[0])[3])[1] == bip.frame.AGE_UNKNOWN
    bip.hear(bip.opened(bip.air[0])[2], number, bip.frame.STATE_HEARD)
    assert bip.felt == ["not_sent", "heard"], bip.felt


def _mashed(bip):
    numbers = [bip.press() for _ in range(12)]
    bip.advance(3000)
    bip.wake()
    bip.air = []
    bip.advance(1)
    told = [bip.frame.unpack_press(bip.opened(sealed)[3])[0] for sealed in bip.air]
    assert told == numbers[11:] + numbers[6::-1], (told, numbers)


def tell(core, frame, counter, encrypt_block):
    """Run every scene; return how many there were."""
    scenes = (_answered, _nothing_false, _goes_on, _mashed)
    for scene in scenes:
        scene(_Bip(core, frame, counter, encrypt_block))
    return len(scenes)
