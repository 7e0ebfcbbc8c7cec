"""`vigibip post enrol|revoke|broker-config`: who may speak to this post. Thin, as all of cli."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from vigibip.base.errors import UsageError
from vigibip.cli.post_place import DEFAULT_CONFIG, AsJson, Config, hour, post_settings

app = typer.Typer()


@app.command()
def enrol(
    name: Annotated[str, typer.Option("--name", help="Le nom du commerce, pour la console.")] = "",
    spoken: Annotated[
        str, typer.Option("--spoken", help="Le nom tel que la radio le dit (par défaut : --name).")
    ] = "",
    address: Annotated[str, typer.Option("--address", help="L'adresse, dite à la radio.")] = "",
    phone: Annotated[
        str, typer.Option("--phone", help="Le numéro de la carte SIM du boîtier, pour ses SMS.")
    ] = "",
    box: Annotated[
        str, typer.Option("--box", help="Un nouveau jeton pour ce boîtier, jamais enrôlé.")
    ] = "",
    valid_h: Annotated[
        int, typer.Option("--hours", min=1, max=168, help="Durée de validité du jeton.")
    ] = 24,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Inscrire un commerce et donner le jeton à usage unique de son boîtier."""
    if bool(box) == bool(name):
        raise UsageError("donner --name (un nouveau commerce) ou --box (un nouveau jeton)")
    if box and phone:
        raise UsageError("le numéro d'un boîtier inscrit se change par `vigibip post phone`")
    from vigibip.base.clock import SystemClock
    from vigibip.post.shop_enrolment import enrol_again, enrol_shop

    settings, clock, valid_for_s = post_settings(config), SystemClock(), valid_h * 3600.0
    if box:
        made = asyncio.run(enrol_again(settings, clock, box_id=box, valid_for_s=valid_for_s))
    else:
        made = asyncio.run(
            enrol_shop(
                settings,
                clock,
                name=name,
                spoken=spoken or name,
                address=address,
                phone=phone or None,
                valid_for_s=valid_for_s,
            )
        )
    if made.clip_fault:
        print(f"attention : la phrase du commerce manque ({made.clip_fault})", file=sys.stderr)
    if as_json:
        expires = made.expires_utc.isoformat(timespec="seconds")
        told = {"box": made.box_id, "token": made.token.text(), "expires": expires}
        print(json.dumps(told))
        return
    until = hour(made.expires_utc, settings)
    print(f"boîtier {made.box_id} ; au commerce, avant le {until} :", file=sys.stderr)
    print(f"vigibip box enrol {made.token.text()}")


@app.command()
def revoke(
    box: Annotated[str, typer.Argument(help="L'identifiant du boîtier.")],
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Ne plus croire un boîtier perdu, volé ou remplacé."""
    from vigibip.base.clock import SystemClock
    from vigibip.post.shop_enrolment import revoke as revoke_box

    asyncio.run(revoke_box(post_settings(config), SystemClock(), box))
    print(f"{box} est révoqué")
    print(
        "le courtier le saura après `vigibip post broker-config` et un rechargement (SIGHUP)",
        file=sys.stderr,
    )


@app.command("broker-config")
def broker_config(
    directory: Annotated[Path, typer.Option("--directory", help="Où écrire les fichiers.")],
    user: Annotated[
        str, typer.Option("--user", help="L'utilisateur sous lequel mosquitto tourne.")
    ] = "mosquitto",
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Écrire la configuration de mosquitto : TLS mutuel, et à chaque boîtier ses seuls sujets."""
    from vigibip.post.authority import Authority
    from vigibip.post.broker_config import BrokerConfig, write_broker_config

    settings = post_settings(config)
    hosts = [settings.boxes_broker.host, settings.broker.host, "localhost", "127.0.0.1"]
    broker = BrokerConfig(hosts=list(dict.fromkeys(hosts)), port=settings.broker.port, user=user)
    print(write_broker_config(directory, Authority.load(settings.authority_dir), broker))
