"""`durability`: nothing lost, doubled or falsely acknowledged while everything is killed.

Bips of the real firmware press; boxes, broker and post are killed with SIGKILL at random moments
and started again. Every feel is held against the databases at its moment; every press against
them at the end. A mosquitto bridge with persistence then does the same store-and-forward.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

from vigibip.alert.life import IncidentState
from vigibip.base.errors import StorageError, VigibipError
from vigibip.post.store.records import IncidentOutcome
from vigibip.town.benches import Progress
from vigibip.town.benches.bridge_peer import mosquitto_path, run_bridge
from vigibip.town.benches.report import Figure, Report, machine_figures
from vigibip.town.books import BoxBook, PostBook
from vigibip.town.device import Feel
from vigibip.town.errors import TownError
from vigibip.town.real import Town, TownPlan
from vigibip.town.running_shop import Shop
from vigibip.town.shop import Bip, Press
from vigibip.town.timeline import COMING
from vigibip.town.together import together

ALERTS = 1500
_SHOPS = 8
_SEED = 20260105
_KILL_PAUSE_S = (0.5, 3.0)
_DOWN_S = (0.0, 1.0)
_PRESS_PAUSE_S = (0.0, 0.6)
_COMING_DEADLINE_S = 300.0
_DEADLINE_S = 2400.0
_BRIDGE_ALERTS_PER_S = 30.0
_TARGETS = {
    "alerts_missing": 0,
    "lost": 0,
    "doubled": 0,
    "unexplained": 0,
    "false_heard": 0,
    "false_delivered": 0,
    "false_coming": 0,
    "left_in_queues": 0,
}


@dataclass(slots=True)
class _Account:
    """What the town saw happen."""

    pressed: list[Press] = field(default_factory=list)
    feels: Counter[Feel] = field(default_factory=Counter)
    false: Counter[Feel] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    finished: int = 0


async def measure(progress: Progress, *, alerts: int = ALERTS) -> Report:
    """Run the bench; raises VigibipError when it cannot come to an end."""
    draw = random.Random(_SEED)
    account = _Account()
    async with Town(TownPlan(shops=_SHOPS, cut_short=True, ptt_lead_ms=0), progress) as town:
        _hold_feels_against_the_books(town, account, progress)
        try:
            async with asyncio.timeout(_DEADLINE_S):
                await _press_under_fire(town, account, draw, alerts, progress)
                await _settle(town)
        except TimeoutError as error:
            raise TownError("the presses did not all come to their end in time") from error
        figures = _figures(town, account, alerts)
        figures |= await _bridges(town, account, alerts, progress)
    return Report("durability", figures | machine_figures(), dict(_TARGETS))


def _hold_feels_against_the_books(town: Town, account: _Account, progress: Progress) -> None:
    post_book = PostBook(town.post_settings.store_path)

    def listen(shop: Shop, bip: Bip) -> None:
        box_book = BoxBook(shop.settings.store_path)

        def on_feel(press: Press, feel: Feel, at_ns: int) -> None:
            account.feels[feel] += 1
            alert_id = press.alert_id
            if feel in (Feel.NOT_SENT, Feel.NOT_REACHED):
                return
            if feel is Feel.HEARD:
                true = alert_id is not None and box_book.has(alert_id)
            elif feel is Feel.COMING:
                true = alert_id is not None and post_book.is_answered(alert_id)
            else:
                true = alert_id is not None and post_book.has(alert_id)
            if not true:
                account.false[feel] += 1
                progress(f"durability: FALSE {feel.value}: {_history(town, shop, bip, at_ns)}")

        bip.felt_listeners.append(on_feel)

    for shop in town.shops:
        for bip in shop.bips:
            listen(shop, bip)


async def _press_under_fire(
    town: Town, account: _Account, draw: random.Random, alerts: int, progress: Progress
) -> None:
    left = iter(range(alerts))
    over = asyncio.Event()

    async def bearer(bip: Bip) -> None:
        for _ in left:
            await asyncio.sleep(draw.uniform(*_PRESS_PAUSE_S))
            press = bip.press()
            account.pressed.append(press)
            alert_id = await bip.alert_id(press, _COMING_DEADLINE_S)
            # A palm feels one thing after the other: only after the last is the next press's.
            await town.stamps.wait(alert_id, COMING, _COMING_DEADLINE_S)
            account.finished += 1
            if account.finished % 100 == 0:
                progress(f"durability: {account.finished} answers felt, {_told(account.kills)}")

    async def bearers() -> None:
        await together(*(bearer(bip) for shop in town.shops for bip in shop.bips))
        over.set()

    await together(
        bearers(),
        _kill_boxes(town, account, draw, over),
        _kill_broker(town, account, draw, over),
        _kill_post(town, account, draw, over),
        _dispatch(town, over),
    )


async def _kill_boxes(
    town: Town, account: _Account, draw: random.Random, over: asyncio.Event
) -> None:
    while not await _waited(over, draw.uniform(*_KILL_PAUSE_S)):
        shop = draw.choice(town.shops)
        await shop.kill_box()
        account.kills["box"] += 1
        await asyncio.sleep(draw.uniform(*_DOWN_S))
        await shop.start_box()


async def _kill_broker(
    town: Town, account: _Account, draw: random.Random, over: asyncio.Event
) -> None:
    while not await _waited(over, 3 * draw.uniform(*_KILL_PAUSE_S)):
        await town.broker.kill()
        account.kills["broker"] += 1
        await asyncio.sleep(draw.uniform(*_DOWN_S))
        await town.broker.start()


async def _kill_post(
    town: Town, account: _Account, draw: random.Random, over: asyncio.Event
) -> None:
    while not await _waited(over, 4 * draw.uniform(*_KILL_PAUSE_S)):
        await town.kill_post()
        account.kills["post"] += 1
        await asyncio.sleep(draw.uniform(*_DOWN_S))
        await town.start_post()


async def _dispatch(town: Town, over: asyncio.Event) -> None:
    """Answer what is open, close what was answered: incidents come and go as in a town."""
    while not await _waited(over, 1.0):
        for incident in await town.store.incidents(open_only=True):
            try:
                if incident.state is IncidentState.OPEN:
                    await town.store.answer_incident(incident.id, by="bench")
                else:
                    outcome = IncidentOutcome.OTHER
                    await town.store.close_incident(incident.id, by="bench", outcome=outcome)
            except StorageError:
                raise
            except VigibipError:
                # A press reopened or closed it meanwhile: the next turn sees it as it is.
                continue


async def _waited(over: asyncio.Event, duration_s: float) -> bool:
    """Wait so long, or until it is over; tell whether it is."""
    try:
        await asyncio.wait_for(over.wait(), duration_s)
    except TimeoutError:
        return False
    return True


async def _settle(town: Town) -> None:
    """Return once no box has anything left to deliver."""
    books = [BoxBook(shop.settings.store_path) for shop in town.shops]
    while sum(book.waiting() for book in books):  # noqa: ASYNC110 - other processes' databases
        await asyncio.sleep(0.2)


def _figures(town: Town, account: _Account, alerts: int) -> dict[str, Figure]:
    post_book = PostBook(town.post_settings.store_path)
    at_post = post_book.alert_ids()
    ids = [press.alert_id for press in account.pressed if press.alert_id is not None]
    unexplained = [text for shop in town.shops for bip in shop.bips for text in bip.unexplained]
    waiting = sum(BoxBook(shop.settings.store_path).waiting() for shop in town.shops)
    return {
        "alerts": alerts,
        "alerts_missing": alerts - len(set(ids)),
        "lost": sum(1 for alert_id in ids if not at_post[alert_id]),
        "doubled": sum(count - 1 for count in at_post.values())
        + abs(post_book.presses_of_incidents() - at_post.total()),
        "unexplained": len(unexplained) + len(set(at_post) - set(ids)),
        "false_heard": account.false[Feel.HEARD],
        "false_delivered": account.false[Feel.DELIVERED],
        "false_coming": account.false[Feel.COMING],
        "left_in_queues": waiting,
        "felt_heard": account.feels[Feel.HEARD],
        "felt_delivered": account.feels[Feel.DELIVERED],
        "felt_coming": account.feels[Feel.COMING],
        "kills_box": account.kills["box"],
        "kills_broker": account.kills["broker"],
        "kills_post": account.kills["post"],
    }


async def _bridges(
    town: Town, account: _Account, alerts: int, progress: Progress
) -> dict[str, Figure]:
    """Return what the peer lost, with its best settings and with its own."""
    figures: dict[str, Figure] = {}
    for label, tuned in (("tuned", True), ("default", False)):
        prefix = f"peer_mosquitto_bridge_{label}"
        if mosquitto_path() is None:
            figures |= {f"{prefix}_lost": None, f"{prefix}_doubled": None}
            continue
        result = await run_bridge(
            town.place.make("peer") / label,
            town.children,
            progress,
            alerts=alerts,
            kills=account.kills["broker"] + account.kills["post"],
            alerts_per_s=_BRIDGE_ALERTS_PER_S,
            tuned=tuned,
            seed=_SEED,
        )
        figures |= {
            f"{prefix}_lost": result.lost,
            f"{prefix}_doubled": result.doubled,
            f"{prefix}_kills": result.kills,
        }
    return figures


def _history(town: Town, shop: Shop, bip: Bip, at_ns: int) -> str:
    """Return the last two presses of a bip, each stage with its seconds before `at_ns`."""
    lines = [f"{shop.label}, {bip.name}"]
    for press in bip.presses[-2:]:
        stamps = town.stamps.of(press.alert_id) if press.alert_id else {}
        stages = [f"{stage} {(ns - at_ns) / 1e9:.3f}" for stage, ns in stamps.items()]
        felt = [f"felt {feel.value} {(ns - at_ns) / 1e9:.3f}" for feel, ns in press.felt]
        lines.append(f"  {press.alert_id}: {', '.join(stages + felt)}")
    return "\n".join(lines)


def _told(kills: Counter[str]) -> str:
    return "kills: " + ", ".join(f"{name} {count}" for name, count in sorted(kills.items()))
