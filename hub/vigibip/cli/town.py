"""`vigibip town`: the simulated town, for the demonstration and the measurements."""

from __future__ import annotations

import time
from typing import Annotated

import typer

_STARTED_S = time.monotonic()

app = typer.Typer()

Json = Annotated[bool, typer.Option("--json", help="Écrire un objet JSON sur la sortie.")]
Shops = Annotated[int, typer.Option(min=1, max=9, help="Nombre de commerces.")]


def _say(text: str) -> None:
    typer.echo(text, err=True)


@app.command()
def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Un appui jusqu'à la réponse, sans clavier.")
    ] = False,
    data_cut: Annotated[
        bool, typer.Option("--data-cut", help="Avec --once : sans données, tout passe par SMS.")
    ] = False,
    as_json: Json = False,
    shops: Shops = 3,
) -> None:
    """La ville dans le terminal : appuyer, couper le réseau, répondre."""
    import asyncio

    from vigibip.base.errors import UsageError

    if data_cut and not once:
        raise UsageError("--data-cut va avec --once ; au clavier, la touche c coupe les données")
    if once:
        from vigibip.town.demo import run_once

        result = asyncio.run(run_once(_say, shops=1, data_cut=data_cut, started_s=_STARTED_S))
        if as_json:
            typer.echo(result.to_json())
        else:
            typer.echo(result.to_text())
        raise typer.Exit(0 if result.felt else 1)
    from vigibip.town.live import run_live

    asyncio.run(run_live(_say, shops=shops))


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="Nom de la mesure (voir --list).")] = "",
    as_json: Json = False,
    list_all: Annotated[bool, typer.Option("--list", help="Énumérer les mesures.")] = False,
) -> None:
    """Les mesures : 0 si tout tient, 1 si une cible est manquée, 2 si rien n'a pu être mesuré."""
    from vigibip.town.benches import BENCHES, find

    if list_all:
        for bench_name, (_, text) in BENCHES.items():
            typer.echo(f"{bench_name:<12} {text}")
        return
    import asyncio

    from vigibip.base.errors import UsageError, VigibipError

    if not name:
        raise UsageError("dites quelle mesure, ou --list")
    measure = find(name)
    try:
        report = asyncio.run(measure(_say))
    except UsageError:
        raise
    except (VigibipError, OSError) as error:
        _say(f"vigibip: la mesure n'a pas pu se faire : {error}")
        raise typer.Exit(2) from error
    typer.echo(report.to_json() if as_json else report.to_text())
    raise typer.Exit(0 if report.holds else 1)


@app.command()
def run(shops: Shops = 3) -> None:
    """Une ville qui tourne jusqu'à Ctrl-C, sans écran : pour essayer la console ou un boîtier."""
    import asyncio

    from vigibip.town.live import run_quietly

    asyncio.run(run_quietly(typer.echo, shops=shops))
