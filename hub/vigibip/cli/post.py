"""`vigibip post …`: thin; the work is in vigibip.post, imported by the command that needs it."""

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from vigibip.cli import post_console, post_enrolment, post_second_path
from vigibip.cli.post_place import (
    DEFAULT_CONFIG,
    AsJson,
    Config,
    post_settings,
    print_codes,
    print_json,
    with_store,
)

app = typer.Typer()

_STATES = {
    "open": "sans réponse",
    "coming": "en route",
    "on_scene": "sur place",
    "closed": "clos",
}


@app.command()
def init(config: Config = DEFAULT_CONFIG) -> None:
    """Préparer le poste : autorité, base, voix. Sans effet sur ce qui existe déjà."""
    settings = post_settings(config)
    from vigibip.post.setting_up import set_up

    authority = set_up(settings, lambda text: print(text, file=sys.stderr))
    print(f"le poste est prêt ; empreinte de son autorité : {authority.fingerprint}")


@app.command()
def check(config: Config = DEFAULT_CONFIG) -> None:
    """Vérifier la configuration : toutes les erreurs d'un coup, code 2 s'il y en a."""
    settings = post_settings(config)
    from vigibip.post import setting_up

    setting_up.check(settings, str(config))
    print(f"{config} : aucune erreur")


@app.command()
def run(
    config: Config = DEFAULT_CONFIG,
    verbose: Annotated[bool, typer.Option("--verbose", help="Journal détaillé.")] = False,
) -> None:
    """Faire tourner le poste, jusqu'à SIGTERM."""
    settings = post_settings(config)
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
    settings = post_settings(config)
    found = with_store(settings, lambda store: store.incidents(open_only=not closed, limit=limit))
    if as_json:
        print_json([asdict(one) for one in found])
        return
    if not found:
        print("aucun incident" if closed else "aucun incident ouvert")
    for one in found:
        number = "--" if one.number is None else f"{one.number:02d}"
        opened = one.opened_at.astimezone(settings.zone).strftime("%d/%m %H:%M:%S")
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
    settings = post_settings(config)
    from vigibip.post.cards import new_card

    made = with_store(settings, lambda store: new_card(store, callsign, settings.answers))
    if as_json:
        print_json({"card": made.card_id, "callsign": callsign, "codes": made.codes})
        return
    print(f"Carte {made.card_id} : {callsign}")
    print("Pour répondre : numéro de l'incident, *, un code, #. Barrez chaque code utilisé.")
    print("Pas de confirmation ? Recommencez avec le code suivant.")
    print_codes(made.codes)


app.add_typer(post_enrolment.app)
app.add_typer(post_second_path.app)
app.add_typer(post_console.app)
