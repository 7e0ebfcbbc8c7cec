"""What a fault means to a technician, in French, and what to do about it."""

from __future__ import annotations

from typing import NamedTuple

from vigibip.box.faults import Fault, FaultCode


class Words(NamedTuple):
    what: str
    todo: str
    """May name the device or the alert, as {subject}."""


WORDS: dict[FaultCode, Words] = {
    FaultCode.RECEIVER: Words(
        "le récepteur est absent ou ne dit rien",
        "vérifier son câble USB et receiver_port ; le débrancher et le rebrancher ; le reflasher",
    ),
    FaultCode.JAM: Words(
        "le canal radio des bips est brouillé : leurs appuis risquent de ne pas passer",
        "prévenir la police : c'est son affaire avant d'être celle du technicien ; ensuite "
        "seulement, chercher un appareil en panne qui émet sans cesse",
    ),
    FaultCode.MOVED: Words(
        "on entend moins bien qu'à la mise en service : quelque chose a bougé",
        "chercher ce qui a changé (récepteur déplacé, rayon devant, antenne, place du bip) ; "
        "si c'est voulu et que tout passe : vigibip box commission-reach",
    ),
    FaultCode.STORAGE: Words(
        "le disque refuse d'écrire : les alertes partent, mais aucun « entendu »",
        "libérer la partition de données ; sinon remplacer la carte, qui est en fin de vie",
    ),
    FaultCode.DATA: Words(
        "pas de liaison avec le poste par le réseau",
        "vérifier la carte SIM ou le câble, puis le courtier du poste ; le détail dit la cause",
    ),
    FaultCode.POST_SILENT: Words(
        "la liaison est établie, mais le poste ne prend pas les alertes",
        "appeler le poste : son courtier tourne, lui non ; les alertes partent encore et encore",
    ),
    FaultCode.CLOCK_UNSURE: Words(
        "l'horloge est en retard : les dates des certificats ne sont pas vérifiées",
        "vérifier la pile de l'horloge DS3231 et l'accès à un serveur NTP",
    ),
    FaultCode.REFUSED: Words(
        "le poste a refusé une alerte : elle est mise de côté",
        "appeler le poste : le bip ou le boîtier n'y est sans doute plus inscrit ; "
        "une fois réparé : vigibip box resend {subject}",
    ),
    FaultCode.LATE_PRESS: Words(
        "un appui est arrivé d'avant la mémoire du boîtier ; le poste a tranché",
        "si cela se répète, provisionner ce bip à neuf",
    ),
    FaultCode.COUNTER_REUSED: Words(
        "un bip a utilisé deux fois le même compteur : ses trames sont refusées",
        "provisionner ce bip à neuf, avec une nouvelle clé ; en cas de doute, le révoquer",
    ),
    FaultCode.BIP_FIRMWARE: Words(
        "le logiciel d'un bip se trompe ; ses appuis passent quand même",
        "reflasher ce bip",
    ),
    FaultCode.BIP_MISSING: Words(
        "un bip ne donne plus de nouvelles : un appui de ce bip n'arriverait peut-être pas",
        "retrouver le bip {subject} et appuyer après avoir ouvert un essai ; charger ou remplacer "
        "sa pile ; le rapprocher du boîtier ; perdu ou volé : vigibip box revoke",
    ),
    FaultCode.BIP_BATTERY: Words(
        "la pile d'un bip est presque vide",
        "charger ou remplacer la pile du bip {subject} cette semaine",
    ),
    FaultCode.BIP_BUTTON: Words(
        "le bouton d'un bip reste enfoncé : un nouvel appui ne se verrait pas",
        "dégager ou nettoyer le bouton du bip {subject} ; s'il reste bloqué, remplacer le bip",
    ),
    FaultCode.BIP_CRASHES: Words(
        "le logiciel d'un bip tombe et redémarre sans cesse ; ses appuis passent encore",
        "noter le détail pour qui entretient le logiciel ; reflasher le bip {subject}, "
        "ou le remplacer",
    ),
    FaultCode.BIP_REVOKED: Words(
        "un bip révoqué émet tout près d'ici : rien de lui n'a été cru, aucune alerte n'est partie",
        "perdu ou volé, il est dans les parages : le dire au poste ; retrouvé, le provisionner à "
        "neuf avant de s'en servir",
    ),
    FaultCode.FRAME_VERSION: Words(
        "quelqu'un, tout près, émet des trames d'une autre version (un voisin, ou un faux)",
        "si un bip d'ici ne passe plus : mettre à jour le boîtier, ou reflasher ce bip ; "
        "sinon, un émetteur étranger est à portée : rien à réparer ici",
    ),
    FaultCode.FORGED_MESSAGE: Words(
        "un message que le poste n'a pas écrit est arrivé ; il a été rejeté",
        "prévenir le poste : quelqu'un tient son courtier, ou le boîtier est à réenrôler",
    ),
    FaultCode.FORGED_SMS: Words(
        "un SMS est arrivé du numéro du poste, que le poste n'a pas écrit ; il a été rejeté",
        "prévenir le poste : quelqu'un imite son numéro, ou le boîtier est à réenrôler",
    ),
    FaultCode.POST_MESSAGE: Words(
        "le poste écrit ce que ce boîtier ne sait pas lire",
        "mettre à jour le boîtier",
    ),
    FaultCode.MODEM: Words(
        "le modem n'envoie pas de SMS en ce moment",
        "suivre le conseil du détail ; sinon vérifier alimentation, antenne et carte SIM",
    ),
    FaultCode.SMS_UNPROVEN: Words(
        "rien ne prouve que la voie SMS marcherait : le poste n'a pas répondu à l'essai",
        "vigibip box commission ; vérifier le forfait de la carte SIM et le modem du poste",
    ),
    FaultCode.OFFICER_CODES: Words(
        "des codes faux sont arrivés du numéro de l'agent",
        "demander à l'agent si c'était lui ; sinon le poste lui donne une nouvelle carte",
    ),
}


def words_for(fault: Fault) -> Words:
    """Return the words for one fault, about what it is about."""
    what, todo = WORDS[fault.code]
    return Words(what, todo.format(subject=fault.subject))
