"""How a new program gets onto the flash: piece by piece, into the slot that is not in force.

Loaded only when the box has told that an update waits. The head comes first, and unless a signer
that was given at provisioning has signed it, nothing is written. Each file is written beside its
place, read back and compared with the head's SHA-256, then renamed: what is there is whole. After
a power cut it goes on where the flash ends; what no head belongs to is wiped before it is used.

The air is the runner's: it asks for what `wants` tells and hands in what comes.
"""

import os
from hashlib import sha256

from flash import clear, digest_of, remove, size_of
from slots import FLASHED, FOLDERS
from trial import HEAD_FILE
from wire import image, lms
from wire.parcel import PIECE_LENGTH

# What was written is made to last in steps of this size: each costs an erased block, each piece
# would be too much.
_STEP = 2048
# A file whose bytes are not what the head says is fetched again so often, then nothing is.
_TRIES = 3
_PART_FILE = "/part"
_KEY = lms.PUBLIC_KEY_LENGTH


class Update:
    """One wake's part of an update.

    state: a trial.State. signers: public keys, 56 bytes each, one after another, of one kind.
    base: 8 bytes that name the frozen program, image.NO_BASE for none. room: a bytearray of
    image.HEAD_MAX, the one large thing: taken early, while the heap has it in one piece.

    `ended` says why nothing more is wanted; `is_ready` that the slot is full, verified and on
    trial from the next start on. Whatever touches the flash raises OSError.

    Little is kept: the head until its signature is checked, then the file under way.
    """

    def __init__(self, state, signers, base, room):
        self._state = state
        self._room = memoryview(room)
        self._base = base
        self._signers = signers
        self._signature_length = lms.signature_length(signers[:_KEY])
        self._folder = FOLDERS[state.free()]
        self._part = self._folder + _PART_FILE
        self._tries = 0
        self._file = None  # the part file, while it is written
        self.ended = "" if self._signature_length else "no signer"
        self.is_ready = False
        self._image = 0
        self._pieces = 0
        self._at = 0  # the byte of the image that comes next
        self._start = self._room[:0]  # the head, while it and its signature come
        self._checks: list = []  # of the signature, one for each signer
        self._wanted = 0  # so many bytes of it are looked at next
        self._carried = b""  # those that are there
        self._has_head = False  # it is on the flash
        self._digest = b""
        # The file under way: how many are left with it, its name, size and SHA-256, what is there
        # of it, and where the head names the next.
        self._left = 0
        self._name = ""
        self._size = 0
        self._expected = b""
        self._there = 0
        self._entry = 0
        if not self.ended:
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
        if self._has_head and not self._left:
            self._finish()
            return True
        if len(data) != PIECE_LENGTH and piece != pieces - 1:
            return False
        data = data[self._at % PIECE_LENGTH :]
        if not data:
            self.ended = "too short"
            return False
        if not self._has_head:
            data = self._take_start(data)
        while data and self._left and not self.ended:
            data = self._write(data)
        if self._has_head and not self._left:
            self._finish()
        return True

    # The head.

    def _forget(self):
        self._close()
        self._image = self._pieces = self._at = self._left = 0
        self._start = self._room[:0]
        self._checks = []
        self._wanted = 0
        self._carried = b""
        self._has_head = False

    def _is_known(self, name):
        encoded = name.to_bytes(4, "big")
        if encoded == self._state.refused()[:4]:
            return True
        if self._state.current() == FLASHED:
            return False
        return digest_of(FOLDERS[self._state.current()] + HEAD_FILE)[:4] == encoded

    def _take_start(self, data):
        """Take what belongs to head and signature; return what does not."""
        if not len(self._start):
            try:
                self._start = self._room[: image.head_length(data)]
            except image.ImageRefused as error:
                self.ended = str(error)
                return b""
        taken = min(len(data), max(len(self._start) - self._at, 0))
        self._start[self._at : self._at + taken] = data[:taken]
        self._at += taken
        data = data[taken:]
        if self._at < len(self._start) or not data:
            return data
        if not self._checks:
            for at in range(0, len(self._signers), _KEY):
                key = self._signers[at : at + _KEY]
                self._checks.append(lms.checking(sha256, key, self._start))
            # All of one kind: what one asks for, the others ask for too.
            self._wanted = max([next(check) for check in self._checks])
        whole = len(self._start) + self._signature_length
        taken = min(len(data), whole - self._at)
        self._check(data[:taken])
        self._at += taken
        if self._at == whole and not self.ended:
            self._begin()
        return data[taken:]

    def _check(self, data):
        data = self._carried + data
        while self._wanted and len(data) >= self._wanted:
            part = data[: self._wanted]
            data = data[self._wanted :]
            told = []
            going_on = []
            for check in self._checks:
                told.append(check.send(part))
                if told[-1] != lms.REFUSED:
                    going_on.append(check)
            self._checks = going_on
            self._wanted = max(told)
            if not going_on:
                self.ended = "not signed"
                return
        self._carried = data

    def _begin(self):
        """The head is signed: it is for this bip, or refused by its name from now on."""
        head = self._start
        self.ended = self._judge(head)
        if self.ended:
            self._state.refuse(self._image.to_bytes(4, "big") + bytes(4))
            return
        self._state.claim()
        # The head first: without it, whatever else is left is nobody's.
        remove(self._folder + HEAD_FILE)
        clear(self._folder)
        with open(self._part, "wb") as file:
            file.write(head)
        os.rename(self._part, self._folder + HEAD_FILE)
        self._start = self._room[:0]
        self._look_at_files(head)

    def _judge(self, head):
        """Return why a signed head is not for this bip, nothing when it is."""
        try:
            _, edition, base, _, body = image.check_head(head, image.FOR_BIP)
        except image.ImageRefused as error:
            return str(error)
        self._digest = sha256(head).digest()
        pieces = self._pieces_of(len(head), body)
        if int.from_bytes(self._digest[:4], "big") != self._image or pieces != self._pieces:
            return "another image"
        if edition < self._state.floor():
            return "older than what it had"
        if base not in (image.NO_BASE, self._base):
            return "for another frozen build"
        return ""

    def _pieces_of(self, head_length, body):
        return -(-(head_length + self._signature_length + body) // PIECE_LENGTH)

    # The files.

    def _go_on(self):
        """Take up what an earlier wake left: its head was checked before it was written."""
        head = self._read_head()
        if head is None:
            return
        try:
            body = image.check_head(head, image.FOR_BIP)[4]
        except image.ImageRefused:
            return
        self._image = int.from_bytes(sha256(head).digest()[:4], "big")
        self._pieces = self._pieces_of(len(head), body)
        if self._is_known(self._image) or self._judge(head):
            self._forget()
            return
        self._look_at_files(head)
        there = size_of(self._part)
        if self._left and 0 < there < self._size:
            self._there = there
            self._at += there
        else:
            remove(self._part)

    def _look_at_files(self, head):
        """The files that are there are passed over, up to the first that is not."""
        self._has_head = True
        self._at = len(head) + self._signature_length
        self._left = head[image.COUNT_AT]
        self._entry = image.FIRST_ENTRY
        while self._left:
            self._take_entry(head[self._entry :])
            if size_of(self._place(self._name)) != self._size:
                break
            self._at += self._size
            self._left -= 1

    def _take_entry(self, part):
        self._name, self._size, expected, length = image.entry(part, 0)
        self._expected = bytes(expected)
        self._entry += length
        self._there = 0

    def _write(self, data):
        """Write what belongs to the file under way; return what does not."""
        taken = min(len(data), self._size - self._there)
        if self._file is None:
            self._file = open(self._part, "ab")  # noqa: SIM115 - over many pieces
        self._file.write(data[:taken])
        before = self._there
        self._there += taken
        self._at += taken
        if self._there // _STEP != before // _STEP:
            self._file.flush()
        if self._there < self._size:
            return b""
        self._close()
        if digest_of(self._part) != self._expected:
            remove(self._part)
            self._at -= self._size
            self._there = 0
            self._fail()
            # What follows in this piece belongs to a file that does not begin yet.
            return b""
        folder = self._name.rpartition("/")[0]
        if folder and size_of(self._place(folder)) < 0:
            os.mkdir(self._place(folder))
        os.rename(self._part, self._place(self._name))
        self._left -= 1
        if self._left:
            with open(self._folder + HEAD_FILE, "rb") as file:
                file.seek(self._entry)
                self._take_entry(file.read(image.ENTRY_MAX))
        return data[taken:]

    def _finish(self):
        """All files are there: read each once more, as the flash has it."""
        head = self._read_head()
        if head is None:
            self.ended = "its head is gone"
            return
        place = image.FIRST_ENTRY
        damaged = False
        while place < len(head):
            name, _, digest, place = image.entry(head, place)
            if not damaged and digest_of(self._place(name)) != digest:
                damaged = True
                self._fail()
            if damaged:
                # It and what follows come again.
                remove(self._place(name))
        self._look_at_files(head)
        if not damaged:
            self._state.activate(self._digest[:8])
            self.is_ready = True

    def _read_head(self):
        try:
            with open(self._folder + HEAD_FILE, "rb") as file:
                return self._room[: file.readinto(self._room)]
        except OSError:
            return None

    def _fail(self):
        self._tries += 1
        if self._tries >= _TRIES:
            self.ended = "its files are not what its head says"

    def _place(self, name):
        return self._folder + "/" + name

    def _close(self):
        if self._file is not None:
            self._file.close()
            self._file = None
