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
ANSWERED = "post.answered"
COMING = "bip.coming"
UNANSWERED = "bip.unanswered"
ALERT_HANDED = "sms.alert.modem"
ALERT_TAKEN = "sms.alert.operator"
ALERT_ARRIVED = "sms.alert.delivered"
RECEIPT_HANDED = "sms.receipt.modem"
RECEIPT_TAKEN = "sms.receipt.operator"
RECEIPT_ARRIVED = "sms.receipt.delivered"
RECEIPT = "box.receipt"

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
    RECEIPT: "boîtier : reçu arrivé",
    DELIVERED: "bip : « transmis » dans la paume",
    KEYED: "agent : répond (DTMF)",
    ANSWERED: "poste : réponse vérifiée",
    "box.answer": "boîtier : réponse reçue",
    "post.told": "poste : le boîtier a la réponse",
    COMING: "bip : « on arrive » dans la paume",
    # By SMS; modems and operator of the town are simulated, and are told as such.
    ALERT_HANDED: "modem du boîtier (simulé) : SMS d'alerte confié",
    ALERT_TAKEN: "opérateur (simulé) : SMS d'alerte pris",
    "box.sms_sent": "boîtier : SMS d'alerte parti",
    ALERT_ARRIVED: "opérateur (simulé) : SMS d'alerte remis au poste",
    "post.sms_received": "poste : SMS d'alerte vérifié",
    RECEIPT_HANDED: "modem du poste (simulé) : SMS de reçu confié",
    RECEIPT_TAKEN: "opérateur (simulé) : SMS de reçu pris",
    "post.sms_sent": "poste : SMS de reçu parti",
    RECEIPT_ARRIVED: "opérateur (simulé) : SMS de reçu remis au boîtier",
    "sms.coming.modem": "modem du poste (simulé) : SMS « on arrive » confié",
    "sms.coming.operator": "opérateur (simulé) : SMS « on arrive » pris",
    "post.sms_answered": "poste : SMS « on arrive » parti",
    "sms.coming.delivered": "opérateur (simulé) : SMS « on arrive » remis au boîtier",
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
