"""What both interpreters must agree on of images and their signatures: run by each.

In the subset of Python that both have. Every check raises AssertionError; `lms` and `image` are
the package's modules, `sha256` is hashlib's.
"""

from both import Dice, check, cut, refused, unhex

_NAMES = ("sender.mpy", "wire/frame.mpy", "a.mpy", "deep_1/x_2.mpy")


def parts(vector):
    return [unhex(vector[name]) for name in ("public_key", "message", "signature")]


def check_vector(lms, sha256, vector):
    """It is signed, whatever the buffers are."""
    public_key, message, signature = parts(vector)
    check(lms.signature_length(public_key) == len(signature), "length")
    for kind in (bytes, bytearray, memoryview):
        check(lms.is_signed(sha256, kind(public_key), kind(message), kind(signature)), "refused")


def check_every_byte(lms, sha256, vector, step):
    """No byte of key, message or signature may be another: each `step`-th with one bit flipped."""
    whole = parts(vector)
    for place, part in enumerate(whole):
        for at in range(0, len(part), step if place == 2 else 1):
            damaged = bytearray(part)
            damaged[at] ^= 1 << at % 8
            given = list(whole)
            given[place] = bytes(damaged)
            check(not lms.is_signed(sha256, *given), "took a lie")
    # All type codes and the leaf's number, in each value of their bytes.
    public_key, message, signature = whole
    path = len(signature) - 32 * (5 if public_key[3] == 5 else 10) - 4
    for at in (0, 1, 2, 3, 4, 5, 6, 7, path, path + 1, path + 2, path + 3):
        for value in range(0, 256, 5 if step < 50 else 85):
            if signature[at] != value:
                damaged = signature[:at] + bytes((value,)) + signature[at + 1 :]
                check(not lms.is_signed(sha256, public_key, message, damaged), "took a type")


def check_lengths(lms, sha256, vector):
    """Cut or longer by anything: refused, and nothing raised."""
    public_key, message, signature = parts(vector)
    for length in range(len(signature) - 1, -1, -31):
        check(not lms.is_signed(sha256, public_key, message, signature[:length]), "short")
    check(not lms.is_signed(sha256, public_key, message, signature + b"\0"), "long")
    for short in cut(public_key):
        check(lms.signature_length(short) == 0, "key")
        check(not lms.is_signed(sha256, short, message, signature), "short key")
        check(not lms.is_signed(sha256, short, message, b""), "nothing for nothing")
    for tree in (0, 4, 7, 1 << 31):
        other = tree.to_bytes(4, "big") + public_key[4:]
        check(lms.signature_length(other) == 0, "tree")


def check_others(lms, sha256, vectors):
    """A signature is of one message under one key."""
    for vector in vectors:
        for other in vectors:
            if vector is not other:
                public_key, message, _ = parts(vector)
                check(not lms.is_signed(sha256, public_key, message, parts(other)[2]), "other")


def sample_head(image, base=None):
    files = [(name, 100 + place, bytes((place,)) * 32) for place, name in enumerate(_NAMES)]
    base = image.NO_BASE if base is None else base
    return image.pack_head(image.FOR_BIP, 0x0102, 7, base, files), files


def check_head(image):
    """What was packed comes back, whatever the buffer; its length stands in its first bytes."""
    for base in (image.NO_BASE, b"basebase"):
        head, files = sample_head(image, base)
        for kind in (bytes, bytearray, memoryview):
            told = image.unpack_head(kind(head), image.FOR_BIP)
            check(told == (0x0102, 7, base, files), "head")
            check(image.head_length(kind(head[:40])) == len(head), "length")


def check_head_refusals(image):
    """Cut, longer, for another device, of another format, bytecode or size: refused by type."""
    head, _ = sample_head(image)
    for damaged in cut(head):
        refused(image.ImageRefused, image.unpack_head, damaged, image.FOR_BIP)
    refused(image.ImageRefused, image.unpack_head, head + b"\0", image.FOR_BIP)
    refused(image.ImageRefused, image.unpack_head, head, image.FOR_RECEIVER)
    # Mark, format, target, bytecode, number of files, the body's and the head's lengths.
    for at in (0, 1, 2, 3, 4, 5, 20, 21, 22, 23, 24, 25):
        for value in range(256):
            if value != head[at]:
                damaged = head[:at] + bytes((value,)) + head[at + 1 :]
                refused(image.ImageRefused, image.unpack_head, damaged, image.FOR_BIP)


def check_names(image):
    """No name leads out of a slot, or to what lies outside of it."""
    digest = bytes(32)
    wrong = [kept + ".mpy" for kept in image.KEPT]
    wrong += ["", ".mpy", "a.py", "../a.mpy", "/a.mpy", "a//b.mpy", "a/../b.mpy", "a/b/c.mpy"]
    wrong += ["A.mpy", "a b.mpy", "a\0.mpy", "a.b.mpy", "a" * 28 + ".mpy", "a/.mpy", "\u00e9.mpy"]
    for name in wrong:
        given = [(name, 1, digest)]
        refused(image.ImageRefused, image.pack_head, 1, 1, 1, image.NO_BASE, given)


def check_sizes(image):
    """Bounded: files, their number, all of them together; none twice, none empty."""
    digest = bytes(32)
    most = image.FILE_MAX
    wrong = [
        [],
        [("a.mpy", 0, digest)],
        [("a.mpy", most + 1, digest)],
        [("a.mpy", 1, digest), ("a.mpy", 1, digest)],
        [(f"m{n}.mpy", 1, digest) for n in range(image.FILES_MAX + 1)],
        [(f"m{n}.mpy", most, digest) for n in range(image.BODY_MAX // most + 1)],
    ]
    for files in wrong:
        refused(image.ImageRefused, image.pack_head, 1, 1, 1, image.NO_BASE, files)
    full = [(f"m{n}.mpy", 1, digest) for n in range(image.FILES_MAX)]
    head = image.pack_head(1, 1, 1, image.NO_BASE, full)
    check(image.unpack_head(head, 1)[3] == full and len(head) <= image.HEAD_MAX, "full")


def fuzz_heads(image, count, seed=5):
    """Damaged heads and noise: refused by type, or read within the bounds."""
    dice = Dice(seed)
    samples = [sample_head(image)[0]]
    read = 0
    for _ in range(count):
        data = dice.input(samples, 300)
        try:
            files = image.unpack_head(data, image.FOR_BIP)[3]
        except image.ImageRefused:
            continue
        read += 1
        check(0 < len(files) <= image.FILES_MAX, "files")
        check(all(name.endswith(".mpy") and ".." not in name for name, _, _ in files), "names")
    return read


def fuzz_signatures(lms, sha256, vector, count, seed=6):
    """Damaged signatures and noise: refused, and nothing raised."""
    dice = Dice(seed)
    public_key, message, signature = parts(vector)
    for _ in range(count):
        damaged = dice.damaged(signature)
        if damaged != signature:
            check(not lms.is_signed(sha256, public_key, message, damaged), "took a lie")
        noise = dice.bytes(dice.below(64))
        lms.is_signed(sha256, noise, message, signature)
        check(not lms.is_signed(sha256, public_key, message, noise), "noise")
