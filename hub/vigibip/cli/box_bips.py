"""`vigibip box bips|bip-settings|commission-reach`: each bip, how it is set, and its place."""

import json
import sys
from enum import StrEnum
from typing import Annotated, Any

import typer

from vigibip.base.errors import PeerError
from vigibip.cli.box_place import DEFAULT_CONFIG, AsJson, Config, box_settings

app = typer.Typer()

_RESET_CAUSES = {
    "power-on": "mise sous tension",
    "hard": "remise à zéro",
    "watchdog": "chien de garde",
    "deep-sleep": "sortie de veille",
    "soft": "redémarrage du logiciel",
}
# What a status complains of, in the order in which people should read it.
_COMPLAINTS = {
    "button_stuck": "BOUTON COINCÉ",
    "battery_low": "PILE FAIBLE",
    "last_resort": "LOGICIEL DE SECOURS",
}


@app.command()
def bips(config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Dire de chaque bip ce qu'il a dit de lui-même. Code 1 : le boîtier ne tourne pas."""
    settings = box_settings(config)
    from vigibip.base.clock import SystemClock
    from vigibip.box.bip_facts import facts_of_stopped
    from vigibip.box.control import ask

    try:
        told = ask(settings.control_path, "bips")
    except PeerError as error:
        print(f"vigibip: {error}", file=sys.stderr)
        told = facts_of_stopped(settings, SystemClock().utc())
    if as_json:
        print(json.dumps(told, ensure_ascii=False))
    else:
        lines = [line for one in told["bips"] for line in _in_words(one)] or ["aucun bip"]
        print("\n".join(lines + _update_in_words(told.get("update"))))
    if not told["running"]:
        raise typer.Exit(1)


class _Switch(StrEnum):
    ON = "on"
    OFF = "off"


def _option(name: str, text: str, *, unit: str | None = None) -> Any:
    return typer.Option(name, help=text, metavar=unit)


@app.command("bip-settings")
def bip_settings(
    bip: Annotated[str, typer.Argument(help="Identifiant du bip : 8 chiffres hexa.")],
    vibration: Annotated[
        int | None, _option("--vibration", "Force, de 0 (aucune) à 100.", unit="%")
    ] = None,
    light: Annotated[
        _Switch | None, _option("--light", "La lumière ; éteinte, rien ne se voit en boutique.")
    ] = None,
    status_interval: Annotated[
        int | None, _option("--status-interval", "Entre deux états, de 5 à 1440.", unit="MIN")
    ] = None,
    severity: Annotated[
        _Switch | None, _option("--severity", "Appuyer encore dit que c'est plus grave.")
    ] = None,
    withdrawal: Annotated[
        _Switch | None,
        _option("--withdrawal", "Un rythme dit « fausse alerte », sans rien arrêter."),
    ] = None,
    duress: Annotated[
        _Switch | None, _option("--duress", "Un rythme semblable dit « sous la contrainte ».")
    ] = None,
    wifi_after: Annotated[
        int | None,
        _option("--wifi-after", "Sans réponse, aussi par Wi-Fi ; 0 : jamais.", unit="MS"),
    ] = None,
    battery_low: Annotated[
        int | None, _option("--battery-low", "En dessous il se plaint ; 0 : d'office.", unit="MV")
    ] = None,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Régler un bip ; ce qui n'est pas nommé reste. Il le prend avec son prochain état."""
    settings = box_settings(config)
    from vigibip.box.bip_settings import set_bip

    numbers = {
        "strength_pct": vibration,
        "led": None if light is None else light is _Switch.ON,
        "status_min": status_interval,
        "udp_after_ms": wifi_after,
        "battery_low_mv": battery_low,
    }
    switches = {"severity": severity, "withdrawal": withdrawal, "duress": duress}
    after = set_bip(
        settings,
        bip,
        {name: value for name, value in numbers.items() if value is not None},
        {name: one is _Switch.ON for name, one in switches.items() if one is not None},
    )
    if as_json:
        print(json.dumps({"bip": bip, "edition": after.edition}))
    else:
        print(f"bip {bip} : réglages n° {after.edition}, pris avec son prochain état")


@app.command("commission-reach")
def commission_reach(config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Dire que bips et récepteur sont à leur place : leur force se compare à demain."""
    settings = box_settings(config)
    from vigibip.box.control import ask

    told = ask(settings.control_path, "commission-reach")
    if as_json:
        print(json.dumps(told))
    else:
        print(f"{told['bips']} bips : la première journée complète dira ce qui est normal")
    if not told["kept"]:
        raise typer.Exit(1)


def _in_words(bip: dict[str, Any]) -> list[str]:
    heard = f"entendu {bip['heard']}" if bip["heard"] else "jamais entendu"
    lines = [f"bip {bip['id']} {bip['name']} : {heard}"]
    lines += _battery_in_words(bip["battery"])
    lines += _settings_in_words(bip["settings"])
    status = bip["status"]
    if status is None:
        return [*lines, "  n'a encore rien dit de lui-même"]
    lines += [f"  {words}" for name, words in _COMPLAINTS.items() if status[name]]
    cause = _RESET_CAUSES.get(status["reset_cause"], status["reset_cause"])
    battery = "pile inconnue" if status["battery_mv"] is None else f"pile {status['battery_mv']} mV"
    every = (
        ""
        if status["interval_min"] is None
        else f", un état toutes les {status['interval_min']} min"
    )
    lines.append(f"  état du {status['told']} : {battery}, logiciel {status['firmware']}{every}")
    lines.append(
        f"  radio : reçu à {_dbm(status['rssi_dbm'])}, "
        f"il nous reçoit à {_dbm(status['rssi_of_replies_dbm'])}"
    )
    lines.append(
        f"  appuis sans réponse {status['unheard']}, sans le poste {status['unreached']} ; "
        f"envois ratés {status['sends_failed']}, écritures ratées {status['stores_failed']}"
    )
    fell = f", la dernière à {status['last_crash']}" if status["last_crash"] else ""
    lines.append(f"  dernier départ : {cause} ; chutes {status['crashes']}{fell}")
    return lines


def _update_in_words(update: dict[str, Any] | None) -> list[str]:
    if update is None:
        return []
    line = f"mise à jour {update['version']}, édition {update['edition']} : "
    line += f"{update['have_it']} bips l'ont"
    if update["came_back"]:
        line += " ; UN BIP L'A QUITTÉE : elle n'est plus proposée à personne"
    elif update["taking"] is not None:
        line += f", proposée au bip {update['taking']}"
    return [line]


def _battery_in_words(battery: dict[str, Any] | None) -> list[str]:
    if battery is None:
        return []
    basis = "calcul, jamais mesuré" if battery["basis"] == "profile" else "d'après sa tension"
    return [
        f"  pile : environ {battery['left_pct']:.0f} %, encore {battery['days_left']} jours "
        f"à {battery['error_days']} près ({basis})"
    ]


def _settings_in_words(settings: dict[str, Any]) -> list[str]:
    if not settings["edition"]:
        return ["  réglages : d'origine, sans vibration"]
    allowed = [
        words
        for name, words in {
            "led": "lumière",
            "severity": "gravité",
            "withdrawal": "retrait",
            "duress": "contrainte",
        }.items()
        if settings[name]
    ]
    wifi = f", Wi-Fi après {settings['udp_after_ms']} ms" if settings["udp_after_ms"] else ""
    line = (
        f"  réglages n° {settings['edition']} : vibration {settings['strength_pct']} %, "
        f"un état toutes les {settings['status_min']} min{wifi} ; "
        f"permis : {', '.join(allowed) or 'rien de plus'}"
    )
    return [line, *(["  ces réglages attendent son prochain état"] if settings["waiting"] else [])]


def _dbm(rssi_dbm: int | None) -> str:
    return "? dBm" if rssi_dbm is None else f"{rssi_dbm} dBm"
