"""`vigibip box …`: thin; the work is in vigibip.box, imported by the command that needs it."""

import json
import sys
from typing import Annotated, Any

import typer

from vigibip.base.errors import ConfigurationError, PeerError, UsageError, VigibipError
from vigibip.cli import box_bips, box_update
from vigibip.cli.box_place import DEFAULT_CONFIG, AsJson, Config, box_settings

app = typer.Typer()
app.add_typer(box_bips.app)
app.add_typer(box_update.app)

DeviceId = Annotated[str, typer.Option("--device", help="Identifiant du bip : 8 chiffres hexa.")]


@app.command()
def check(config: Config = DEFAULT_CONFIG) -> None:
    """Vérifier la configuration : toutes les erreurs d'un coup, code 2 s'il y en a."""
    settings = box_settings(config)
    mistakes: list[tuple[str, str]] = []
    if not settings.data_dir.is_dir():
        mistakes.append(("data_dir", "this directory does not exist"))
    else:
        from vigibip.box.enrolment import load_enrolment

        try:
            load_enrolment(settings.enrolment_path)
        except VigibipError as error:
            mistakes.append(("data_dir", str(error)))
    if mistakes:
        raise ConfigurationError(str(config), mistakes)
    print(f"{config} : aucune erreur")


@app.command()
def enrol(
    token: Annotated[
        str, typer.Argument(help="Le jeton donné par le poste ; « - » : lu sur l'entrée standard.")
    ],
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Enrôler ce boîtier avec le jeton à usage unique que le poste a donné."""
    settings = box_settings(config)
    from vigibip.alert.enrolment_token import TEXT_MAX_LENGTH, EnrolmentToken
    from vigibip.base.clock import SystemClock
    from vigibip.box.enrolling import CLOCK_BEHIND_MAX_S, enrol

    text = sys.stdin.readline(TEXT_MAX_LENGTH + 1) if token == "-" else token
    done = enrol(EnrolmentToken.parse(text), settings.enrolment_path, SystemClock())
    if abs(done.clock_behind_s) > CLOCK_BEHIND_MAX_S:
        minutes = round(abs(done.clock_behind_s) / 60)
        way = "retarde" if done.clock_behind_s > 0 else "avance"
        print(f"attention : l'horloge de ce boîtier {way} de {minutes} min", file=sys.stderr)
    box_id = done.enrolment.box_id
    print(json.dumps({"box": box_id}) if as_json else f"ce boîtier est maintenant {box_id}")


@app.command()
def run(
    config: Config = DEFAULT_CONFIG,
    verbose: Annotated[bool, typer.Option("--verbose", help="Journal détaillé.")] = False,
) -> None:
    """Faire tourner le boîtier, jusqu'à SIGTERM."""
    settings = box_settings(config)
    from vigibip.box.run import run_box

    run_box(settings, verbose=verbose)


@app.command()
def pair(
    name: Annotated[str, typer.Option("--name", help="Où ou à qui est ce bip.")],
    device: Annotated[
        str | None, typer.Option("--device", help="Identifiant du bip : 8 chiffres hexa.")
    ] = None,
    label: Annotated[
        bool, typer.Option("--label", help="Lire l'étiquette du bip à la place (un lecteur de QR).")
    ] = False,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Appairer un bip ; sa clé (32 chiffres hexa) ou son étiquette vient de l'entrée standard."""
    settings = box_settings(config)
    from vigibip.box.pairing import pair_device

    if label == (device is not None):
        raise UsageError("soit --device, soit --label")
    said = sys.stdin.readline(256)
    if device is None:
        from vigibip.workshop.label import Label

        read = Label.parse(said)
        device, said = f"{read.device_id:08x}", read.key.hex()
    pair_device(settings, device, name, said)
    print(f"bip {device} appairé")


@app.command()
def revoke(device: DeviceId, config: Config = DEFAULT_CONFIG) -> None:
    """Ne plus écouter un bip perdu ou remplacé ; son identifiant ne resservira pas."""
    settings = box_settings(config)
    from vigibip.box.pairing import revoke_paired

    revoke_paired(settings, device)
    print(f"bip {device} révoqué")


@app.command()
def resend(
    alert: Annotated[str, typer.Argument(help="L'alerte mise de côté : 16 chiffres hexa.")],
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Renvoyer une alerte que le poste avait refusée, une fois réparé ce qui n'allait pas."""
    settings = box_settings(config)
    from vigibip.alert.ids import AlertId
    from vigibip.box.control import ask

    try:
        alert_id = AlertId.parse(alert.strip().lower())
    except ValueError as error:
        raise UsageError(
            "une alerte a 16 chiffres hexa ; « vigibip box status » les dit après « refused: »"
        ) from error
    told = ask(settings.control_path, "resend", alert=str(alert_id))
    if "error" in told:
        raise UsageError(f"alerte {alert_id} : {told['error']}")
    print(f"alerte {alert_id} " + ("renvoyée" if told["sent"] else "en attente d'une voie"))
    if not told["kept"]:
        print("attention : le disque refuse ; à refaire si le boîtier redémarre", file=sys.stderr)


@app.command()
def status(config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Dire comment va le boîtier. Code 0 : tout va bien ; 1 : défaut, ou il ne tourne pas."""
    settings = box_settings(config)
    from vigibip.box.control import ask
    from vigibip.box.pairing import describe_stopped

    try:
        told = ask(settings.control_path, "status")
    except PeerError as error:
        print(f"vigibip: {error}", file=sys.stderr)
        told = describe_stopped(settings)
    print(json.dumps(told, ensure_ascii=False) if as_json else _in_words(told))
    if told["faults"] or not told["running"]:
        raise typer.Exit(1)


@app.command()
def commission(config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Essayer la voie SMS pour de vrai : code 0 prouvée, 3 prouvée mais pas à part, 1 non."""
    settings = box_settings(config)
    from vigibip.box.commissioning import commission as prove
    from vigibip.box.commissioning import modem_words

    done = prove(settings.control_path, lambda line: print(line, file=sys.stderr))
    if as_json:
        told = {"proven": done.proven, "why": done.why, "warnings": done.warnings}
        print(json.dumps(told | {"sms": done.told}, ensure_ascii=False))
    else:
        print(modem_words(done.told["modem"]))
        print("voie SMS prouvée" if done.proven else f"voie SMS NON PROUVÉE : {done.why}")
    for warning in done.warnings:
        print(f"attention : {warning}", file=sys.stderr)
    if not done.proven:
        raise typer.Exit(1)
    if done.warnings:
        raise typer.Exit(3)


def _in_words(told: dict[str, Any]) -> str:
    lines = ["boîtier en marche" if told["running"] else "boîtier arrêté, ou qui NE RÉPOND PAS"]
    lines += [
        f"voie {one['name']} : {'établie' if one['up'] else 'COUPÉE'}"
        for one in told.get("carriers", [])
    ]
    if told.get("sms"):
        lines += _sms_in_words(told["sms"])
    lines.append(f"alertes en attente : {told['queued']}")
    for device in told["devices"]:
        line = f"bip {device['id']} {device['name']}"
        line += f" : entendu {device['heard']}" if device["heard"] else " : jamais entendu"
        if device["battery_mv"]:
            line += f", pile {device['battery_mv']} mV"
        lines.append(line)
    for fault in told["faults"]:
        lines.append(f"DÉFAUT {fault['code']} depuis {fault['since']} : {fault['what']}")
        lines.append(f"  détail : {fault['detail']}")
        lines.append(f"  à faire : {fault['todo']}")
    return "\n".join(lines)


def _sms_in_words(sms: dict[str, Any]) -> list[str]:
    from vigibip.box.commissioning import modem_words

    lines = [modem_words(sms["modem"])]
    if sms["modem"].get("advice"):
        lines.append(f"  conseil : {sms['modem']['advice']}")
    lines.append(f"SMS : prouvée le {sms['proven']}" if sms["proven"] else "SMS : jamais prouvée")
    lines.append(f"  en attente dans le modem : {sms['waiting']}")
    if not sms["contacts_edition"]:
        lines.append("  le poste n'a pas encore donné ses numéros")
    elif not sms["officer"]:
        lines.append("  aucun agent n'est à appeler en dernier recours")
    return lines
