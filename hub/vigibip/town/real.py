"""The town in real time: every program and every interpreter as a process of its own."""

from __future__ import annotations

import asyncio
import filecmp
import importlib
import logging
import os
import shutil
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vigibip.base.clock import SystemClock
from vigibip.base.trace import TRACE_VARIABLE
from vigibip.post.authority import Authority
from vigibip.post.config import PostSettings, load_post_settings
from vigibip.radio.channel import ChannelServer, SimulatedChannel
from vigibip.town.air import CALM, Air, Weather
from vigibip.town.broker import Broker, BrokerKind
from vigibip.town.children import Child, Children, tail, vigibip_command
from vigibip.town.errors import TownError
from vigibip.town.mobile import Mobile, MobilePlan
from vigibip.town.places import Place, cache_directory, free_ports, is_listening
from vigibip.town.provision import PostProvision, TomlTable, write_toml
from vigibip.town.running_shop import Shop
from vigibip.town.shop import Press
from vigibip.town.stamps import Stamps
from vigibip.town.together import together

if TYPE_CHECKING:
    from vigibip.post.store import Store

_log = logging.getLogger(__name__)

Progress = Callable[[str], None]
_HUB = Path(__file__).resolve().parents[2]
_READY_DEADLINE_S = 45.0
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class TownPlan:
    """What kind of town to build."""

    shops: int = 2
    weather: Weather = CALM
    network_delay_ms: float = 0.0
    """Each way between a box and the broker."""
    broker: BrokerKind | None = None
    cut_short: bool = False
    """The radio channel ends each transmission once PTT and first audio are stamped."""
    ptt_lead_ms: int = 250
    sayings: int = 2
    """How often the radio says its sentence in one announcement."""
    console: bool = False
    seed: int = 0
    sample_heap: bool = False
    """The bips can tell how much heap they take; each of their waits is then slower."""
    box: TomlTable = field(default_factory=dict)
    """Settings of every box beyond those that the town itself gives."""
    relay: TomlTable = field(default_factory=dict)
    """Settings of the post's relay."""
    mobile: MobilePlan | None = None
    """The second path; None: boxes and post have no modem."""


class Town:
    """A running town. `async with Town(plan) as town:` starts it and leaves nothing behind."""

    def __init__(self, plan: TownPlan, progress: Progress = _log.info) -> None:
        self.plan = plan
        self.place = Place()
        self.stamps = Stamps()
        self.clock = SystemClock()
        self.air = Air(self.clock, plan.weather, plan.seed)
        self.mobile = (
            None if plan.mobile is None else Mobile(self.clock, plan.mobile, self._tell, plan.seed)
        )
        self.shops: list[Shop] = []
        self.post: Child | None = None
        self.console_login = ""
        """The console's address with a login of one use in it; "" without a console."""
        self._progress = progress
        self._trace_path = self.place.root / "trace"
        self.children = Children(self.place.make("logs"), self._environment())
        self.wav_directory = self.place.make("radio")
        self.channel = SimulatedChannel(
            self.clock, None if plan.cut_short else self.wav_directory, cut_short=plan.cut_short
        )
        self._channel_path = self.place.root / "channel"
        self._channel_server = ChannelServer(self.channel, self._channel_path)
        self._post_config = self.place.root / "post.toml"
        self._post_data = self.place.make("post")
        self._ports = free_ports(3)
        self.post_commands = PostProvision(self.children, self._post_config)
        self._store: Store | None = None
        self._codes: list[str] = []
        self._card_turn = asyncio.Lock()

    @property
    def post_settings(self) -> PostSettings:
        return load_post_settings(self._post_config)

    @property
    def broker_port(self) -> int:
        return self._ports[0]

    @property
    def console_url(self) -> str:
        return f"http://127.0.0.1:{self._ports[2]}/"

    @staticmethod
    async def load_store() -> None:
        """Import the post's store beside everything else: it takes most of a second."""
        await asyncio.to_thread(importlib.import_module, "vigibip.post.store")

    @property
    def store(self) -> Store:
        """The post's store, as the console has it: in a process beside the post's."""
        from vigibip.post.store import Store

        if self._store is None:
            self._store = Store(self.post_settings.store_path)
            self._store.start()
        return self._store

    async def __aenter__(self) -> Town:
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Build and start everything. Raises TownError with the last words of what failed."""
        self.stamps.start(self._trace_path)
        await self._channel_server.start()
        if self.mobile is not None:
            for number, port in self._post_modems():
                self.mobile.at_terminal(number, port)
        self._write_post_config()
        self._progress("le poste et les commerces se préparent")
        cached_clips = cache_directory() / "clips"
        _bring_clips(cached_clips, self.post_settings.clips_dir)
        self.shops = [Shop(self, number) for number in range(1, self.plan.shops + 1)]
        await together(self.post_commands.init(), *(shop.fit_out() for shop in self.shops))
        self.broker = Broker(
            self.children,
            self.place.make("broker"),
            Authority.load(self.post_settings.authority_dir),
            self.plan.broker,
            port=self.broker_port,
        )
        await self.broker.start()
        await self.start_post()
        self._progress("les boîtiers s'enrôlent")
        works = [shop.join() for shop in self.shops]
        if self.plan.console:
            works.append(self._open_console())
        await together(*works)
        _bring_clips(self.post_settings.clips_dir, cached_clips)
        self._progress("la ville est prête")

    async def close(self) -> None:
        """End every process and remove every file."""
        # The last named ends first, and one that fails to end does not keep the others.
        async with AsyncExitStack() as ends:
            ends.callback(self.place.leave)
            ends.callback(self.stamps.close)
            if self._store is not None:
                ends.callback(self._store.close)
            ends.push_async_callback(self.air.close)
            if self.mobile is not None:
                ends.push_async_callback(self.mobile.close)
            ends.push_async_callback(self._channel_server.close)
            ends.push_async_callback(self.children.close)
            for shop in self.shops:
                ends.push_async_callback(shop.close)

    async def start_post(self) -> None:
        """Start the post's daemon, for the first time or again."""
        command = vigibip_command("post", "run", "--config", str(self._post_config))
        self.post = await self.children.start("post", command)

    async def wait_enrolment_served(self) -> None:
        """Return once boxes can enrol. Raises TownError."""
        deadline_s = self.clock.monotonic_s() + _READY_DEADLINE_S
        while not is_listening(self._ports[1]):
            if self.clock.monotonic_s() > deadline_s or self.post is None or not self.post.running:
                told = self.post.log_tail() if self.post else ""
                raise TownError(f"le poste n'enrôle pas\n{told}")
            await self.clock.sleep(_LOOK_S)

    async def kill_post(self) -> None:
        if self.post is not None:
            await self.post.kill()

    async def _open_console(self) -> None:
        await self.start_console()
        self.console_login = await self.post_commands.console_link()

    async def start_console(self) -> None:
        """Start the web console, a process of its own."""
        command = vigibip_command("post", "console", "--config", str(self._post_config))
        await self.children.start("console", command)

    def press(self, shop: int, bip: int = 1) -> Press:
        """Push the button of a bip; shops and bips count from 1."""
        return self.shops[shop - 1].bips[bip - 1].press()

    async def next_code(self) -> str:
        """Return an officer's next one-time code, from a new card when the last is used up."""
        async with self._card_turn:
            if not self._codes:
                self._codes = await self.post_commands.card()
            return self._codes.pop(0)

    def log_tails(self) -> list[str]:
        """Return the last lines of each program's log, for whoever must find out what failed."""
        logs = sorted((self.place.root / "logs").glob("*.log"))
        return [f"--- {path.stem}\n{tail(path)}" for path in logs if path.stat().st_size]

    def _write_post_config(self) -> None:
        broker_port, enrolment_port, console_port = self._ports
        write_toml(
            self._post_config,
            {
                "data_dir": str(self._post_data),
                "broker": {"host": "127.0.0.1", "port": broker_port},
                "enrolment": {"host": "127.0.0.1", "port": enrolment_port},
                "console": {"host": "127.0.0.1", "port": console_port},
                "relay": self.plan.relay,
                **({} if self.mobile is None else {"sms": {"modems": self._modem_tables()}}),
                "radio": {
                    "voice": {
                        "audio_out": f"unix:{self._channel_path}",
                        "ptt_lead_ms": self.plan.ptt_lead_ms,
                        "sayings": self.plan.sayings,
                    }
                },
            },
        )

    def _post_modems(self) -> list[tuple[str, Path]]:
        """Return the number and the port of each of the post's modems."""
        numbers = [] if self.mobile is None else self.mobile.post_numbers
        return [
            (number, self.place.root / f"post-modem-{index}")
            for index, number in enumerate(numbers, start=1)
        ]

    def _modem_tables(self) -> list[TomlTable]:
        rate_per_min = 0.0 if self.mobile is None else self.mobile.plan.rate_per_min
        return [
            {
                "name": port.name,
                "port": str(port),
                "number": number,
                "rate_per_min": rate_per_min,
            }
            for number, port in self._post_modems()
        ]

    def _tell(self, stage: str, subject: str, at_s: float) -> None:
        self.stamps.record(stage, subject, int(at_s * 1e9))

    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "PYTHONPATH": str(_HUB),
            TRACE_VARIABLE: str(self._trace_path),
            # No pin of a Raspberry Pi here: gpiozero's own stand-in for them.
            "GPIOZERO_PIN_FACTORY": "mock",
            "PYTHONUNBUFFERED": "1",
        }


def _bring_clips(source: Path, target: Path) -> None:
    """Copy the spoken numbers and phrases: they are alike in every town, and slow to render.

    Each carries a fingerprint of its words and voice, so a stale one is made anew. No shop's.
    """
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    for clip in source.glob("common-*.wav"):
        copy = target / clip.name
        if not copy.exists() or not filecmp.cmp(clip, copy, shallow=False):
            half = target / f".{clip.name}.{os.getpid()}"
            shutil.copyfile(clip, half)
            half.replace(copy)
