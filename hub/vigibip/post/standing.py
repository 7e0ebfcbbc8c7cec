"""How the post stands: modems, each box's ways, faults; read from the store, beside the daemon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from vigibip.base.clock import Clock
from vigibip.post.config import PostSettings
from vigibip.post.faults import OTHERS, FaultKind
from vigibip.post.running import post_runs
from vigibip.post.store import Store
from vigibip.post.store.paths import ModemView
from vigibip.post.store.records import FaultView
from vigibip.post.store.second_path import SecondPathStore

# What each box's fault says of its ways, the worst first.
_LOST = {FaultKind.BOX_LOST.value, FaultKind.BOX_LOST_AFTER_PRESS.value}


@dataclass(frozen=True, slots=True)
class BoxStanding:
    """`data`: "heard", "silent", "lost" or "never"; `sms`: "proven", "unproven" or "none"."""

    box_id: str
    shop: str
    phone: str | None
    data: str
    heard_at: datetime | None
    sms: str
    proven_at: datetime | None


@dataclass(frozen=True, slots=True)
class PostStanding:
    """`running`: a daemon serves this directory now; None: this machine does not say."""

    running: bool | None
    modems: Sequence[ModemView]
    boxes: Sequence[BoxStanding]
    faults: Sequence[FaultView]

    @property
    def rate_per_min(self) -> float:
        """Of the modems that work."""
        return sum(one.rate_per_min for one in self.modems if one.state == "ready")

    @property
    def waiting(self) -> int:
        return sum(one.waiting for one in self.modems)

    @property
    def minutes_to_empty(self) -> float:
        """Until the last of what waits has left; each modem sends what it was given."""
        return max((one.minutes_to_empty for one in self.modems), default=0.0)


async def standing(settings: PostSettings, store: Store, clock: Clock) -> PostStanding:
    """Read all of it. Raises StorageError."""
    second = SecondPathStore(store, clock)
    faults = await store.faults()
    names = {shop.box_id: shop.name for shop in await store.shops()}
    boxes = [
        BoxStanding(
            box_id=path.box_id,
            shop=names.get(path.box_id, ""),
            phone=path.phone,
            data=_data(path.box_id, path.heard_at, faults),
            heard_at=path.heard_at,
            sms=_sms(path.box_id, path.phone, path.proven_at, faults),
            proven_at=path.proven_at,
        )
        for path in await second.paths()
    ]
    return PostStanding(
        post_runs(settings.data_dir / "post.lock"), await second.modems(), boxes, faults
    )


def _data(box_id: str, heard_at: datetime | None, faults: Sequence[FaultView]) -> str:
    kinds = {one.kind for one in faults if one.subject == box_id}
    if kinds & _LOST:
        return "lost"
    if FaultKind.DATA_LOST.value in kinds:
        return "silent"
    return "never" if heard_at is None else "heard"


def _sms(
    box_id: str, phone: str | None, proven_at: datetime | None, faults: Sequence[FaultView]
) -> str:
    if phone is None:
        return "none"
    unproven = any(
        one.kind == FaultKind.SMS_UNPROVEN.value and one.subject in (box_id, OTHERS)
        for one in faults
    )
    return "unproven" if unproven or proven_at is None else "proven"
