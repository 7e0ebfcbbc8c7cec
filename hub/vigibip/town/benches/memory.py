"""`memory`: what box and post hold resident, and the bip's heap as a small ESP32 would count it."""

from __future__ import annotations

import re
from pathlib import Path

from vigibip.town.benches import Progress
from vigibip.town.benches.press import press_one_after_the_other
from vigibip.town.benches.report import Figure, Report, machine_figures
from vigibip.town.children import Child
from vigibip.town.errors import TownError
from vigibip.town.real import Town, TownPlan

_PRESSES = 60
_TARGETS = {
    "box_rss_mb": 80,
    "post_rss_mb": 200,
    # A quarter of the heap stays free.
    "bip_heap_peak_share": 0.75,
}


async def measure(progress: Progress) -> Report:
    """Run a town until every cache is warm, and look at its processes."""
    async with Town(TownPlan(shops=3, cut_short=True, ptt_lead_ms=0), progress) as town:
        await press_one_after_the_other(town, _PRESSES, progress)
        boxes = [resident_mb(shop.box) for shop in town.shops]
        post_mb, post_peak_mb = resident_mb(town.post)
        heaps = [await bip.device.heap() for shop in town.shops for bip in shop.bips]
    worst = max(heaps, key=lambda heap: heap.on_device_peak_bytes)
    figures: dict[str, Figure] = {
        "box_rss_mb": max(rss_mb for rss_mb, _ in boxes),
        "box_rss_peak_mb": max(peak_mb for _, peak_mb in boxes),
        "post_rss_mb": post_mb,
        "post_rss_peak_mb": post_peak_mb,
        "bip_heap_peak_bytes": worst.on_device_peak_bytes,
        "bip_heap_limit_bytes": worst.limit_bytes,
        "bip_heap_peak_share": round(worst.on_device_peak_bytes / worst.limit_bytes, 3),
    }
    return Report("memory", figures | machine_figures(), dict(_TARGETS))


def resident_mb(child: Child | None) -> tuple[float, float]:
    """Return resident memory now and at its peak, in MB of 1,000,000 bytes. Raises TownError."""
    if child is None or not child.running:
        raise TownError("a process that was to be measured does not run")
    status = Path(f"/proc/{child.pid}/status").read_text(encoding="ascii")
    now, peak = (_kib(status, key) for key in ("VmRSS", "VmHWM"))
    return now, peak


def _kib(status: str, key: str) -> float:
    found = re.search(rf"^{key}:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise TownError(f"the kernel does not tell {key}")
    return round(int(found[1]) * 1024 / 1e6, 1)
