# MicroPython has no pathlib, and the file stays open for as long as the power is on.
# ruff: noqa: PTH102, PTH109, PTH116, PTH123, SIM115
# Appended to a simulated bip's boot.py: its program and its slots lie on LittleFS, as on an ESP32,
# over a file; at the write whose number stands in ../cut_at the power goes, the write half done.
import os
import time

import vfs

_BLOCK = 4096
_BLOCKS = 128
_IMAGE = "../lfs.img"


def _read(path):
    try:
        with open(path) as file:
            return int(file.read())
    except OSError:
        return 0


class _Flash:
    def __init__(self, file):
        self._file = file
        self._writes = 0
        self._cut_at = _read("../cut_at")

    def readblocks(self, block, buffer, offset=0):
        self._file.seek(block * _BLOCK + offset)
        self._file.readinto(buffer)

    def writeblocks(self, block, buffer, offset=None):
        if offset is None:
            self.ioctl(6, block)
            offset = 0
        self._put(block * _BLOCK + offset, buffer)

    def ioctl(self, op, argument):
        if op == 4:
            return _BLOCKS
        if op == 5:
            return _BLOCK
        if op == 6:
            for at in range(0, _BLOCK, 512):
                self._put(argument * _BLOCK + at, b"\xff" * 512, counts=at == 0)
        return 0

    def _put(self, at, content, counts=True):
        self._writes += counts
        is_last = counts and self._writes == self._cut_at
        self._file.seek(at)
        self._file.write(memoryview(content)[: len(content) // 2] if is_last else content)
        self._file.flush()
        if is_last:
            with open(_ROOT + "/../stopped", "w") as file:
                file.write(str(self._writes))
            time.sleep(3600)


def _copy(folder, target):
    for entry in os.ilistdir(folder or "."):
        name = entry[0]
        path = folder + "/" + name if folder else name
        if entry[1] & 0x4000:
            os.mkdir(target + "/" + path)
            _copy(path, target)
        else:
            with open(path, "rb") as source, open(target + "/" + path, "wb") as file:
                file.write(source.read())


def _mount():
    try:
        os.stat(_IMAGE)
        is_new = False
    except OSError:
        is_new = True
        with open(_IMAGE, "wb") as file:
            for _ in range(_BLOCKS * 8):
                file.write(b"\xff" * 512)
    flash = _Flash(open(_IMAGE, "r+b"))
    if is_new:
        vfs.VfsLfs2.mkfs(flash, readsize=32, progsize=32, lookahead=32)
    vfs.mount(vfs.VfsLfs2(flash, readsize=32, progsize=32, lookahead=32), "/lfs")
    if is_new:
        _copy("", "/lfs")
    os.chdir("/lfs")


_ROOT = os.getcwd()
_mount()
