"""From a modem that answers to one that sends and receives: who it is, then how SMS is set."""

from __future__ import annotations

from dataclasses import dataclass

from vigibip.base.clock import Clock
from vigibip.modem.answers import digits, fields, text
from vigibip.modem.causes import DEAF
from vigibip.modem.channel import Channel
from vigibip.modem.contract import ModemCause, ModemError
from vigibip.modem.coverage import DOMAINS
from vigibip.modem.grammar import Command
from vigibip.modem.inbox import Inbox
from vigibip.modem.profiles import Profile, choose

# TS 27.005 section 3.4.1: stored and announced (+CMTI); reports pushed (+CDS), for with ds=2
# EC25 and EG25 announce them at a place where they are not. The rest is for modems that know less.
_CNMI = ("2,1,0,1,0", "1,1,0,1,0", "2,1,0,1,1", "2,1,0,2,0", "1,1")
# A modem says OK to AT some seconds before its SIM part takes SMS commands.
_SMS_BUSY_MAX_S = 15.0
_NOT_YET = frozenset({ModemCause.SIM_BUSY, ModemCause.NOT_ALLOWED, ModemCause.MODEM_FAILURE})


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the modem says it is."""

    model: str
    firmware: str
    imei: str | None
    profile: Profile


async def identify(channel: Channel, setting: str) -> Identity:
    """Make answers readable and ask who it is. Raises ModemError."""
    await channel.run(Command("ATE0"))
    await channel.ask(Command("AT+CMEE=1"))
    maker = text(await channel.ask(_asks("AT+CGMI", "+CGMI:")))
    model = text(await channel.ask(_asks("AT+CGMM", "+CGMM:")))
    if not model:
        model = " ".join(await channel.ask(_asks("ATI")))[:60]
    firmware = text(await channel.ask(_asks("AT+CGMR", "+CGMR:")))
    imei = digits(await channel.ask(_asks("AT+CGSN", "+CGSN:")))
    if model and maker and maker.split()[0].upper() not in model.upper():
        model = f"{maker} {model}"
    return Identity(model, firmware, imei, choose(setting, model))


async def radio_on(channel: Channel) -> None:
    """Turn the radio on if it is off. Raises ModemError when the modem is deaf."""
    for line in await channel.ask(Command("AT+CFUN?", ("+CFUN:",))):
        if fields(line)[0] != "1":
            await channel.ask(Command("AT+CFUN=1"), limit_s=10.0)


async def set_up_sms(
    clock: Clock, channel: Channel, profile: Profile, inbox: Inbox
) -> ModemCause | None:
    """Set PDU mode, store and announcements; return what will not work, None if all will.

    A modem that cannot receive may still send, so only deafness is raised, as ModemError.
    """
    for line in profile.setup:
        await channel.ask(Command(line))
    # Phase 2+ would want AT+CNMA for each report, and without it turns them off.
    await channel.ask(Command("AT+CSMS=0", ("+CSMS:",)))
    flaw = await _choose_store(clock, channel, inbox)
    if not await _announce(channel):
        flaw = flaw or ModemCause.NOT_SUPPORTED
    for name in DOMAINS:
        await channel.ask(Command(f"AT+{name}=1"))
    await channel.ask(Command("AT+COPS=3,0"))
    centre = await channel.ask(Command("AT+CSCA?", ("+CSCA:",)))
    if centre and not any(character.isdigit() for character in fields(centre[0])[0]):
        return ModemCause.NO_SMSC
    return flaw


async def _choose_store(clock: Clock, channel: Channel, inbox: Inbox) -> ModemCause | None:
    until_s = clock.monotonic_s() + _SMS_BUSY_MAX_S
    while True:
        try:
            await channel.run(Command("AT+CMGF=0"))
            await inbox.choose_store()
        except ModemError as error:
            if error.cause in DEAF:
                raise
            if error.cause not in _NOT_YET or clock.monotonic_s() >= until_s:
                return error.cause
        else:
            return None
        await clock.sleep(1.0)


async def _announce(channel: Channel) -> bool:
    for setting in _CNMI:
        try:
            await channel.run(Command(f"AT+CNMI={setting}"))
        except ModemError as error:
            if error.cause in DEAF:
                raise
        else:
            return True
    return False


def _asks(line: str, *answers: str) -> Command:
    return Command(line, answers, takes_text=True)
