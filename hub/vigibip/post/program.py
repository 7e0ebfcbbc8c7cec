"""What the radios say next: the one place where waiting incidents are weighed against each other.

1. An incident that was never announced goes before any repetition: the fresh ones first, as they
   were pressed, then the backlog, oldest first. A fresh press that joined an incident is as urgent
   as one that opened another, but no shop for ever: once an interval.
2. When many wait for that, their count is told after the first of them, so that nobody believes
   it is the only one; each is still announced by itself.
3. Repetitions leave officers a gap to answer in, and go by what was said the longest ago;
   presses that joined go ahead of plain reminders.
4. Alerts that were old when they came are told together, as a count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from vigibip.post.config import RelaySettings
from vigibip.post.store.records import RoundTask
from vigibip.radio.clips import shop_clip_key
from vigibip.radio.contract import Announcement
from vigibip.radio.speech import announcement_text

FRESH_S = 120
"""An alert younger than this goes before the backlog."""
# The count of those that wait is not repeated sooner.
_SUMMARY_EACH_S = 60.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """An incident that is due. `since_s`: for how long; `said_s`: when it was last on the air."""

    task: RoundTask
    since_s: float
    said_s: float | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to say now; or, without an announcement, when to look again (None: when called).

    `covers`: the rounds that are done with it. `alert_id`: the alert that it is said for.
    """

    announcement: Announcement | None = None
    covers: tuple[RoundTask, ...] = ()
    alert_id: str = ""
    summary: bool = False
    look_again_in_s: float | None = None


def choose(
    waiting: Sequence[Waiting],
    *,
    now_s: float,
    now: datetime,
    last_end_s: float,
    summary_s: float,
    settings: RelaySettings,
) -> Plan:
    """Return what the radios say next.

    `last_end_s` and `summary_s`: when anything, and when a count, was last on the air.
    """
    sayable = [one for one in waiting if one.task.number is not None and not one.task.digest]
    counted = [one for one in waiting if one.task.number is None or one.task.digest]
    firsts = [one for one in sayable if one.task.first]
    if firsts:
        joined = [one for one in sayable if _is_fresh_join(one, now_s, now, settings)]
        next_one = min(firsts + joined, key=lambda one: _urgency(one, now))
        firsts.sort(key=lambda one: _urgency(one, now))
        # Those that waited through an announcement, so that the first of many is one of them.
        unnamed = [one for one in counted if one.task.first and not one.task.digest]
        passed_over = [one.task for one in firsts + unnamed if one.since_s < last_end_s]
        many = len(passed_over) >= max(2, settings.summary_from - 1)
        if many and summary_s <= now_s - _SUMMARY_EACH_S:
            return Plan(_digest(passed_over, now), (), passed_over[0].alert_id, summary=True)
        return _one(next_one.task, now)
    if not waiting:
        return Plan()
    gap_s = last_end_s + settings.listen_gap_s - now_s
    if gap_s > 0:
        return Plan(look_again_in_s=gap_s)
    longest_ago = min(waiting, key=lambda one: _turn(one, settings))
    if longest_ago in sayable:
        return _one(longest_ago.task, now)
    tasks = tuple(one.task for one in counted)
    if len(tasks) == 1 and tasks[0].number is not None:
        return _one(tasks[0], now)
    return Plan(_digest(tasks, now), tasks, tasks[0].alert_id)


def _is_fresh_join(one: Waiting, now_s: float, now: datetime, settings: RelaySettings) -> bool:
    if one.task.first or not one.task.joined:
        return False
    age_s = _age_s(one.task, now)
    rested = one.said_s is None or one.said_s <= now_s - settings.round_interval_s
    return rested and (age_s is None or age_s < FRESH_S)


def _urgency(one: Waiting, now: datetime) -> tuple[bool, float]:
    age_s = _age_s(one.task, now)
    if age_s is None:
        # It may be fresh: nobody knows.
        return False, one.since_s
    return age_s >= FRESH_S, one.since_s if age_s < FRESH_S else -float(age_s)


def _turn(one: Waiting, settings: RelaySettings) -> float:
    """When its turn came; a press that joined goes one interval ahead, but no shop for ever."""
    said_s = one.since_s - settings.round_interval_s if one.said_s is None else one.said_s
    return said_s - settings.round_interval_s if one.task.joined else said_s


def _age_s(task: RoundTask, now: datetime) -> int | None:
    if task.pressed_at is None:
        return None
    return max(0, int((now - task.pressed_at).total_seconds()))


def _one(task: RoundTask, now: datetime) -> Plan:
    number = task.number
    if number is None:
        raise ValueError("an incident without a number is told as part of a count")
    age_s = _age_s(task, now)
    round_no = 1 if task.first else max(2, task.round_no)
    joined_presses = task.presses - 1 if task.joined else 0
    announcement = Announcement(
        incident_id=task.incident_id,
        number=number,
        shop_clip=shop_clip_key(task.box_id),
        text=announcement_text(
            spoken_name=task.spoken,
            address=task.address,
            number=number,
            round_no=round_no,
            joined_presses=joined_presses,
            age_s=age_s,
        ),
        round_no=round_no,
        joined_presses=joined_presses,
        age_s=age_s,
    )
    return Plan(announcement, (task,), task.alert_id)


def _digest(tasks: Sequence[RoundTask], now: datetime) -> Announcement:
    """Return the count of `tasks`, with the age of the oldest if any is old."""
    ages = [age for age in (_age_s(task, now) for task in tasks) if age is not None]
    # One alone can only be one without a number: then all 999 others are open.
    count = max(2, len(tasks))
    return Announcement(
        incident_id=tasks[0].incident_id,
        number=tasks[0].number or 1,
        shop_clip=shop_clip_key(tasks[0].box_id),
        text=f"Récapitulatif. {count} incidents en attente. Consultez la console.",
        age_s=max(ages, default=None),
        digest_of=count,
    )
