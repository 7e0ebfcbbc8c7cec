"""`vigibip box update`: the image that the box gives to its bips."""

import os
from pathlib import Path
from typing import Annotated

import typer

from vigibip.base.errors import StorageError, UsageError
from vigibip.cli.box_place import DEFAULT_CONFIG, Config, box_settings

app = typer.Typer()


@app.command()
def update(
    image: Annotated[
        Path | None, typer.Argument(help="Une image signée pour bips.", metavar="[IMAGE]")
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="N'en plus proposer aucune.")] = False,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Proposer une image aux bips, un à la fois, jamais pendant une alerte ; chacun la vérifie."""
    from vigibip.box.updates import read_offer

    place = box_settings(config).update_path
    if none == (image is not None):
        raise UsageError("une image, ou --none")
    try:
        if image is None:
            place.unlink(missing_ok=True)
            return
        offer = read_offer(image)
        if offer is None:
            raise UsageError(f"{image} : ce fichier n'existe pas")
        # Whole or not at all, whenever the power goes.
        fresh = place.with_name(place.name + ".new")
        with fresh.open("wb") as file:
            file.write(offer.content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(place)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"{place}: {error.strerror}") from error
    print(f"{offer.version >> 8}.{offer.version & 0xFF}, édition {offer.edition}")
