"""What must hold on both interpreters: pytest runs it on CPython, on_device.py on MicroPython.

So it keeps to the Python that both have. Every check raises AssertionError; `wire` is an object
that holds the package's modules and `cipher(key)`, which gives one AES block's encryption.
"""

import binascii

# Which module's functions pack and read a frame's payload, by kind.
PAYLOADS = {
    1: ("frame", "press"),
    2: ("frame", "status"),
    3: ("frame", "poll"),
    4: ("parcel", "ask"),
    0x81: ("frame", "reply"),
    0x82: ("parcel", "configure"),
    0x83: ("parcel", "update"),
}
LONG = (0x82, 0x83)
# Which functions pack and read a serial message's body, by type; the fields that are bytes.
BODIES = {
    1: ("up_frame", (1, 2)),
    2: ("hello", ()),
    3: ("air", ()),
    0x81: ("down_frame", (0, 1)),
    0x82: ("settings", ()),
}


def unhex(text):
    return binascii.unhexlify(text)


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def refused(error, call, *given):
    """`call(*given)` must raise `error`, or what derives from it, and nothing else."""
    try:
        call(*given)
    except error as told:
        return told
    raise AssertionError("not refused")


def check_ccm(wire, vector):
    """Sealing gives the vector, opening gives it back, in any kind of buffer."""
    encrypt = wire.cipher(unhex(vector["key"]))
    nonce, aad = unhex(vector["nonce"]), unhex(vector["aad"])
    message, sealed = unhex(vector["message"]), unhex(vector["sealed"])
    for kind in (bytes, bytearray, memoryview):
        check(wire.ccm.seal(encrypt, kind(nonce), kind(aad), kind(message)) == sealed, "seal")
        check(
            wire.ccm.open_sealed(encrypt, kind(nonce), kind(aad), kind(sealed)) == message, "open"
        )


def check_ccm_refusals(wire, vector):
    """Whatever is cut off or flipped, in nonce, AAD or message: None, never a message."""
    encrypt = wire.cipher(unhex(vector["key"]))
    parts = [unhex(vector[name]) for name in ("nonce", "aad", "sealed")]
    for place, part in enumerate(parts):
        for damages in (cut(part), flipped(part)):
            for damaged in damages:
                given = list(parts)
                given[place] = damaged
                check(wire.ccm.open_sealed(encrypt, *given) is None, "opened a lie")


def cut(data):
    """Yield `data` at every length below its own."""
    for length in range(len(data)):
        yield data[:length]


def flipped(data):
    """Yield `data` with each bit flipped, one at a time."""
    for place in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[place] ^= 1 << bit
            yield bytes(damaged)


def packer(wire, kind):
    module, name = PAYLOADS[kind]
    return getattr(getattr(wire, module), "pack_" + name)


def unpacker(wire, kind):
    module, name = PAYLOADS[kind]
    return getattr(getattr(wire, module), "unpack_" + name)


def payload_fields(vector):
    return [unhex(field) if isinstance(field, str) else field for field in vector["fields"]]


def check_frame(wire, vector):
    """Packing and sealing gives the vector; opening and reading gives it back."""
    frame, kind = wire.frame, vector["kind"]
    encrypt = wire.cipher(unhex(vector["key"]))
    expected = unhex(vector["frame"])
    check((frame.FRAME_LENGTH, frame.LONG_FRAME_LENGTH) == (50, 210), "lengths")
    check(len(expected) == (210 if kind in LONG else 50), "length")
    payload = packer(wire, kind)(*payload_fields(vector))
    sealed = frame.seal_frame(encrypt, kind, vector["device_id"], vector["counter"], payload)
    check(sealed == expected, "seal")
    header = (kind, vector["device_id"], vector["counter"])
    for buffer in (bytes, bytearray, memoryview):
        check(frame.read_header(buffer(expected)) == header, "header")
        opened = frame.open_frame(encrypt, buffer(expected))
        check(opened[:3] == header, "opened header")
    fields = unpacker(wire, kind)(opened[3])
    check((list(fields) if kind != frame.POLL else [fields]) == payload_fields(vector), "fields")


def check_frame_direction(wire, vector):
    """Only the end that seals a kind is believed to have sent it."""
    frame = wire.frame
    encrypt = wire.cipher(unhex(vector["key"]))
    sealed = unhex(vector["frame"])
    sender = frame.FROM_BOX if vector["kind"] & 0x80 else frame.FROM_BIP
    check(frame.open_frame(encrypt, sealed, sender)[0] == vector["kind"], "own direction")
    for other in (frame.FROM_BIP, frame.FROM_BOX, frame.FROM_POST):
        if other != sender:
            refused(frame.KindRefused, frame.open_frame, encrypt, sealed, other)


def check_frame_refusals(wire, vector):
    """Cut, lengthened, flipped, of another version or key: the refusal that says why."""
    frame = wire.frame
    encrypt = wire.cipher(unhex(vector["key"]))
    sealed = unhex(vector["frame"])
    for damages in (cut(sealed), (sealed + b"\0", sealed + sealed)):
        for damaged in damages:
            refused(frame.LengthRefused, frame.open_frame, encrypt, damaged)
    for version in range(256):
        if version != frame.VERSION:
            other = bytes((version,)) + sealed[1:]
            refused(frame.VersionRefused, frame.open_frame, encrypt, other)
            # Nothing behind an unknown version is read, not even how much there is.
            refused(frame.VersionRefused, frame.open_frame, encrypt, other[:9])
    for kind in range(256):
        if kind != vector["kind"]:
            other = sealed[:1] + bytes((kind,)) + sealed[2:]
            expected = frame.SealRefused if kind in PAYLOADS else frame.KindRefused
            if kind in PAYLOADS and (kind in LONG) != (vector["kind"] in LONG):
                expected = frame.LengthRefused
            refused(expected, frame.open_frame, encrypt, other)
    for damaged in flipped(sealed[2:]):
        refused(frame.SealRefused, frame.open_frame, encrypt, sealed[:2] + damaged)
    stranger = wire.cipher(b"not this box's!!")
    refused(frame.SealRefused, frame.open_frame, stranger, sealed)


def check_payload_refusals(wire, vector):
    """A payload that is too short is refused by type; a longer one is read."""
    frame, kind = wire.frame, vector["kind"]
    payload = packer(wire, kind)(*payload_fields(vector))
    unpack = unpacker(wire, kind)
    for short in cut(payload):
        refused(frame.LengthRefused, unpack, short)
    check(unpack(payload) == unpack(payload + b"more, of a later version"), "appended")


def fields_of(vector):
    as_bytes = BODIES[vector["type"]][1]
    return [
        unhex(field) if place in as_bytes else field for place, field in enumerate(vector["fields"])
    ]


def check_serial(wire, vector):
    """Packing and encoding gives the vector; decoding, whole and bytewise, gives it back."""
    serial = wire.serial
    name = BODIES[vector["type"]][0]
    fields, body, line = fields_of(vector), unhex(vector["body"]), unhex(vector["line"])
    check(getattr(serial, "pack_" + name)(*fields) == body, "pack")
    check(serial.encode_message(vector["type"], body) == line, "encode")
    unpacked = getattr(serial, "unpack_" + name)(body)
    check((list(unpacked) if len(fields) > 1 else [unpacked]) == fields, "unpack")
    message = [(vector["type"], body)]
    for buffer in (bytes, bytearray, memoryview):
        check(serial.Decoder().feed(buffer(line)) == message, "decode")
    decoder = serial.Decoder()
    bytewise = []
    for place in range(len(line)):
        bytewise += decoder.feed(line[place : place + 1])
    check(bytewise == message and decoder.dropped == 0, "bytewise")
    check(serial.Decoder().feed(line * 3) == message * 3, "thrice")
    # Delimiters of neighbours may be shared, or many.
    check(serial.Decoder().feed(line[:-1] + line + b"\0\0") == message * 2, "shared")


def check_serial_refusals(wire, vector):
    """A damaged line gives no message, and the next one is heard; short bodies are refused."""
    serial = wire.serial
    line, body = unhex(vector["line"]), unhex(vector["body"])
    message = [(vector["type"], body)]
    for damages in (cut(line), flipped(line)):
        for damaged in damages:
            decoder = serial.Decoder()
            check(decoder.feed(damaged) == [], "heard a lie")
            harmless = damaged in (b"", line[:1], line[:-1])
            check(
                decoder.feed(line) == (message * 2 if damaged == line[:-1] else message),
                "deaf after damage",
            )
            check(harmless or decoder.dropped > 0, "uncounted")
    unpack = getattr(serial, "unpack_" + BODIES[vector["type"]][0])
    least = {1: 7, 2: 4, 3: 24, 0x81: 6, 0x82: 1}[vector["type"]]
    for short in cut(body[:least]):
        refused(ValueError, unpack, short)
    if vector["type"] == 0x82:
        # Half a list is none; the channel alone is what it was before there was one.
        for short in cut(body):
            if len(short) > 1:
                refused(ValueError, unpack, short)


def check_32_bits(wire):
    """No number is cut: a nonce would be used twice, a counter would start again."""
    frame, counter = wire.frame, wire.counter
    encrypt = wire.cipher(bytes(16))
    for device_id, number in ((1 << 32, 1), (-1, 1), (1, 1 << 32), (1, -1)):
        refused(ValueError, frame.seal_frame, encrypt, frame.POLL, device_id, number, b"")
    for stored in (-1, 1 << 32):
        refused(ValueError, counter.ReservedCounter, stored, print)
    # What is measured is brought into range: no reading may stop a press.
    nonsense = frame.unpack_press(frame.pack_press(7, -5, 99999, -1, 999, -300, 999))
    check(nonsense == (7, frame.AGE_UNKNOWN, 0xFFFF, 0, 0xFF, -128, 0xFF, 0, 0), "press clamped")
    nonsense = frame.unpack_press(frame.pack_press(7, 0, 0, 0, 0, 0, 0, 0x1FF, 1 << 20))
    check(nonsense[7:] == (0xFF, 0xFFFF), "gesture clamped")
    nonsense = frame.unpack_status(frame.pack_status(-1, 1 << 20, -1, 300, -1, 70000, 1, 1 << 40))
    check(nonsense == (0, 0xFFFF, 0, 127, 0, 0xFFFF, 1, 0xFFFF) + (0,) * 8, "status clamped")
    more = (1 << 20, -1, 300, -1, 0x1FF, 0x12345, 1 << 40, -1)
    nonsense = frame.unpack_status(frame.pack_status(0, 0, 0, 0, 0, 0, 0, 0, *more))
    check(nonsense[8:] == (0xFFFF, 0, 0xFF, 0, 0xFF, 0x2345, 0, 0), "status clamped")


def check_counter(wire):
    """Numbers rise from 1, are reserved first, and a power cut skips what is left of a block."""
    stored = [0]

    def store(end):
        stored[0] = end

    numbers = []
    for _ in range(5):
        counter = wire.counter.ReservedCounter(stored[0], store, block=3)
        for _ in range(4):
            number = counter.next()
            check(number < stored[0], "used before it was reserved")
            numbers.append(number)
    check(numbers[:6] == [1, 2, 3, 4, 7, 8] and len(set(numbers)) == 20, "numbers")
    last = wire.counter.ReservedCounter(wire.counter.HIGHEST, store)
    check(last.next() == wire.counter.HIGHEST, "highest")
    refused(OverflowError, last.next)
    refused(OverflowError, wire.counter.ReservedCounter(stored[0], store).next)


def check_window(wire):
    """64 wide, whatever order they come in; bits beyond a small integer included."""
    window = wire.window
    new, outside = window.NEW, window.OUTSIDE
    highest, bits = -1, 0
    story = [(100, new), (37, new), (99, new), (36, outside), (101, new), (165, new)]
    story.extend([(102, new), (101, outside)])
    for number, expected in story:
        check(window.judge(highest, bits, number) == expected, "verdict")
        after = window.accept(highest, bits, number)
        if expected == outside:
            check(after == (highest, bits), "outside changed it")
        else:
            check(window.judge(*after, number) == window.SEEN, "mark")
        highest, bits = after
    check(highest == 165 and bits == 1 << 63 | 1, "state")


class Dice:
    """A small generator (xorshift32) that both interpreters throw alike."""

    def __init__(self, seed):
        self._state = seed or 1

    def below(self, limit):
        state = self._state
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        self._state = state
        return state % limit

    def bytes(self, length):
        return bytes([self.below(256) for _ in range(length)])

    def damaged(self, data):
        """`data` with a few bytes changed, dropped, doubled or put in."""
        out = bytearray(data)
        for _ in range(1 + self.below(3)):
            place = self.below(len(out) + 1)
            way = self.below(4)
            if way == 0:
                out = out[:place] + self.bytes(1) + out[place + 1 :]
            elif way == 1:
                out = out[:place] + out[place + 1 :]
            elif way == 2:
                out = out[:place] + self.bytes(1 + self.below(4)) + out[place:]
            else:
                out = out[:place] + out[place : place + 3] + out[place:]
        return bytes(out)

    def input(self, samples, longest):
        """Noise, or one of `samples`, most often damaged."""
        way = self.below(4)
        if way == 0:
            return self.bytes(self.below(longest + 1))
        return self.damaged(samples[self.below(len(samples))])


def fuzz_frames(wire, vectors, count, seed=1):
    """Damaged frames and noise: a typed refusal, or one of the vectors' frames unharmed."""
    frame = wire.frame
    dice = Dice(seed)
    samples = [unhex(vector["frame"]) for vector in vectors]
    encrypt = wire.cipher(unhex(vectors[0]["key"]))
    opened = 0
    for _ in range(count):
        data = dice.input(samples, 240)
        try:
            frame.open_frame(encrypt, data)
        except frame.FrameError:
            continue
        check(data in samples, "opened a lie")
        opened += 1
    return opened


def fuzz_payloads(wire, count, seed=2):
    """A payload of any content and length is read or refused by type."""
    dice = Dice(seed)
    kinds = list(PAYLOADS)
    read = 0
    for _ in range(count):
        kind = kinds[dice.below(len(kinds))]
        payload = dice.bytes(dice.below(240 if kind in LONG else 40))
        try:
            unpacker(wire, kind)(payload)
            read += 1
        except wire.frame.LengthRefused:
            pass
    return read


def fuzz_line(wire, vectors, count, seed=3):
    """A line of noise and damaged messages in pieces of any size: bounded, and never deaf."""
    serial = wire.serial
    dice = Dice(seed)
    samples = [unhex(vector["line"]) for vector in vectors]
    unpackers = {kind: getattr(serial, "unpack_" + name) for kind, (name, _) in BODIES.items()}
    decoder = serial.Decoder()
    heard = 0
    for _ in range(count):
        for kind, body in decoder.feed(dice.input(samples, 400)):
            heard += 1
            check(len(body) < serial.MESSAGE_MAX, "too long")
            try:  # noqa: SIM105 - MicroPython has no contextlib
                unpackers.get(kind, len)(body)
            except ValueError:
                pass
        check(len(decoder._buffer) <= serial.MESSAGE_MAX + 5, "unbounded")
    sample = samples[0]
    check(decoder.feed(sample)[-1:] == [(vectors[0]["type"], unhex(vectors[0]["body"]))], "deaf")
    return heard, decoder.dropped


def fuzz_cobs(wire, count, seed=4):
    """Anything is unstuffed or refused; what was stuffed comes back."""
    serial = wire.serial
    dice = Dice(seed)
    for _ in range(count):
        noise = dice.bytes(dice.below(60))
        plain = serial.unstuff(noise)
        check(plain is None or len(plain) < len(noise), "grew")
        if dice.below(2):
            noise = bytes([byte if byte & 3 else 0 for byte in noise])
        stuffed = serial.stuff(noise)
        check(serial.unstuff(stuffed) == noise and stuffed.find(b"\0") < 0, "round trip")
