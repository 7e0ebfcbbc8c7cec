"""How a new program gets onto the flash: piece by piece, into the slot that is not in force.

Loaded only when the box has told that an update waits. The head comes first, and unless a signer
that was given at provisioning has signed it, nothing is written. Each file is written beside its
place, read back and compared with the head's SHA-256, then renamed: what is there is whole. After
a power cut it goes on where the flash ends; what no head belongs to is wiped before it is used.

The air is the runner's: it asks for what `wants` tells and hands in what comes.
"""

import os
from hashlib import sha256

from flash import clear, digest_of, read, remove, size_of
from slots import FLASHED, FOLDERS
from trial import HEAD_FILE, read_head
from wire import image, lms
from wire.parcel import PIECE_LENGTH

# Files are written in steps of this size: each costs an erased block, each piece would be too much.
_STEP = 2048
# A file whose bytes are not what the head says is fetched again so often, then nothing is.
_TRIES = 3
_PART_FILE = "/part"


class Update:
    """One wake's part of an update.

    state: a State. signers: public keys, 56 bytes each, one after another. base: 8 bytes
    that name the frozen program, image.NO_BASE for none. `ended` says why nothing more is wanted;
    `is_ready` that the slot is full, and verified. Whatever touches the flash raises OSError.
    """

    def __init__(self, state, signers, base=image.NO_BASE):
        self._state = state
        self._base = base
        self._keys = [signers[at : at + 56] for at in range(0, len(signers), 56)]
        self._signature_length = lms.signature_length(self._keys[0]) if self._keys else 0
        self._folder = FOLDERS[state.free()]
        self._tries = 0
        self.ended = ""
        self.is_ready = False
        self._image = 0
        self._pieces = 0
        self._at = 0  # the byte of the image that comes next
        self._start = bytearray()  # head and signature, while they come
        self._digest = b""
        self._files: list[tuple[str, int, bytes]] = []
        self._number = 0  # of the file that comes next
        self._step = bytearray()  # of that file, not yet written
        if not self._signature_length:
            self.ended = "no signer"
        else:
            self._go_on()

    def wants(self):
        """Return (what names the image, the piece that is lacking), None when none is wanted."""
        if self.ended or self.is_ready:
            return None
        # Of an image that is there, its last one: the box has to name it, or names another.
        return self._image, min(self._at // PIECE_LENGTH, max(self._pieces - 1, 0))

    def take(self, name: int, pieces: int, piece: int, data: bytes) -> bool:
        """Take a piece; return whether it was the one that is wanted. Others change nothing."""
        if self.ended or self.is_ready:
            return False
        if name != self._image:
            # The box has another one by now, which begins at its beginning.
            if piece != 0:
                return False
            self._forget()
            self._image = name
            self._pieces = pieces
            if self._is_known(name):
                self.ended = "not wanted"
                return False
        if (name, piece) != self.wants() or pieces != self._pieces:
            return False
        if self._files and self._number == len(self._files):
            self._finish()
            return True
        if len(data) != PIECE_LENGTH and piece != pieces - 1:
            return False
        data = data[self._at % PIECE_LENGTH :]
        if not data:
            self.ended = "too short"
            return False
        self._feed(data)
        return True

    def activate(self) -> None:
        """Let the new program be on trial from the next start on."""
        self._state.activate(self._digest[:8])

    # The head.

    def _forget(self):
        self._image = self._pieces = self._at = self._number = 0
        self._start = bytearray()
        self._step = bytearray()
        self._digest = b""
        self._files = []

    def _is_known(self, name):
        encoded = name.to_bytes(4, "big")
        if encoded == self._state.refused()[:4]:
            return True
        if self._state.current() == FLASHED:
            return False
        head = read_head(FOLDERS[self._state.current()])
        return head is not None and sha256(head).digest()[:4] == encoded

    def _feed(self, data):
        if not self._files:
            self._start.extend(data)
            self._at += len(data)
            self._look_at_start()
            return
        while data and not self.ended and self._number < len(self._files):
            data = self._write(data)
        if self._number == len(self._files):
            self._finish()

    def _look_at_start(self):
        try:
            length = image.head_length(self._start)
        except image.ImageRefused:
            if len(self._start) >= PIECE_LENGTH:
                self.ended = "no image"
            return
        whole = length + self._signature_length
        if len(self._start) < whole:
            return
        start, rest = bytes(self._start[:whole]), bytes(self._start[whole:])
        self._start = bytearray()
        if not self._is_signed(start[:length], start[length:]):
            self.ended = "not signed"
            return
        self.ended = self._judge(start[:length], len(start))
        if self.ended:
            # Signed, and not for this bip: the next time its name alone tells.
            self._state.refuse(self._image.to_bytes(4, "big") + bytes(4))
            return
        self._clear()
        with open(self._folder + _PART_FILE, "wb") as file:
            file.write(start)
        os.rename(self._folder + _PART_FILE, self._folder + HEAD_FILE)
        self._at = whole
        if rest:
            self._feed(rest)

    def _is_signed(self, head, signature):
        return any(lms.is_signed(sha256, key, head, signature) for key in self._keys)

    def _judge(self, head, start_length):
        """Take a signed head into use, or return why not."""
        try:
            _, edition, base, files = image.unpack_head(head, image.FOR_BIP)
        except image.ImageRefused as error:
            return str(error)
        digest = sha256(head).digest()
        body = sum([size for _, size, _ in files])
        pieces = -(-(start_length + body) // PIECE_LENGTH)
        if int.from_bytes(digest[:4], "big") != self._image or pieces != self._pieces:
            return "another image"
        if edition < self._state.floor():
            return "older than what it had"
        if base not in (image.NO_BASE, self._base):
            return "for another frozen build"
        self._digest = digest
        self._files = files
        return ""

    # The files.

    def _go_on(self):
        """Take up what an earlier wake left."""
        start = read(self._folder + HEAD_FILE, image.HEAD_MAX + self._signature_length)
        if start is None:
            return
        length = len(start) - self._signature_length
        head = start[: max(length, 0)]
        try:
            body = sum([size for _, size, _ in image.unpack_head(head, image.FOR_BIP)[3]])
        except image.ImageRefused:
            return
        self._image = int.from_bytes(sha256(head).digest()[:4], "big")
        self._pieces = -(-(len(start) + body) // PIECE_LENGTH)
        if (
            self._is_known(self._image)
            or not self._is_signed(head, start[length:])
            or self._judge(head, len(start))
        ):
            self._forget()
            return
        self._at = len(start)
        for name, size, _ in self._files:
            if size_of(self._place(name)) != size:
                break
            self._number += 1
            self._at += size
        if self._number == len(self._files):
            return
        there = size_of(self._folder + _PART_FILE)
        if 0 < there < self._files[self._number][1]:
            self._at += there
        elif there >= 0:
            os.remove(self._folder + _PART_FILE)

    def _write(self, data):
        name, size, digest = self._files[self._number]
        part = self._folder + _PART_FILE
        lacking = size - max(size_of(part), 0) - len(self._step)
        self._step.extend(data[:lacking])
        self._at += min(len(data), lacking)
        if len(data) >= lacking or len(self._step) >= _STEP:
            with open(part, "ab") as file:
                file.write(self._step)
            self._step = bytearray()
        if len(data) < lacking:
            return b""
        if digest_of(part) == digest:
            folder = name.rpartition("/")[0]
            if folder and size_of(self._place(folder)) < 0:
                os.mkdir(self._place(folder))
            os.rename(part, self._place(name))
            self._number += 1
        else:
            os.remove(part)
            self._at -= size
            self._fail()
            # What follows in this piece belongs to a file that does not begin yet.
            return b""
        return data[lacking:]

    def _finish(self):
        """All files are there: read each once more, as the flash has it."""
        at = self._at
        for number in range(len(self._files) - 1, -1, -1):
            name, size, digest = self._files[number]
            at -= size
            if digest_of(self._place(name)) != digest:
                # It and what follows come again.
                for later in self._files[number:]:
                    remove(self._place(later[0]))
                self._number = number
                self._at = at
                self._fail()
        self.is_ready = self._number == len(self._files)

    def _fail(self):
        self._tries += 1
        if self._tries >= _TRIES:
            self.ended = "its files are not what its head says"

    def _place(self, name):
        return self._folder + "/" + name

    def _clear(self):
        self._state.claim()
        # The head first: without it, whatever else is left is nobody's.
        remove(self._folder + HEAD_FILE)
        clear(self._folder)
