"""From nothing to an enrolled shop, by the very commands that an installer types."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from vigibip.box.config import BoxSettings
from vigibip.town.children import Children, vigibip_command
from vigibip.town.errors import TownError
from vigibip.town.plans import ShopPlan

TomlTable = dict[str, "str | int | float | bool | TomlTable | list[TomlTable]"]
_INIT_DEADLINE_S = 120.0


def write_toml(path: Path, table: TomlTable) -> None:
    """Write `table` as TOML; what holds a key stays between its owner and the programs."""
    path.write_text("\n".join(_lines(table, "")) + "\n", encoding="utf-8")
    path.chmod(0o600)


def _lines(table: TomlTable, prefix: str) -> list[str]:
    # A string of JSON is a basic string of TOML, and so are its numbers and booleans.
    lines = [
        f"{key} = {json.dumps(value)}"
        for key, value in table.items()
        if not isinstance(value, dict | list)
    ]
    for key, value in table.items():
        if isinstance(value, dict):
            lines += [f"[{prefix}{key}]", *_lines(value, f"{prefix}{key}.")]
        elif isinstance(value, list):
            for one in value:
                lines += [f"[[{prefix}{key}]]", *_lines(one, f"{prefix}{key}.")]
    return lines


@dataclass(frozen=True, slots=True)
class PostProvision:
    """The commands that make a post ready, over one configuration file."""

    children: Children
    config: Path

    async def init(self) -> None:
        await self.run("post-init", "init", deadline_s=_INIT_DEADLINE_S)

    async def enrol(self, plan: ShopPlan, phone: str | None = None) -> str:
        """Make the shop known to the post and return the one-time token for its box.

        `phone`: the number that the box's SMS come from; None when it sends none.
        """
        told = await self.run(
            *("post-enrol", "enrol", "--json"),
            *("--name", plan.name, "--spoken", plan.spoken, "--address", plan.address),
            *(() if phone is None else ("--phone", phone)),
        )
        return str(_json(told, "post enrol")["token"])

    async def card(self) -> list[str]:
        """Print an officer's card; return its one-time codes in their order."""
        told = _json(await self.run("post-card", "card", "Patrouille 1", "--json"), "post card")
        return [str(code) for code in told["codes"]]

    async def console_link(self) -> str:
        """Make the console's account of the demonstration; return its one-time address."""
        words = ("account", "link", "demo", "--create", "--minutes", "1440", "--json")
        return str(_json(await self.run("post-link", *words), "post account link")["url"])

    async def run(self, name: str, *words: str, deadline_s: float = 60.0) -> str:
        return await self.children.run(
            name,
            vigibip_command("post", *words, "--config", str(self.config)),
            deadline_s=deadline_s,
        )


@dataclass(frozen=True, slots=True)
class BoxProvision:
    """The commands that make a box ready, over one configuration file."""

    children: Children
    name: str
    config: Path

    async def enrol(self, token: str) -> None:
        await self._run("enrol", token)

    async def pair(self, device_id: int, name: str, key: bytes) -> None:
        words = ("pair", "--device", f"{device_id:08x}", "--name", name)
        await self._run(*words, stdin=key.hex() + "\n")

    async def _run(self, *words: str, stdin: str = "") -> None:
        command = vigibip_command("box", *words, "--config", str(self.config))
        await self.children.run(f"{self.name}-{words[0]}", command, stdin=stdin)


def lead_through(settings: BoxSettings, host: str, port: int) -> None:
    """Make the enrolled box reach its broker through the town's own line at `host`:`port`.

    The post tells every box one address; in a town each shop has a line that can be cut.
    """
    path = settings.enrolment_path
    enrolment = json.loads(path.read_text(encoding="utf-8"))
    for post in enrolment["posts"]:
        post["broker_host"], post["broker_port"] = host, port
    path.write_text(json.dumps(enrolment), encoding="utf-8")


def _json(text: str, what: str) -> dict[str, list[str] | str]:
    try:
        told = json.loads(text)
    except ValueError as error:
        raise TownError(f"{what} did not tell JSON") from error
    if not isinstance(told, dict):
        raise TownError(f"{what} did not tell one object")
    return told
