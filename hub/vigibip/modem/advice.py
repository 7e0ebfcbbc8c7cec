"""What a cause means to a technician, and what to do about it.

Message ids are English; their French stands in the catalogue.
"""

from __future__ import annotations

from typing import NamedTuple

from vigibip.base.catalogue import catalogue
from vigibip.modem.contract import ModemCause

C = ModemCause


def _(text: str) -> str:
    """Mark a message id for the extraction; `advise` looks it up in the reader's language."""
    return text


class Words(NamedTuple):
    what: str
    todo: str


WORDS: dict[ModemCause, Words] = {
    C.NO_SIM: Words(
        _("the modem sees no SIM"),
        _("check that the SIM is in, the right way round and not loose; try it in a telephone"),
    ),
    C.SIM_PIN: Words(
        _("the SIM asks for its PIN"),
        _("set the modem's pin, or take the PIN off the SIM in a telephone"),
    ),
    C.PIN_WRONG: Words(
        _("the SIM refused the PIN; it is not tried again"),
        _("correct the modem's pin and restart the service; three wrong ones lock the SIM"),
    ),
    C.SIM_PUK: Words(
        _("the SIM is locked and asks for its PUK"),
        _("unlock it in a telephone with the operator's PUK, then set the modem's pin"),
    ),
    C.SIM_FAILURE: Words(
        _("the SIM does not work"),
        _("clean its contacts and put it in again; try it in a telephone; have it replaced"),
    ),
    C.SIM_BUSY: Words(
        _("the SIM is busy"),
        _("wait a minute; if it lasts, take the SIM out and put it in again"),
    ),
    C.SIM_WRONG: Words(
        _("the modem does not accept this SIM"),
        _("use a SIM of the operator that the modem is meant for"),
    ),
    C.SIM_LOCKED: Words(
        _("the modem is locked to another SIM or operator"),
        _("have the modem unlocked by its seller, or replace it"),
    ),
    C.SEARCHING: Words(
        _("the modem is looking for a network"),
        _("check the aerial and its plug; move the aerial to a window; see whether others have it"),
    ),
    C.NO_NETWORK: Words(
        _("there is no network here"),
        _("check the aerial and its plug; compare with a telephone of the same operator"),
    ),
    C.NO_SMS_NETWORK: Words(
        _("the network takes no SMS from here"),
        _("check coverage; ask the operator whether this SIM has SMS over LTE"),
    ),
    C.NETWORK_TIMEOUT: Words(
        _("the network did not answer in time"),
        _("weak signal or a busy network: look at the signal, move the aerial"),
    ),
    C.NETWORK_OUT_OF_ORDER: Words(
        _("the operator's network is out of order"),
        _("nothing to do here; if it lasts an hour, report it to the operator"),
    ),
    C.CONGESTED: Words(
        _("the operator's network is overloaded"),
        _("nothing to do here: it is tried again; if it lasts, report it to the operator"),
    ),
    C.DENIED: Words(
        _("the network refuses this SIM"),
        _("ask the operator whether the SIM is active, paid, and allowed in this modem"),
    ),
    C.NOT_SUBSCRIBED: Words(
        _("the subscription does not allow this SMS"),
        _("ask the operator: SMS barred, credit spent, or the monthly limit reached"),
    ),
    C.NO_SMSC: Words(
        _("the SIM does not know its SMS service centre"),
        _("ask the operator for its number and write it to the SIM with AT+CSCA"),
    ),
    C.SMSC_FAILED: Words(
        _("the operator's SMS service centre failed"),
        _("check the service centre's number (AT+CSCA?); if it is right, report it"),
    ),
    C.NUMBER_REJECTED: Words(
        _("the network refuses the number that the SMS goes to"),
        _("correct the number in the settings; check that the subscription allows it"),
    ),
    C.DESTINATION_OUT: Words(
        _("the telephone that the SMS goes to is out of service"),
        _("check the number, and that telephone's SIM"),
    ),
    C.DUPLICATE: Words(
        _("the service centre has this SMS already"),
        _("nothing to do: it was sent"),
    ),
    C.BAD_PDU: Words(
        _("the modem or the network does not understand the SMS"),
        _("if it happens again, restart the modem, then report it with the modem's firmware"),
    ),
    C.STORE_FULL: Words(
        _("the store of SMS is full: none can come in"),
        _("free the disk so that what came can be taken over; else delete with AT+CMGD=1,4"),
    ),
    C.STORE_FAILURE: Words(
        _("the store of SMS does not work"),
        _("put the SIM in a telephone and delete its SMS; if it comes back, replace the SIM"),
    ),
    C.NOT_ALLOWED: Words(
        _("the modem does not allow this now"),
        _("it is still starting, or another program uses it: stop ModemManager for this port"),
    ),
    C.NOT_SUPPORTED: Words(
        _("the modem cannot do this"),
        _("check the modem's model and the profile setting; update its firmware"),
    ),
    C.RESERVED: Words(
        _("the modem's SMS service is taken by another program"),
        _("stop ModemManager and whatever else uses this modem"),
    ),
    C.MODEM_FAILURE: Words(
        _("the modem failed by itself"),
        _("if it happens again: check its power supply (2 A peaks), then replace it"),
    ),
    C.UNKNOWN: Words(
        _("the modem gives no reason"),
        _(
            "send a test SMS on LTE: some firmwares (SIM7600 LE20B03) send on 3G only; "
            "update the firmware or change the operator"
        ),
    ),
    C.REFUSED: Words(
        _("the modem says ERROR and nothing more"),
        _("if it lasts, check the profile setting; otherwise the modem is being restarted"),
    ),
    C.SILENT: Words(
        _("the modem does not answer"),
        _("it is being restarted; if it lasts, check its power and the wiring of its lines"),
    ),
    C.NO_PROMPT: Words(
        _("the modem did not ask for the SMS"),
        _("it is being brought back into step; nothing to do unless it lasts"),
    ),
    C.NONSENSE: Words(
        _("the modem's answer makes no sense"),
        _("check the baud setting and the cable; check that no other program uses the port"),
    ),
    C.ABSENT: Words(
        _("the modem's port is not there, or is taken"),
        _("check the port setting, the USB cable and power; stop ModemManager for this port"),
    ),
    C.STARTING: Words(
        _("the modem is starting"),
        _("wait half a minute"),
    ),
    C.HUNG: Words(
        _("the modem hung and is being restarted"),
        _("wait two minutes; if it happens every day, check power supply and firmware"),
    ),
    C.FAULTY: Words(
        _("the modem does not come back, not even from a restart"),
        _("check power and wiring of PWRKEY and power lines; then replace the modem"),
    ),
    C.OVERLOADED: Words(
        _("too many commands wait for the modem"),
        _("more is sent than one modem can take: spread it over time, or add a modem"),
    ),
    C.CLOSED: Words(
        _("the service is stopping"),
        _("nothing to do"),
    ),
}


def advise(cause: ModemCause, language: str = "fr") -> str:
    """Return what `cause` means and what to do about it, as one line."""
    words = WORDS[cause]
    gettext = catalogue(language).gettext
    # French sets a space that does not break before a colon.
    colon = "\u00a0:" if language == "fr" else ":"
    return f"{gettext(words.what)}{colon} {gettext(words.todo)}"
