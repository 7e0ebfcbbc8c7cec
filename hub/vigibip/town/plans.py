"""The shops of every town: names that nobody has, and what each of them holds."""

from __future__ import annotations

from dataclasses import dataclass

BIPS_A_SHOP = 2
RADIO_CHANNEL = 6


@dataclass(frozen=True, slots=True)
class ShopPlan:
    """A shop as the post is told about it."""

    name: str
    spoken: str
    address: str


_STREETS = ("rue des Lilas", "place de la Halle", "rue du Pont-Vieux", "quai des Tanneurs")
_TRADES = (
    "Tabac de la Gare",
    "Boulangerie des Tilleuls",
    "Pharmacie du Pont",
    "Bijouterie Aubrac",
    "Librairie de la Halle",
    "Épicerie du Quai",
    "Fleurs de Marguerite",
    "Café des Platanes",
    "Optique du Marché",
    "Pressing de l'Écluse",
)


def plan_of(number: int) -> ShopPlan:
    """Return the plan of shop `number`, counted from 1; every number has another name."""
    index = number - 1
    trade = _TRADES[index % len(_TRADES)]
    name = trade if index < len(_TRADES) else f"{trade} {index // len(_TRADES) + 1}"
    return ShopPlan(name, name, f"{number} {_STREETS[index % len(_STREETS)]}")
