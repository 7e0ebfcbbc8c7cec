"""A press as a list of stages, each with its milliseconds since the button went down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PRESS = "press"
SENT = "bip.sent"
HEARD = "bip.heard"
DELIVERED = "bip.delivered"
PUBLISHED = "box.published"
RECEIVED = "post.received"
PTT = "radio.ptt"
AUDIO = "radio.audio"
KEYED = "officer.keyed"
COMING = "bip.coming"
UNANSWERED = "bip.unanswered"

# In the order in which a press without trouble meets them; people read the text.
STAGES: dict[str, str] = {
    PRESS: "appui sur le bip",
    SENT: "bip : trame scellée émise",
    "box.opened": "boîtier : sceau ouvert",
    PUBLISHED: "boîtier : partie vers le poste",
    "box.stored": "boîtier : sur le disque",
    HEARD: "bip : « entendu » dans la paume",
    RECEIVED: "poste : alerte reçue",
    "post.committed": "poste : sur le disque",
    PTT: "radio : émission (PTT)",
    AUDIO: "radio : premier son",
    "post.receipted": "poste : reçu envoyé",
    "box.receipt": "boîtier : reçu arrivé",
    DELIVERED: "bip : « transmis » dans la paume",
    KEYED: "agent : répond (DTMF)",
    "post.answered": "poste : réponse vérifiée",
    "box.answer": "boîtier : réponse reçue",
    "post.told": "poste : le boîtier a la réponse",
    COMING: "bip : « on arrive » dans la paume",
}


@dataclass(frozen=True, slots=True)
class Stage:
    stage: str
    ms: float


def timeline(stamps: Mapping[str, int]) -> list[Stage]:
    """Return the stages of one press in the order of their times, to a tenth of a millisecond.

    `stamps` holds nanoseconds by stage. Empty while the press itself was not stamped.
    """
    if PRESS not in stamps:
        return []
    start_ns = stamps[PRESS]
    stages = [Stage(stage, round((at_ns - start_ns) / 1e6, 1)) for stage, at_ns in stamps.items()]
    return sorted(stages, key=lambda stage: stage.ms)
