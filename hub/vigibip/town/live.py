"""The demonstration with keys: the town in the terminal, for as long as somebody watches."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections import deque
from collections.abc import Awaitable, Callable

from rich.live import Live

from vigibip.base.errors import VigibipError
from vigibip.town.books import BoxBook
from vigibip.town.children import dies_with_parent
from vigibip.town.demo import answer, incident_of, spoken
from vigibip.town.errors import TownError
from vigibip.town.keys import Keys
from vigibip.town.mobile import MobilePlan
from vigibip.town.network import Cut
from vigibip.town.real import Town, TownPlan
from vigibip.town.running_shop import Shop
from vigibip.town.shop import Press
from vigibip.town.timeline import PRESS, PTT
from vigibip.town.view import Scene, ShopLine, render

_PICTURES_PER_S = 10
_LOOK_S = 0.3
_MESSAGES_KEPT = 5


async def run_live(say: Callable[[str], None], *, shops: int) -> None:
    """Show a town until its watcher quits. Raises TownError without a terminal."""
    try:
        with Keys() as keys:
            async with Town(_plan(shops), say) as town:
                await town.load_store()
                await _Demo(town, keys).run()
    except OSError as error:
        if isinstance(error, VigibipError):
            raise
        raise TownError(
            "la démonstration se pilote au clavier, dans un terminal ; sans terminal : --once"
        ) from error


async def run_quietly(say: Callable[[str], None], *, shops: int) -> None:
    """Keep a town running until SIGINT or SIGTERM; say where its console is."""
    end = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    async with Town(_plan(shops), say) as town:
        if town.console_login:
            say(f"console : {town.console_url}")
            say(f"première connexion : {town.console_login}")
        await end.wait()


def _plan(shops: int) -> TownPlan:
    return TownPlan(shops=shops, console=True, mobile=MobilePlan())


class _Demo:
    def __init__(self, town: Town, keys: Keys) -> None:
        self._town = town
        self._keys = keys
        self._press: Press | None = None
        self._messages: deque[str] = deque(maxlen=_MESSAGES_KEPT)
        self._tasks: set[asyncio.Task[None]] = set()
        self._lines = {
            shop.number: ShopLine(shop.number, shop.plan.name, {bip.name: "" for bip in shop.bips})
            for shop in town.shops
        }
        self._scene = Scene(
            list(self._lines.values()),
            console_url=town.console_url,
            console_login=town.console_login,
            messages=self._messages,
        )
        self._bip_of_alert: dict[str, tuple[ShopLine, str]] = {}
        town.stamps.listeners.append(self._on_stamp)

    async def run(self) -> None:
        with Live(
            get_renderable=lambda: render(self._scene),
            refresh_per_second=_PICTURES_PER_S,
            screen=True,
        ):
            self._spawn(self._watch)
            try:
                while (key := await self._keys.next()) not in ("q", "", "\x03", "\x04"):
                    self._obey(key)
            finally:
                for task in list(self._tasks):
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    def _obey(self, key: str) -> None:
        if key.isdigit() and int(key) in self._lines:
            self._push(self._town.shops[int(key) - 1])
        elif key == "c":
            self._spawn(self._turn_network)
        elif key == "r":
            self._spawn(self._answer)
        elif key == "f":
            self._spawn(self._close)
        elif key == "e":
            self._spawn(self._listen)

    def _push(self, shop: Shop) -> None:
        # The bip that was pressed longest ago: two presses of a shop are two bips, then again.
        bip = min(shop.bips, key=lambda bip: bip.presses[-1].pressed_ns if bip.presses else 0)
        self._press = bip.press()
        self._lines[shop.number].felt[bip.name] = PRESS
        self._scene.pressed = f"{shop.plan.name}, {bip.name}"
        self._scene.stamps = {}
        self._scene.radio_text = ""

    async def _turn_network(self) -> None:
        self._scene.network_open = not self._scene.network_open
        for shop in self._town.shops:
            if self._scene.network_open:
                await shop.network.restore()
            else:
                await shop.network.cut(Cut.SILENT)

    async def _answer(self) -> None:
        """Answer the press that is shown, or else the last that still waits."""
        shown = self._press.alert_id if self._press else None
        waiting = [
            [alert.id for alert in incident.alerts]
            for incident in await self._town.store.incidents(open_only=True)
            if incident.answered_at is None and incident.number is not None
        ]
        if not waiting:
            self._messages.append("rien à quoi répondre")
            return
        of_shown = any(shown in alerts for alerts in waiting)
        alert_id = shown if shown is not None and of_shown else waiting[0][-1]
        incident = await answer(self._town, alert_id)
        self._messages.append(f"l'agent a tapé {incident.number:02d}*······# à la radio")

    async def _close(self) -> None:
        """Close every answered incident, as a dispatcher does when the officers are back."""
        from vigibip.post.errors import PressedAgainError
        from vigibip.post.store.records import IncidentOutcome

        for incident in await self._town.store.incidents(open_only=True):
            if incident.answered_at is None:
                continue
            try:
                await self._town.store.close_incident(
                    incident.id, by="démonstration", outcome=IncidentOutcome.REAL
                )
            except PressedAgainError:
                self._messages.append("nouvel appui : il reste ouvert")
            else:
                self._messages.append(f"intervention {incident.number or 0:02d} terminée")

    async def _listen(self) -> None:
        player = shutil.which("aplay")
        if player is None or not self._scene.radio_wav:
            self._messages.append(
                "pas encore de son"
                if player
                else "aplay n'est pas installé : ouvrez le fichier son"
            )
            return
        process = await asyncio.create_subprocess_exec(
            *(player, "-q", self._scene.radio_wav), preexec_fn=dies_with_parent()
        )
        await process.wait()

    async def _watch(self) -> None:
        """Look at the stores and the radio from time to time, for as long as the demo lasts."""
        books = {shop.number: BoxBook(shop.settings.store_path) for shop in self._town.shops}
        while True:
            for number, book in books.items():
                self._lines[number].queued = await asyncio.to_thread(book.waiting)
            await self._watch_incidents()
            if self._town.channel.transmissions:
                wav = self._town.channel.transmissions[-1].wav
                self._scene.radio_wav = str(wav or "")
            await self._town.clock.sleep(_LOOK_S)

    async def _watch_incidents(self) -> None:
        for line in self._lines.values():
            line.incident_number = None
        by_name = {line.name: line for line in self._lines.values()}
        for incident in await self._town.store.incidents(open_only=True):
            by_name[incident.shop_name].incident_number = incident.number
        alert_id = self._press.alert_id if self._press else None
        if alert_id is not None:
            pressed = await incident_of(self._town, alert_id)
            if pressed is not None and PTT in self._scene.stamps:
                shop = next(s for s in self._town.shops if s.plan.name == pressed.shop_name)
                self._scene.radio_text = spoken(shop, pressed)

    def _on_stamp(self, stage: str, subject: str, stamp_ns: int) -> None:
        del stamp_ns
        if stage == PRESS:
            for shop in self._town.shops:
                for bip in shop.bips:
                    if bip.presses and bip.presses[-1].alert_id == subject:
                        self._bip_of_alert[subject] = (self._lines[shop.number], bip.name)
        if stage.startswith("bip.") and stage != "bip.sent" and subject in self._bip_of_alert:
            line, name = self._bip_of_alert[subject]
            line.felt[name] = stage
        if self._press is not None and self._press.alert_id == subject:
            self._scene.stamps = self._town.stamps.of(subject)

    def _spawn(self, work: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.get_running_loop().create_task(self._told(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _told(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work`; what goes wrong with it is a line in the picture, not the demo's end."""
        try:
            await work()
        except VigibipError as error:
            self._messages.append(str(error).splitlines()[0])
