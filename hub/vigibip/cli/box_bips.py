"""`vigibip box bips`: each bip, as it told of itself."""

import json
import sys
from typing import Any

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
    from vigibip.box.control import ask
    from vigibip.box.pairing import bips_of_stopped

    try:
        told = ask(settings.control_path, "bips")
    except PeerError as error:
        print(f"vigibip: {error}", file=sys.stderr)
        told = bips_of_stopped(settings)
    if as_json:
        print(json.dumps(told, ensure_ascii=False))
    else:
        print("\n".join(line for one in told["bips"] for line in _in_words(one)) or "aucun bip")
    if not told["running"]:
        raise typer.Exit(1)


def _in_words(bip: dict[str, Any]) -> list[str]:
    heard = f"entendu {bip['heard']}" if bip["heard"] else "jamais entendu"
    lines = [f"bip {bip['id']} {bip['name']} : {heard}"]
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


def _dbm(rssi_dbm: int | None) -> str:
    return "? dBm" if rssi_dbm is None else f"{rssi_dbm} dBm"
