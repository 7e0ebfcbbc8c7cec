"""Run by the MicroPython interpreter: an update on its LittleFS, the power cut at every write.

Arguments: the folder with the bip's own modules, the images' (zero.img, one.img, two.img, keys),
and how many quarters of the write that is cut reach the flash. Prints one line of JSON: how many
writes the update takes, and after how many cuts the old and the new program ran.

Each cut is followed by a fresh mount of what the flash holds. Then the program in force must be
whole, whichever it is, the update must go on, and in the end the new one be in force.
"""

import gc
import json
import os
import sys
from hashlib import sha256

import vfs

sys.path.insert(0, sys.argv[1])
import slots
import trial
import update
from flash import digest_of
from wire import image, parcel

BLOCK = 4096
BLOCKS = 40
MOUNT = "/lfs"
KEPT = int(sys.argv[3])


class PowerCutError(Exception):
    """The power is gone: whatever the program does now is not done."""


class Power:
    """From one start to the cut; NVS and flash share the count, for a cut comes at either."""

    def __init__(self, cut_at):
        self.writes = 0
        self.cut_at = cut_at
        self.is_off = False

    def write(self):
        """One write begins; return whether it is the last one, and torn."""
        if self.is_off:
            raise PowerCutError
        self.writes += 1
        self.is_off = self.writes == self.cut_at
        return self.is_off


class Flash:
    """A block device as the ESP32's: bits only fall, an erase raises a whole block."""

    def __init__(self, content, power):
        self.content = content
        self.power = power

    def readblocks(self, block, buffer, offset=0):
        at = block * BLOCK + offset
        buffer[:] = memoryview(self.content)[at : at + len(buffer)]

    def writeblocks(self, block, buffer, offset=None):
        if offset is None:
            self.ioctl(6, block)
            offset = 0
        torn = self.power.write()
        size = len(buffer) * KEPT // 4 if torn else len(buffer)
        at = block * BLOCK + offset
        self.content[at : at + size] = memoryview(buffer)[:size]
        if torn:
            raise PowerCutError

    def ioctl(self, op, argument):
        if op == 4:
            return BLOCKS
        if op == 5:
            return BLOCK
        if op == 6:
            torn = self.power.write()
            size = BLOCK * KEPT // 4 if torn else BLOCK
            at = argument * BLOCK
            self.content[at : at + size] = b"\xff" * size
            if torn:
                raise PowerCutError
        return 0


class Nvs:
    """As the ESP32's: a blob is there once it is committed, whole or not at all."""

    def __init__(self, committed, power):
        self.committed = committed
        self.power = power
        self.pending = {}

    def get_blob(self, key, buffer):
        value = self.pending.get(key, self.committed.get(key))
        if value is None:
            raise OSError(-0x1102)
        buffer[: len(value)] = value
        return len(value)

    def set_blob(self, key, value):
        self.pending[key] = bytes(value)

    def commit(self):
        if self.power.write():
            raise PowerCutError
        self.committed.update(self.pending)
        self.pending = {}


class Bip:
    """What outlives the power: flash and NVS."""

    def __init__(self, content, blobs):
        self.flash = bytearray(content)
        self.blobs = dict(blobs)
        self.nvs = None
        self.power = Power(-1)

    def start(self, cut_at=-1):
        """Power on: a fresh mount, as _boot.py has it."""
        self.power = Power(cut_at)
        try:  # noqa: SIM105 - MicroPython has no contextlib
            vfs.umount(MOUNT)
        except OSError:
            pass
        flash = Flash(self.flash, self.power)
        vfs.mount(vfs.VfsLfs2(flash, readsize=32, progsize=32, lookahead=32), MOUNT)
        os.chdir(MOUNT)
        self.nvs = Nvs(self.blobs, self.power)

    def wake(self):
        return update.Update(trial.State(self.nvs), KEYS, image.NO_BASE, bytearray(image.HEAD_MAX))


def read(name):
    with open(sys.argv[2] + "/" + name, "rb") as file:  # noqa: PTH123
        return file.read()


def parts(content):
    length = image.head_length(content)
    head = content[:length]
    return head, image.unpack_head(head, image.FOR_BIP)[3]


def is_whole(slot, content):
    """Whether all that the image names lies in its slot, byte for byte."""
    folder = slots.FOLDERS[slot] + "/"
    return all(digest_of(folder + name) == digest for name, _, digest in parts(content)[1])


def fetch(bip, content, most=10000):
    """One wake's asking, as wake.py does it: every piece right, at most so many."""
    head = parts(content)[0]
    name = int.from_bytes(sha256(head).digest()[:4], "big")
    count = -(-len(content) // parcel.PIECE_LENGTH)
    under_way = bip.wake()
    while most:
        wanted = under_way.wants()
        if wanted is None:
            break
        piece = wanted[1] if wanted[0] == name else 0
        at = piece * parcel.PIECE_LENGTH
        under_way.take(name, count, piece, content[at : at + parcel.PIECE_LENGTH])
        most -= 1
    return under_way


def whole_update(bip, content):
    """Fetch, activate, and on the next start confirm: one count of writes from now to the end."""
    under_way = fetch(bip, content)
    check(under_way.is_ready, "not ready: " + under_way.ended)
    slot, on_trial = slots.choose(bip.nvs, False)[:2]
    check(on_trial, "not tried")
    check(is_whole(slot, content), "tried and not whole")
    trial.confirm(trial.State(bip.nvs))
    return slot


def check(condition, what):
    if not condition:
        raise AssertionError(what)


KEYS = read("keys")
ONE = read("one.img")
TWO = read("two.img")


def prepared():
    """A bip whose slots a and b have been filled once: the next update overwrites one."""
    bip = Bip(b"\xff" * (BLOCK * BLOCKS), {})
    vfs.VfsLfs2.mkfs(Flash(bip.flash, bip.power), readsize=32, progsize=32, lookahead=32)
    bip.start()
    check(whole_update(bip, read("zero.img")) == 1, "slot")
    check(whole_update(bip, ONE) == 2, "slot")
    return bip


def look_at(cut, content, blobs):
    """One cut, and all that has to hold after it."""
    bip = Bip(content, blobs)
    bip.start(cut)
    try:
        whole_update(bip, TWO)
        check(False, "no cut")
    except PowerCutError:
        pass
    # The file that was open is closed by the collector: the power is off by then.
    gc.collect()
    bip.start()
    # The bip works: what it starts now is whole, the old one or the new one.
    slot, on_trial = slots.choose(bip.nvs, False)[:2]
    check(slot in (1, 2), "fell back to what was flashed")
    check(is_whole(slot, TWO if slot == 1 else ONE), "runs what is not whole")
    if on_trial:
        trial.confirm(trial.State(bip.nvs))
    if slot == 2:
        check(whole_update(bip, TWO) == 1, "does not go on")
    bip.start()
    check(slots.choose(bip.nvs, False)[:2] == (1, False), "not in force")
    check(is_whole(1, TWO) and is_whole(2, ONE), "not whole in the end")
    return slot


def main():
    bip = prepared()
    content, blobs = bytes(bip.flash), dict(bip.blobs)
    bip = Bip(content, blobs)
    bip.start()
    check(whole_update(bip, TWO) == 1, "slot")
    writes = bip.power.writes
    ran = {1: 0, 2: 0}
    for cut in range(1, writes + 1):
        try:
            ran[look_at(cut, content, blobs)] += 1
        except Exception:
            print("cut at write", cut, "of", writes)
            raise
    print(json.dumps({"writes": writes, "old": ran[2], "new": ran[1]}))


main()
