"""Registration, operator and signal: what the modem says of the network, put together."""

from __future__ import annotations

from dataclasses import dataclass

from vigibip.modem.answers import Cell, Registration, cesq, csq_dbm, operator, registration
from vigibip.modem.causes import DEAF, failure
from vigibip.modem.channel import Channel
from vigibip.modem.contract import ModemCause, ModemError
from vigibip.modem.grammar import Command
from vigibip.modem.profiles import Profile

DOMAINS = ("CREG", "CGREG", "CEREG")
_OPERATOR_S = 5.0
REGISTERED = (Registration.HOME, Registration.ROAMING)


@dataclass(frozen=True, slots=True)
class Standing:
    """How the modem stands with the networks: one answer a domain; absent where it has none."""

    domains: dict[str, Registration]

    @property
    def registered(self) -> bool:
        """One domain is enough: CREG may be refused while SMS goes by CEREG."""
        return any(answer in REGISTERED for answer in self.domains.values())

    @property
    def roaming(self) -> bool:
        return self.registered and Registration.HOME not in self.domains.values()

    @property
    def denied(self) -> bool:
        return not self.registered and Registration.DENIED in self.domains.values()

    def describe(self) -> str:
        return ", ".join(f"{name} {answer.value}" for name, answer in self.domains.items())


@dataclass(frozen=True, slots=True)
class View:
    """The operator and the cell. What is not known is empty or None."""

    operator: str = ""
    technology: str = ""
    signal_dbm: int | None = None
    plmn: str = ""


async def standing(channel: Channel) -> Standing:
    """Ask all three domains. Raises ModemError when none of them was answered."""
    found: dict[str, Registration] = {}
    last: ModemError | None = None
    for name in DOMAINS:
        try:
            answers = await channel.run(Command(f"AT+{name}?", (f"+{name}:",)))
        except ModemError as error:
            if error.cause in DEAF:
                raise
            last = error
            continue
        answer = registration(answers[-1].text) if answers else None
        if answer is not None:
            found[name] = answer
    if not found:
        raise last or failure(ModemCause.NONSENSE)
    return Standing(found)


async def look(channel: Channel, profile: Profile) -> View:
    """Ask for operator, technology and signal; each may fail by itself."""
    name, technology = "", ""
    for line in await channel.ask(Command("AT+COPS?", ("+COPS:",)), limit_s=_OPERATOR_S):
        name, technology = operator(line)
    cell, plmn = await _cell(channel, profile)
    signal_dbm = cell.signal_dbm if cell is not None else None
    if signal_dbm is None:
        for line in await channel.ask(Command("AT+CSQ", ("+CSQ:",))):
            signal_dbm = csq_dbm(line)
    return View(name, technology or (cell.technology if cell else ""), signal_dbm, plmn)


async def _cell(channel: Channel, profile: Profile) -> tuple[Cell | None, str]:
    """Return the cell, best with a signal, and the network's number: not every answer has both."""
    found: list[Cell] = []
    if profile.serving is not None and profile.read_serving is not None:
        lines = await channel.ask(profile.serving)
        found = [cell for line in lines if (cell := profile.read_serving(line)) is not None]
    if not any(cell.signal_dbm is not None for cell in found):
        for line in await channel.ask(Command("AT+CESQ", ("+CESQ:",))):
            cell = cesq(line)
            found += [cell] if cell is not None else []
    known = [cell for cell in found if cell.signal_dbm is not None]
    return next(iter([*known, *found]), None), next((cell.plmn for cell in found if cell.plmn), "")
