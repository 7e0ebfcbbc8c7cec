"""An image: the program of a device as it travels, and what its head says.

Head, signature (LMS, of the head alone), then the files one after another. The head names each
file with its size and SHA-256, so that its signature holds for all of it, and the check needs no
more memory than the head. Numbers are big-endian.
"""

import struct

# MicroPython has no typing module; a type checker takes this name for true.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from .ccm import Buffer

FORMAT = 1
FOR_BIP = 1
FOR_RECEIVER = 2
# Of the .mpy files: plain bytecode, which every chip runs.
BYTECODE = 6

# A device holds the whole head in memory, and two images beside its own program on its flash.
HEAD_MAX = 2560
FILES_MAX = 48
FILE_MAX = 24576
BODY_MAX = 65536

# Where the first entry stands in a head.
NO_BASE = bytes(8)

_MARK = b"VB"
_HEAD = ">2sBBBBHI8sIH"
FIRST_ENTRY = 26
# The byte of a head that tells how many there are, and the longest entry.
COUNT_AT = 5
ENTRY_MAX = 68
_ENTRY = ">I32sB"
_ENTRY_LENGTH = 37
_NAME_MAX = 31
_LETTERS = b"abcdefghijklmnopqrstuvwxyz0123456789_"
_SUFFIX = b".mpy"
# These start the others; they lie outside of what an image replaces.
KEPT = ("boot", "main", "slots", "guard", "board")


class ImageRefused(ValueError):
    """Not a head that this version takes; its text says why."""


def pack_head(
    target: int,
    version: int,
    edition: int,
    base: bytes,
    files: "list[tuple[str, int, bytes]]",
) -> bytes:
    """Return the head. Raises ImageRefused for what `unpack_head` would refuse.

    target: FOR_BIP or FOR_RECEIVER. version: of the firmware, major * 256 + minor. edition: 32
    bits; a device never goes below the highest that it has confirmed. base: 8 bytes that name the
    frozen build which this image completes, NO_BASE when it is whole. files: name ending in .mpy,
    size, SHA-256, in the order in which they follow.
    """
    table = b""
    body = 0
    for name, size, digest in files:
        encoded = name.encode()
        table += struct.pack(_ENTRY, size, digest, len(encoded)) + encoded
        body += size
    head = struct.pack(
        _HEAD,
        _MARK,
        FORMAT,
        target,
        BYTECODE,
        len(files),
        version,
        edition,
        base,
        body,
        FIRST_ENTRY + len(table),
    )
    unpack_head(head + table, target)
    return head + table


def head_length(start: "Buffer") -> int:
    """Return how long the head is that begins with `start`. Raises ImageRefused."""
    if len(start) < FIRST_ENTRY or bytes(start[:2]) != _MARK or start[2] != FORMAT:
        raise ImageRefused("no image of this format")
    length: int = struct.unpack_from(_HEAD, start)[9]
    if not FIRST_ENTRY < length <= HEAD_MAX:
        raise ImageRefused("length of the head")
    return length


def unpack_head(
    head: "Buffer", target: int
) -> "tuple[int, int, bytes, list[tuple[str, int, bytes]]]":
    """Return (version, edition, base, files) of a head, whole and nothing more, for `target`.

    Who wrote it is not looked at: that is the signature's. Raises ImageRefused.
    """
    version, edition, base, count, _ = check_head(head, target)
    files = []
    place = FIRST_ENTRY
    for _ in range(count):
        name, size, digest, place = entry(head, place)
        files.append((name, size, bytes(digest)))
    return version, edition, base, files


def check_head(head: "Buffer", target: int) -> "tuple[int, int, bytes, int, int]":
    """Return (version, edition, base, number of files, length of all files), as `unpack_head`.

    For a device, which reads the files' entries one by one. Raises ImageRefused.
    """
    if head_length(head) != len(head):
        raise ImageRefused("length of the head")
    _, _, told_target, bytecode, count, version, edition, base, body, _ = struct.unpack_from(
        _HEAD, head
    )
    if told_target != target:
        raise ImageRefused("for another device")
    if bytecode != BYTECODE:
        raise ImageRefused("bytecode of another version")
    if not 0 < count <= FILES_MAX:
        raise ImageRefused("number of files")
    if body > BODY_MAX:
        raise ImageRefused("too large")
    left = body
    place = FIRST_ENTRY
    for number in range(count):
        name, size, _, following = entry(head, place)
        before = FIRST_ENTRY
        for _ in range(number):
            other, _, _, before = entry(head, before)
            if other == name:
                raise ImageRefused("a file twice")
        if not 0 < size <= FILE_MAX:
            raise ImageRefused("size of a file")
        left -= size
        place = following
    if place != len(head) or left != 0:
        raise ImageRefused("table of files")
    return version, edition, base, count, body


def entry(head: "Buffer", place: int) -> "tuple[str, int, Buffer, int]":
    """Return (name, size, SHA-256, place of the next) of the entry at `place`.

    The first stands at FIRST_ENTRY. Raises ImageRefused.
    """
    if place + _ENTRY_LENGTH > len(head):
        raise ImageRefused("table of files")
    size, digest, length = struct.unpack_from(_ENTRY, head, place)
    place += _ENTRY_LENGTH
    name = _name(bytes(head[place : place + length]), length)
    return name, size, digest, place + length


def _name(encoded: bytes, length: int) -> str:
    # module.mpy, or package/module.mpy: nothing that leads out of a slot.
    if len(encoded) != length or length > _NAME_MAX or encoded[-4:] != _SUFFIX:
        raise ImageRefused("name of a file")
    parts = encoded[:-4].split(b"/")
    for part in parts:
        if not part or [letter for letter in part if letter not in _LETTERS]:
            raise ImageRefused("name of a file")
    name = encoded.decode()
    if len(parts) > 2 or name[:-4] in KEPT:
        raise ImageRefused("name of a file")
    return name
