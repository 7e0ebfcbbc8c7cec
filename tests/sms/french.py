"""French texts as they are sent to and by a town's shopkeepers and officers, seeded."""

import random

_STARTS = (
    "ALERTE",
    "Police municipale :",
    "ALERTE SMS70 à 17H30 à Lure -",
    "Bulletin n° {n} :",
    "Prévention vols :",
    "Réponse {n} :",
    "Bonjour,",
)
_THINGS = (
    "tentative de vol par {n} individus au tabac de la rue des Lilas",
    "faux billets de {n} € signalés place de l'Église",
    "deux hommes à scooter, partis vers la gare",
    "une femme âgée s'est fait arracher son sac près du marché",
    "le véhicule est une berline grise [plaque incomplète]",
    "n'ouvrez pas à de faux agents du gaz",
    "appelez le 17 si vous les reconnaissez",
    "ne prenez aucun risque, restez à l'intérieur",
    "rendez-vous à {n}h à la mairie | salle {n}",
    "montant : {n} €, ticket n'{n}",
    "où êtes-vous ? répondez {n}*{n}#",
)
# What leaves GSM-7: letters that it lacks, typography, emoji.
_WIDE = (
    "la fenêtre de l'hôtel a été forcée",
    "garçon de café menacé — appel reçu",
    "« Boulangerie Forêt » fermée jusqu’à nouvel ordre…",
    "cœur de ville bouclé ; contrôles à venir",
    "merci 🙏 à tous les commerçants 👮‍♀️",
    "Noël : vigilance accrue dès le 1ᵉʳ décembre",
)
_EDGES = (159, 160, 161, 152, 153, 154, 305, 306, 307, 458, 459, 460)
_WIDE_EDGES = (66, 67, 68, 69, 70, 71, 133, 134, 135, 200, 201, 202)
_ENDS = "€[]{}~|^\\é@aê"


def french_text(chance: random.Random) -> str:
    """Return a text of one to a few parts; two of five are cut near a border, on any character."""
    wide = chance.random() < 0.3
    words = [chance.choice(_STARTS)]
    for _ in range(chance.randint(1, 5)):
        words.append(chance.choice(_WIDE if wide and chance.random() < 0.4 else _THINGS))
    text = chance.choice((" ", ", ", "\n", ". ")).join(words)
    while "{n}" in text:
        text = text.replace("{n}", str(chance.randint(1, 99)), 1)
    if chance.random() < 0.4:
        edge = chance.choice(_WIDE_EDGES if wide else _EDGES)
        text = (text * 4)[: edge - 2] + "".join(chance.choices(_ENDS, k=chance.randint(1, 4)))
    return text
