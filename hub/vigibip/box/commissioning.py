"""`vigibip box commission`: whoever installs the box sees its SMS path work, or why it does not.

The running daemon sends the probe: it owns the modem. This only asks it and watches.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vigibip.base.errors import PeerError, UsageError
from vigibip.box.control import ask
from vigibip.box.path_proof import WhyNot

_LOOK_EACH_S = 1.0
# More than the daemon needs to try every number; a daemon that hangs must not hold the command.
_PATIENCE_S = 3600.0

SHARED_WORDS = {
    "modem": "les deux voies passent par le même modem : s'il tombe, tout tombe",
    "sim": "les deux voies passent par la même carte SIM",
    "operator": "les deux voies passent par le même opérateur : sa panne les coupe ensemble",
    "unknown": "on ne sait pas si les deux voies sont indépendantes : régler [data] via",
    "operator-unknown": (
        "on ne sait pas si l'opérateur est le même : régler [data] operator sur le numéro de son "
        'réseau, par exemple "208-01"'
    ),
    "operator-unread": (
        "on ne sait pas si l'opérateur est le même : ce modem ne dit pas le numéro de son réseau"
    ),
}
WHY_WORDS = {
    WhyNot.NOTHING: "",
    WhyNot.NO_NUMBER: (
        "le boîtier ne connaît encore aucun numéro du poste, qui les donne par les données : "
        "attendre que cette voie soit établie (`vigibip box status`), puis recommencer"
    ),
    WhyNot.NOT_READY: "le modem n'est pas prêt",
    WhyNot.REFUSED: "l'essai n'est pas parti",
    WhyNot.NO_REPLY: (
        "l'essai est parti et le poste n'a pas répondu : au poste, voir ses modems et le numéro "
        "enregistré pour ce boîtier (`vigibip post status`) ; ici, essayer la carte SIM dans un "
        "téléphone"
    ),
}


@dataclass(frozen=True, slots=True)
class Commissioned:
    """How it ended; `told` is the path as `vigibip box status` tells it."""

    proven: bool
    why: str
    """In French, with what to do."""
    warnings: tuple[str, ...]
    told: dict[str, Any]


def commission(
    control_path: Path,
    progress: Callable[[str], None],
    *,
    pause: Callable[[float], None] = time.sleep,
) -> Commissioned:
    """Have the daemon prove its SMS path now, and return once that ended.

    Raises UsageError when it has no SMS path, PeerError when it does not run or does not answer.
    """
    told = _ask(control_path, "probe")
    progress(modem_words(told["modem"]))
    if told["probe"]["state"] == "under-way":
        progress("essai envoyé, en attente de la réponse du poste…")
    waited_s, said = 0.0, 1
    while told["probe"]["state"] == "under-way":
        if waited_s >= _PATIENCE_S:
            raise PeerError("the box does not end its probe")
        pause(_LOOK_EACH_S)
        waited_s += _LOOK_EACH_S
        told = _ask(control_path, "sms")
        if told["probe"]["tries"] > said:
            said = told["probe"]["tries"]
            progress(f"pas de réponse, essai {said} vers un autre numéro du poste…")
    return Commissioned(
        proven=told["probe"]["state"] == "proven",
        why=_why_words(told),
        warnings=tuple(SHARED_WORDS[one] for one in told["shared"]),
        told=told,
    )


def modem_words(modem: dict[str, Any]) -> str:
    """Return the modem in one French line."""
    model = " ".join(str(modem.get(name) or "") for name in ("model", "firmware")).strip()
    network = " ".join(str(modem.get(name) or "") for name in ("operator", "technology")).strip()
    signal = modem.get("signal_dbm")
    parts = [
        f"modem {model or 'inconnu'} : {modem.get('state', 'inconnu')}",
        network or "sans réseau",
        "signal inconnu" if signal is None else f"signal {signal} dBm",
    ]
    return ", ".join(parts)


def _why_words(told: dict[str, Any]) -> str:
    why, detail, advice = (told["probe"][name] for name in ("why", "detail", "advice"))
    if why == WhyNot.NOT_READY:
        detail, advice = told["modem"].get("state", ""), told["modem"].get("advice", "")
    words = WHY_WORDS[WhyNot(why)]
    if detail:
        words += f" ({detail})"
    return f"{words} : {advice}" if advice else words


def _ask(control_path: Path, question: str) -> dict[str, Any]:
    answer = ask(control_path, question)
    if "error" in answer:
        raise UsageError(answer["error"])
    return answer
