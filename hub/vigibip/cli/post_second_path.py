"""`vigibip post phone|officer|status`: the second path's numbers, and how the post stands."""

from dataclasses import asdict
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Annotated

import typer

from vigibip.base.errors import UsageError
from vigibip.cli.post_place import (
    DEFAULT_CONFIG,
    AsJson,
    Config,
    post_settings,
    print_codes,
    print_json,
    with_store,
)

if TYPE_CHECKING:
    from vigibip.post.config import PostSettings
    from vigibip.post.standing import PostStanding
    from vigibip.post.store import Store

app = typer.Typer()

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
    settings = post_settings(config)
    told = _number(settings, number) if number else None

    async def put(store: "Store") -> None:
        from vigibip.base.clock import SystemClock
        from vigibip.post.store.second_path import SecondPathStore

        await SecondPathStore(store, SystemClock()).set_phone(box, told)

    with_store(settings, put)
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
    settings = post_settings(config)
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

    codes = with_store(settings, put)
    if as_json:
        print_json({"callsign": callsign, "phone": told, "codes": codes})
        return
    if told is None:
        print(f"{callsign} n'est plus appelé")
        return
    print(f"Carte SMS : {callsign}")
    print("Pour répondre au SMS d'un boîtier : son mot, puis un code. Barrez chaque code utilisé.")
    print("Ces codes ne valent rien à la radio.")
    print_codes(codes)


@app.command()
def status(config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Dire comment va le poste : modems, capacité, boîtiers, pannes. Code 1 s'il y a une panne."""
    settings = post_settings(config)

    async def read(store: "Store") -> "PostStanding":
        from vigibip.base.clock import SystemClock
        from vigibip.post.standing import standing

        return await standing(settings, store, SystemClock())

    told = with_store(settings, read)
    if as_json:
        print_json(asdict(told))
    else:
        _print(told, settings.zone)
    if told.faults or not told.running:
        raise typer.Exit(1)


def _print(told: "PostStanding", zone: tzinfo) -> None:
    from vigibip.base.catalogue import catalogue
    from vigibip.console.words import FAULTS, MODEM_STATES, UNKNOWN_FAULT

    say = catalogue("fr").gettext
    print("le poste tourne" if told.running else "le poste ne tourne pas : rien n'arrive")
    if told.modems:
        print(
            f"SMS : {told.capacity.rate_per_min:g} par minute, {told.capacity.waiting} en attente,"
            f" vide en {told.capacity.minutes_to_empty:g} min"
        )
    else:
        print("SMS : aucun modem")
    for modem in told.modems:
        signal = "" if modem.signal_dbm is None else f", {modem.signal_dbm} dBm"
        network = " ".join(part for part in (modem.operator, modem.technology) if part)
        state = say(MODEM_STATES.get(modem.state, modem.state))
        print(f"  {modem.name} : {state}{', ' if network else ''}{network}{signal}")
        if modem.advice:
            print(f"    {modem.advice}")
    print(f"boîtiers : {len(told.boxes)}")
    for box in told.boxes:
        heard = f" ({_moment(box.heard_at, zone)})" if box.heard_at else ""
        proven = f" ({_moment(box.proven_at, zone)})" if box.proven_at else ""
        print(
            f"  {box.box_id}  {box.shop} : données : {_DATA[box.data]}{heard} ;"
            f" SMS : {_SMS[box.sms]}{proven}"
        )
    print(f"pannes : {len(told.faults)}")
    for fault in told.faults:
        about = f" ({fault.subject})" if fault.subject else ""
        title = say(FAULTS.get(fault.kind, UNKNOWN_FAULT).title)
        print(f"  {title}{about}, depuis {_moment(fault.since, zone)}")
        print(f"    {fault.kind}  {fault.detail}".rstrip())


def _moment(at: datetime, zone: tzinfo) -> str:
    return at.astimezone(zone).strftime("%d/%m %H:%M")


def _number(settings: "PostSettings", text: str) -> str:
    from vigibip.post.sms_cards import read_number

    number = read_number(text)
    if number in [modem.number for modem in settings.sms.modems]:
        raise UsageError("ce numéro est celui d'un modem du poste")
    return number
