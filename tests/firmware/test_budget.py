"""What the firmware may take of a small ESP32: flash, heap, and what loads before a press leaves.

A limit that is reached is no reason to raise it: what a press does not need is loaded later.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.firmware.lab import Lab, plant
from vigibip.town import device_tree
from vigibip.town.device import Feel

pytestmark = [
    pytest.mark.requires_program("micropython"),
    pytest.mark.xdist_group("interpreter"),
]

FLASH_MAX_BYTES = 48 * 1024
FIRST_FRAME_MAX_BYTES = 28_500
HEAP_MAX_BYTES = 48 * 1024

_TELLS_WHAT_IS_LOADED = """

_send_quietly = Air.send


def _send_and_tell(self, data, address):
    import sys

    with open("loaded", "w") as file:
        file.write("\\n".join(sys.modules))
    Air.send = _send_quietly
    return self.send(data, address)


Air.send = _send_and_tell
"""


@pytest.mark.parametrize("board", ["esp32_c3", "esp32_s3", "xiao_c3"])
def test_all_of_a_bip_s_bytecode_fits(tmp_path: Path, board: str) -> None:
    device_tree.stage("bip", tmp_path, board)
    sizes = {file.name: file.stat().st_size for file in tmp_path.rglob("*.mpy")}
    assert "wake.mpy" in sizes
    assert sum(sizes.values()) <= FLASH_MAX_BYTES, sizes


async def test_what_loads_before_the_first_frame_stays_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, tmp_path, "wake.py", append=_TELLS_WHAT_IS_LOADED)
    async with Lab(tmp_path) as lab:
        await lab.start()
        await lab.press()
        loaded = set((tmp_path / "flash" / "loaded").read_text().split())
        sizes = device_tree.bytecode(tmp_path / "flash", loaded)
        assert {"wake", "sender", "wire.frame"} <= set(sizes)
        # What is asked for when something waits, and what follows a fall, come later or never.
        assert not {"errands", "asking", "gesture", "fall", "last_resort", "selftest"} & set(sizes)
        assert not {"update", "wire.parcel", "wire.image", "wire.lms"} & set(sizes)
        assert sum(sizes.values()) <= FIRST_FRAME_MAX_BYTES, sizes


async def test_the_live_heap_leaves_a_quarter_free(tmp_path: Path) -> None:
    async with Lab(tmp_path, sample_heap=True) as lab:
        await lab.start()
        await lab.press()
        await lab.feels(Feel.HEARD)
        heap = await lab.device.heap()
        assert heap.peak_bytes <= heap.size_bytes * 3 // 4
        assert 10_000 < heap.bytecode_bytes < heap.firmware_bytes
        assert heap.esp32_bytes <= HEAP_MAX_BYTES, heap
