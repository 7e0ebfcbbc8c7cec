"""Measures button to first frame of a sleeping bip in the real interpreter, and its heap.

    PYTHONPATH=hub:. .venv/bin/python tests/firmware/first_frame.py [PRESSES]

Nothing of an ESP32 is in these figures: neither its speed nor the start of its radio.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.firmware.lab import Lab
from vigibip.town.device import Feel
from vigibip.wire import frame


async def _press(lab: Lab) -> float:
    started_s = time.monotonic()
    number = await lab.press()
    taken_ms = (time.monotonic() - started_s) * 1000
    lab.device.release()
    lab.box.raise_to(number, frame.STATE_COMING)
    await lab.feels(Feel.COMING)
    await lab.asleep()
    return taken_ms


async def main(presses: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with Lab(Path(folder) / "a") as lab:
            await lab.start()
            times_ms = sorted([await _press(lab) for _ in range(presses)])
        async with Lab(Path(folder) / "b", sample_heap=True) as lab:
            await lab.start()
            await lab.press()
            await lab.feels(Feel.HEARD)
            heap = await lab.device.heap()
    print(f"button to first frame, {presses} presses, load {os.getloadavg()[0]:.1f}:")
    print(f"  median {statistics.median(times_ms):.1f} ms, longest {times_ms[-1]:.1f} ms")
    print(f"live heap at its peak, of {heap.size_bytes} bytes (64-bit objects):")
    print(f"  {heap.peak_bytes}, of which the stand-ins {heap.stand_ins_bytes}")
    print(f"  the firmware's own: {heap.firmware_bytes}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10))
