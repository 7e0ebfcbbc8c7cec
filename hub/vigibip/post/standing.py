"""How the post stands: modems, each box's ways, faults; read from the store, beside the daemon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from vigibip.base.clock import Clock
from vigibip.post.box_watch import HEARD_EACH_S, STATUSES_MISSED
from vigibip.post.config import PostSettings
from vigibip.post.faults import OTHERS, FaultKind
from vigibip.post.running import post_runs
from vigibip.post.store import Store
from vigibip.post.store.paths import ModemView, PathView
from vigibip.post.store.records import FaultView
from vigibip.post.store.second_path import SecondPathStore


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
class SmsCapacity:
    """What the modems that work can send, and when the last of what waits has left."""

    rate_per_min: float
    waiting: int
    minutes_to_empty: float

    @classmethod
    def of(cls, modems: Sequence[ModemView]) -> SmsCapacity:
        """Each modem sends what it was given."""
        return cls(
            sum(one.rate_per_min for one in modems if one.state == "ready"),
            sum(one.waiting for one in modems),
            max((one.minutes_to_empty for one in modems), default=0.0),
        )


@dataclass(frozen=True, slots=True)
class PostStanding:
    """`running`: a daemon serves this directory now; None: this machine does not say."""

    running: bool | None
    modems: Sequence[ModemView]
    boxes: Sequence[BoxStanding]
    faults: Sequence[FaultView]
    capacity: SmsCapacity


async def standing(settings: PostSettings, store: Store, clock: Clock) -> PostStanding:
    """Read all of it. Raises StorageError."""
    second = SecondPathStore(store, clock)
    faults = await store.faults()
    names = {shop.box_id: shop.name for shop in await store.shops()}
    judge = _Judge(settings, faults, clock.utc())
    boxes = [
        BoxStanding(
            box_id=path.box_id,
            shop=names.get(path.box_id, ""),
            phone=path.phone,
            data=judge.data(path),
            heard_at=path.heard_at,
            sms=judge.sms(path),
            proven_at=path.proven_at,
        )
        for path in await second.paths()
    ]
    modems = await second.modems()
    return PostStanding(
        post_runs(settings.data_dir / "post.lock"), modems, boxes, faults, SmsCapacity.of(modems)
    )


class _Judge:
    """Says of each box what the faults do; where too many to be named are wrong, what its times
    do."""

    def __init__(self, settings: PostSettings, faults: Sequence[FaultView], now: datetime) -> None:
        self._settings = settings
        self._told = {(one.kind, one.subject) for one in faults}
        self._now = now

    def data(self, path: PathView) -> str:
        if path.heard_at is None:
            return "never"
        silent_s = (self._now - path.heard_at).total_seconds() - HEARD_EACH_S
        by_sms = path.proven_at is not None and path.proven_at > path.heard_at
        boxes = self._settings.boxes
        if any(
            self._is(kind, path.box_id, silent_s > boxes.lost_after_s and not by_sms)
            for kind in (FaultKind.BOX_LOST, FaultKind.BOX_LOST_AFTER_PRESS)
        ):
            return "lost"
        silent_long = silent_s > STATUSES_MISSED * boxes.status_interval_s
        return "silent" if self._is(FaultKind.DATA_LOST, path.box_id, silent_long) else "heard"

    def sms(self, path: PathView) -> str:
        if path.phone is None:
            return "none"
        if path.proven_at is None:
            return "unproven"
        old_s = (self._now - path.proven_at).total_seconds()
        too_old = old_s > self._settings.sms.unproven_after_s
        return "unproven" if self._is(FaultKind.SMS_UNPROVEN, path.box_id, too_old) else "proven"

    def _is(self, kind: FaultKind, box_id: str, by_its_times: bool) -> bool:
        named = (kind.value, box_id) in self._told
        return named or (by_its_times and (kind.value, OTHERS) in self._told)
