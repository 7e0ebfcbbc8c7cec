"""`vigibip post phone|officer|status`: the second path's numbers, and how the post stands."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from vigibip.base.errors import UsageError

if TYPE_CHECKING:
    from vigibip.post.config import PostSettings
    from vigibip.post.standing import PostStanding
    from vigibip.post.store import Store

app = typer.Typer()

Config = Annotated[Path, typer.Option("--config", help="Le fichier de configuration.")]
AsJson = Annotated[bool, typer.Option("--json", help="En JSON, pour les programmes.")]
DEFAULT_CONFIG = Path("/etc/vigibip/post.toml")
T = TypeVar("T")

_DATA = {
    "heard": "entendu",
    "silent": "muet sur les données",
    "lost": "perdu",
    "never": "jamais entendu",
}
_SMS = {"proven": "prouvés", "unproven": "non prouvés", "none": "aucun"}


@app.command()
def phone(
    box: Annotated[str, typer.Argument(help="L'identifiant du boîtier.")],
    number: Annotated[
        str, typer.Argument(help="Le numéro de sa carte SIM, comme +33639980101.")
    ] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Il n'a plus de voie SMS.")] = False,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Dire de quel numéro viennent les SMS d'un boîtier, en changer, ou l'enlever."""
    if bool(number) == remove:
        raise UsageError("donner un numéro, ou --remove")
    from vigibip.post.config import load_post_settings

    settings = load_post_settings(config)
    told = _number(settings, number) if number else None

    async def put(store: "Store") -> None:
        from vigibip.base.clock import SystemClock
        from vigibip.post.store.second_path import SecondPathStore

        await SecondPathStore(store, SystemClock()).set_phone(box, told)

    _with_store(settings, put)
    print(f"{box} : plus de voie SMS" if told is None else f"{box} : ses SMS viennent de {told}")


@app.command()
def officer(
    callsign: Annotated[str, typer.Argument(help="L'indicatif de l'agent.")],
    number: Annotated[
        str, typer.Option("--phone", help="Le numéro de son téléphone, comme +33639980201.")
    ] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Ne plus l'appeler.")] = False,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Nommer l'agent que les boîtiers appellent par SMS en dernier recours, et imprimer sa carte.

    Sa carte précédente ne vaut plus. Les boîtiers appellent le dernier agent nommé.
    """
    if bool(number) == remove:
        raise UsageError("donner --phone, ou --remove")
    from vigibip.post.config import load_post_settings

    settings = load_post_settings(config)
    told = _number(settings, number) if number else None

    async def put(store: "Store") -> "tuple[str, ...]":
        from vigibip.base.clock import SystemClock
        from vigibip.post.sms_cards import new_sms_card
        from vigibip.post.store.second_path import SecondPathStore

        second = SecondPathStore(store, SystemClock())
        if told is not None:
            return (await new_sms_card(second, callsign, told)).codes
        if not await second.remove_officer(callsign):
            raise UsageError(f"aucun boîtier n'appelle {callsign}")
        return ()

    codes = _with_store(settings, put)
    if as_json:
        print(json.dumps({"callsign": callsign, "phone": told, "codes": list(codes)}))
        return
    if told is None:
        print(f"{callsign} n'est plus appelé")
        return
    print(f"Carte SMS : {callsign}")
    print("Pour répondre au SMS d'un boîtier : son mot, puis un code. Barrez chaque code utilisé.")
    print("Ces codes ne valent rien à la radio.")
    for start in range(0, len(codes), 5):
        print("   ".join(codes[start : start + 5]))


@app.command()
def status(config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Dire comment va le poste : modems, capacité, boîtiers, pannes. Code 1 s'il y a une panne."""
    from vigibip.post.config import load_post_settings

    settings = load_post_settings(config)

    async def read(store: "Store") -> "PostStanding":
        from vigibip.base.clock import SystemClock
        from vigibip.post.standing import standing

        return await standing(settings, store, SystemClock())

    told = _with_store(settings, read)
    if as_json:
        print(json.dumps(_as_json(told), ensure_ascii=False))
    else:
        _print(told)
    if told.faults or not told.running:
        raise typer.Exit(1)


def _print(told: "PostStanding") -> None:
    print("le poste tourne" if told.running else "le poste ne tourne pas : rien n'arrive")
    if told.modems:
        print(
            f"SMS : {told.rate_per_min:g} par minute, {told.waiting} en attente,"
            f" vide en {told.minutes_to_empty:g} min"
        )
    else:
        print("SMS : aucun modem")
    for modem in told.modems:
        signal = "" if modem.signal_dbm is None else f", {modem.signal_dbm} dBm"
        network = " ".join(part for part in (modem.operator, modem.technology) if part)
        print(f"  {modem.name} : {modem.state}{', ' if network else ''}{network}{signal}")
        if modem.advice:
            print(f"    {modem.advice}")
    print(f"boîtiers : {len(told.boxes)}")
    for box in told.boxes:
        heard = f" ({_moment(box.heard_at)})" if box.heard_at else ""
        proven = f" ({_moment(box.proven_at)})" if box.proven_at else ""
        print(
            f"  {box.box_id}  {box.shop} : données : {_DATA[box.data]}{heard} ;"
            f" SMS : {_SMS[box.sms]}{proven}"
        )
    print(f"pannes : {len(told.faults)}")
    for fault in told.faults:
        about = f" {fault.subject}" if fault.subject else ""
        print(f"  {fault.kind}{about}, depuis {_moment(fault.since)}  {fault.detail}".rstrip())


def _as_json(told: "PostStanding") -> dict[str, Any]:
    from dataclasses import asdict

    def plain(value: Any) -> Any:
        if isinstance(value, datetime):
            return value.isoformat()
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(inner) for inner in value]
        return value

    capacity = {
        "rate_per_min": told.rate_per_min,
        "waiting": told.waiting,
        "minutes_to_empty": told.minutes_to_empty,
    }
    return {**plain(asdict(told)), "capacity": capacity}


def _moment(at: datetime) -> str:
    return at.astimezone().strftime("%d/%m %H:%M")


def _number(settings: "PostSettings", text: str) -> str:
    from vigibip.post.sms_cards import read_number

    number = read_number(text)
    if number in [modem.number for modem in settings.sms.modems]:
        raise UsageError("ce numéro est celui d'un modem du poste")
    return number


def _with_store(settings: "PostSettings", work: "Callable[[Store], Coroutine[Any, Any, T]]") -> T:
    async def run() -> T:
        from vigibip.post.setting_up import require_store

        store = await require_store(settings)
        try:
            return await work(store)
        finally:
            store.close()

    return asyncio.run(run())
