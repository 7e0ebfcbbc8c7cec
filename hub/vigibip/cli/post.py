"""`vigibip post …`: thin; the work is in vigibip.post, imported by the command that needs it."""

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vigibip.cli import post_console, post_enrolment, post_second_path

if TYPE_CHECKING:
    from vigibip.post.config import PostSettings
    from vigibip.post.store.records import IncidentView

app = typer.Typer()

DEFAULT_CONFIG = Path("/etc/vigibip/post.toml")
Config = Annotated[Path, typer.Option("--config", help="Le fichier de configuration.")]
AsJson = Annotated[bool, typer.Option("--json", help="En JSON, pour les programmes.")]

_STATES = {
    "open": "sans réponse",
    "coming": "en route",
    "on_scene": "sur place",
    "closed": "clos",
}


@app.command()
def init(config: Config = DEFAULT_CONFIG) -> None:
    """Préparer le poste : autorité, base, voix. Sans effet sur ce qui existe déjà."""
    settings = _settings(config)
    from vigibip.post.setting_up import set_up

    authority = set_up(settings, lambda text: print(text, file=sys.stderr))
    print(f"le poste est prêt ; empreinte de son autorité : {authority.fingerprint}")


@app.command()
def check(config: Config = DEFAULT_CONFIG) -> None:
    """Vérifier la configuration : toutes les erreurs d'un coup, code 2 s'il y en a."""
    settings = _settings(config)
    from vigibip.post import setting_up

    setting_up.check(settings, str(config))
    print(f"{config} : aucune erreur")


@app.command()
def run(
    config: Config = DEFAULT_CONFIG,
    verbose: Annotated[bool, typer.Option("--verbose", help="Journal détaillé.")] = False,
) -> None:
    """Faire tourner le poste, jusqu'à SIGTERM."""
    settings = _settings(config)
    from vigibip.post.run import run_post

    run_post(settings, verbose=verbose)


@app.command()
def incidents(
    config: Config = DEFAULT_CONFIG,
    closed: Annotated[bool, typer.Option("--all", help="Les incidents clos aussi.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="Au plus tant.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Lister les incidents : d'abord les ouverts, le dernier appui en tête."""
    settings = _settings(config)

    async def read() -> "list[IncidentView]":
        from vigibip.post.setting_up import require_store

        store = await require_store(settings)
        try:
            return await store.incidents(open_only=not closed, limit=limit)
        finally:
            store.close()

    found = asyncio.run(read())
    if as_json:
        print(json.dumps([_as_json(one) for one in found], ensure_ascii=False))
        return
    if not found:
        print("aucun incident" if closed else "aucun incident ouvert")
    for one in found:
        number = "--" if one.number is None else f"{one.number:02d}"
        opened = one.opened_at.astimezone().strftime("%d/%m %H:%M:%S")
        by = f", {one.answered_by}" if one.answered_by else ""
        print(
            f"{number}  {opened}  {_STATES[one.state.value]}{by}"
            f"  {one.shop_name}, {one.shop_address}  ({one.presses} appui(s))"
        )


@app.command()
def card(
    callsign: Annotated[str, typer.Argument(help="L'indicatif de l'agent ou de l'équipage.")],
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Imprimer une carte de codes à usage unique ; la précédente de cet indicatif ne vaut plus."""
    settings = _settings(config)

    async def make() -> "tuple[int, tuple[str, ...]]":
        from vigibip.post.cards import new_card
        from vigibip.post.setting_up import require_store

        store = await require_store(settings)
        try:
            made = await new_card(store, callsign, settings.answers)
            return made.card_id, made.codes
        finally:
            store.close()

    number, codes = asyncio.run(make())
    if as_json:
        print(json.dumps({"card": number, "callsign": callsign, "codes": list(codes)}))
        return
    print(f"Carte {number} : {callsign}")
    print("Pour répondre : numéro de l'incident, *, un code, #. Barrez chaque code utilisé.")
    print("Pas de confirmation ? Recommencez avec le code suivant.")
    for start in range(0, len(codes), 5):
        print("   ".join(codes[start : start + 5]))


def _settings(config: Path) -> "PostSettings":
    from vigibip.post.config import load_post_settings

    return load_post_settings(config)


def _as_json(one: "IncidentView") -> dict[str, Any]:
    from dataclasses import asdict
    from datetime import datetime

    def plain(value: Any) -> Any:
        if isinstance(value, datetime):
            return value.isoformat()
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(inner) for inner in value]
        return value

    told = plain(asdict(one))
    return dict(told)


app.add_typer(post_enrolment.app)
app.add_typer(post_second_path.app)
app.add_typer(post_console.app)
