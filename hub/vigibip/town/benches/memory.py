"""`memory`: what box and post hold resident, and what the firmware takes of a bip's heap.

The bip's heap is that of a 64-bit interpreter, whose objects are about twice an ESP32's. Held
against the 64 KB of a small ESP32 is an estimate: bytecode at its size, half of all else.
"""

from __future__ import annotations

import re
from pathlib import Path

from vigibip.town.benches import Progress
from vigibip.town.benches.press import press_one_after_the_other
from vigibip.town.benches.report import Figure, Report, machine_figures
from vigibip.town.children import Child
from vigibip.town.demo import reach
from vigibip.town.device import HeapFigures
from vigibip.town.errors import TownError
from vigibip.town.real import Town, TownPlan
from vigibip.town.shop import Bip
from vigibip.town.timeline import DELIVERED

_PRESSES = 60
_SHOPS = 3
_HOP_DEADLINE_S = 20.0
_ESP32_HEAP_BYTES = 65_536
_TARGETS = {
    "box_rss_mb": 80,
    "post_rss_mb": 200,
    # A quarter of the heap stays free.
    "bip_heap_peak_share": 0.75,
}


async def measure(progress: Progress) -> Report:
    """Run a town until every cache is warm, and look at its processes."""
    plan = TownPlan(shops=_SHOPS, cut_short=True, ptt_lead_ms=0, sample_heap=True)
    async with Town(plan, progress) as town:
        await press_one_after_the_other(town, _PRESSES, progress)
        boxes = [resident_mb(shop.box) for shop in town.shops]
        post_mb, post_peak_mb = resident_mb(town.post)
        heaps = [await _heap(town, shop.bips[0]) for shop in town.shops]
    worst = max(heaps, key=lambda heap: heap.esp32_bytes)
    figures: dict[str, Figure] = {
        "box_rss_mb": max(rss_mb for rss_mb, _ in boxes),
        "box_rss_peak_mb": max(peak_mb for _, peak_mb in boxes),
        "post_rss_mb": post_mb,
        "post_rss_peak_mb": post_peak_mb,
        "bip_heap_peak_bytes_64_bit": worst.firmware_bytes,
        "bip_bytecode_bytes": worst.bytecode_bytes,
        "bip_heap_peak_estimated_bytes": worst.esp32_bytes,
        "bip_heap_of_esp32_bytes": _ESP32_HEAP_BYTES,
        "bip_heap_peak_share": round(worst.esp32_bytes / _ESP32_HEAP_BYTES, 3),
    }
    return Report("memory", figures | machine_figures(), dict(_TARGETS))


async def _heap(town: Town, bip: Bip) -> HeapFigures:
    """Press, and ask once everything that a press needs has been on the heap."""
    alert_id = await bip.alert_id(bip.press(), _HOP_DEADLINE_S)
    await reach(town, alert_id, DELIVERED, _HOP_DEADLINE_S)
    return await bip.device.heap()


def resident_mb(child: Child | None) -> tuple[float, float]:
    """Return resident memory now and at its peak, in MB of 1,000,000 bytes. Raises TownError."""
    if child is None or not child.running:
        raise TownError("a process that was to be measured does not run")
    status = Path(f"/proc/{child.pid}/status").read_text(encoding="ascii")
    now, peak = (_mb(status, key) for key in ("VmRSS", "VmHWM"))
    return now, peak


def _mb(status: str, key: str) -> float:
    found = re.search(rf"^{key}:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise TownError(f"the kernel does not tell {key}")
    return round(int(found[1]) * 1024 / 1e6, 1)
