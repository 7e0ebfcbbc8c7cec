"""What sets models apart: their own commands, and how long their keys and their start take.

Sources: SIM7500/SIM7600 AT command manual V2.00 and hardware design; EC2x/EG25 AT commands manual
V1.3 and hardware design.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vigibip.modem.answers import Cell, cpsi, qeng
from vigibip.modem.grammar import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One family of modems.

    `serving` asks for the serving cell. `pin_counter` tells how many PINs are left. `setup` is
    sent once the SIM is ready; what a firmware does not know of it does no harm.
    `pwrkey_off_s` turns a modem off that runs, `pwrkey_on_s` one on that is off, and is too short
    to turn one off. `boot_s` is the longest silence of a start.
    """

    key: str
    models: tuple[str, ...]
    soft_reset: str
    iccid: Command
    serving: Command | None = None
    read_serving: Callable[[str], Cell | None] | None = None
    pin_counter: Command | None = None
    setup: tuple[str, ...] = ()
    pwrkey_off_s: float = 2.8
    pwrkey_on_s: float = 0.55
    off_s: float = 5.0
    boot_s: float = 20.0


SIM7600 = Profile(
    key="sim7600",
    models=("SIM7600", "SIM7500", "SIM7670", "A7670"),
    soft_reset="AT+CRESET",
    iccid=Command("AT+CICCID", ("+ICCID:", "+CICCID:"), takes_text=True),
    serving=Command("AT+CPSI?", ("+CPSI:",)),
    read_serving=cpsi,
    pin_counter=Command("AT+SPIC", ("+SPIC:",)),
)
QUECTEL = Profile(
    key="quectel",
    models=("EC25", "EG25", "EC20", "EC21", "EG21", "EG91", "EG95"),
    soft_reset="AT+CFUN=1,1",
    iccid=Command("AT+QCCID", ("+QCCID:",), takes_text=True),
    serving=Command('AT+QENG="servingcell"', ("+QENG:",)),
    read_serving=qeng,
    pin_counter=Command('AT+QPINC="SC"', ("+QPINC:",)),
    # As delivered, URCs come out of one USB port only, which may not be the one that we own.
    setup=('AT+QURCCFG="urcport","all"',),
    pwrkey_off_s=0.8,
)
GENERIC = Profile(
    key="generic",
    models=(),
    soft_reset="AT+CFUN=1,1",
    iccid=Command("AT+CCID", ("+CCID:",), takes_text=True),
    pwrkey_off_s=2.8,
)

PROFILES = {profile.key: profile for profile in (SIM7600, QUECTEL, GENERIC)}


def choose(setting: str, model: str) -> Profile:
    """Return the profile that `setting` names, or with "auto" the one that fits `model`."""
    if setting != "auto":
        return PROFILES[setting]
    upper = model.upper()
    for profile in PROFILES.values():
        if any(name in upper for name in profile.models):
            return profile
    return GENERIC
