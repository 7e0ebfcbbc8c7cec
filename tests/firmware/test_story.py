"""One story of a press, in both interpreters; the device's has the heap of a small ESP32."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.firmware import story
from tests.firmware.honest_box import ENCRYPT, core
from vigibip.town import device_tree
from vigibip.wire import counter, frame

_ON_DEVICE = """
import sys
sys.path.insert(0, {flash!r})
sys.path.append({here!r})
from cryptolib import aes
import sender, story
from wire import counter, frame
print("scenes told:", story.tell(sender, frame, counter, aes(bytes(range(16)), 1).encrypt))
"""


def test_it_is_told_by_cpython() -> None:
    assert story.tell(core, frame, counter, ENCRYPT) == 4


@pytest.mark.requires_program("micropython")
async def test_it_is_told_by_micropython(tmp_path: Path) -> None:
    device_tree.stage("bip", tmp_path / "flash")
    here = str(Path(__file__).parent)
    program = _ON_DEVICE.format(flash=str(tmp_path / "flash"), here=here)
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "micropython"),
        *("-X", "heapsize=64wk", "-c", program),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert output.decode().strip() == "scenes told: 4"
