"""What a board on the bench begins with, in MicroPython: its stand-ins, and its flash as `/`.

Arguments: the bus's name, the board's directory on this computer (flash.img, nvs/), and "boot"
when main.py is to run, as after anything but a soft reset into the raw REPL.
"""
# ruff: noqa: E402, PTH116, PTH123, PTH208, SIM115 - MicroPython; its stand-ins want their bus first

import os
import sys

import bus

bus.connect(sys.argv[1], sys.argv[2])
import select  # noqa: F401

import esp32
import espnow  # noqa: F401
import machine
import network  # noqa: F401
import vfs

bus.park()
_BLOCK = 4096


class Flash:
    """A block device of one file, which outlives this process."""

    def __init__(self, path):
        self._file = open(path, "r+b")
        self._blocks = os.stat(path)[6] // _BLOCK

    def readblocks(self, block, buffer, offset=0):
        self._file.seek(block * _BLOCK + offset)
        self._file.readinto(buffer)

    def writeblocks(self, block, buffer, offset=None):
        if offset is None:
            offset = 0
        self._file.seek(block * _BLOCK + offset)
        self._file.write(buffer)
        self._file.flush()

    def ioctl(self, operation, argument):
        if operation == 4:
            return self._blocks
        if operation == 5:
            return _BLOCK
        if operation == 6:
            self._file.seek(argument * _BLOCK)
            self._file.write(b"\xff" * _BLOCK)
            self._file.flush()
        return 0


_flash = Flash(sys.argv[2] + "/flash.img")
# NVS and RTC memory are files of this computer, which must not be seen on the board's flash.
_computer = vfs.VfsPosix()
bus.directory = "/.computer" + sys.argv[2]


def on_the_computer(function):
    def reached(*arguments):
        vfs.mount(_computer, "/.computer")
        try:
            return function(*arguments)
        finally:
            vfs.umount("/.computer")

    return reached


for kind, names in (
    (esp32.NVS, ("__init__", "get_blob", "commit", "erase_key")),
    (machine.RTC, ("memory",)),
):
    for name in names:
        setattr(kind, name, on_the_computer(getattr(kind, name)))

try:
    _lfs = vfs.VfsLfs2(_flash)
except OSError:
    vfs.VfsLfs2.mkfs(_flash)
    _lfs = vfs.VfsLfs2(_flash)
vfs.mount(_lfs, "/")
os.chdir("/")
sys.path[:] = ["", ".frozen"]
if sys.argv[3] == "boot" and "main.py" in os.listdir("/"):
    print("bench: runs")
    try:
        import boot  # noqa: F401
        import main  # noqa: F401
    except KeyboardInterrupt as error:
        sys.print_exception(error)
