"""The words of states, outcomes, answers and faults: message ids here, their French in locales/.

A fault says what it is and what a dispatcher does about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


def _(text: str) -> str:
    """Mark a message id for the extraction; the template looks it up in the reader's language."""
    return text


STATES: Mapping[str, str] = {
    "open": _("Nobody has answered"),
    "coming": _("An officer is coming"),
    "on_scene": _("On scene"),
    "closed": _("Closed"),
}

OUTCOMES: Mapping[str, str] = {
    "real": _("Real"),
    "false_alarm": _("False alarm"),
    "nobody": _("Nothing found"),
    "other": _("Other"),
}

WAYS: Mapping[str, str] = {
    "console": _("at the console"),
    "arrival": _("on arriving"),
    "voice": _("by radio"),
    "sms": _("by SMS to the box"),
}

UNPROVEN: Mapping[str, str] = {
    "wrong-code": _("wrong code"),
    "no-incident": _("no such incident was open"),
    "one-more-code": _("a second code is asked for, because somebody is guessing"),
    "wrong-sms-code": _("wrong code in an SMS to the box"),
}


MODEM_STATES: Mapping[str, str] = {
    "starting": _("starting"),
    "ready": _("ready"),
    "no-sim": _("has no SIM card"),
    "sim-pin": _("its SIM card asks for another PIN"),
    "sim-puk": _("its SIM card is locked"),
    "sim-busy": _("its SIM card is busy"),
    "sim-failure": _("its SIM card does not work"),
    "searching": _("looks for a network"),
    "denied": _("no network takes it"),
    "absent": _("not there"),
    "hung": _("being restarted"),
    "faulty": _("does not work"),
}


@dataclass(frozen=True, slots=True)
class FaultWords:
    """Message ids. `seen`: it tells of something that happened, and goes once somebody saw it."""

    title: str
    advice: str
    seen: bool = False


FAULTS: Mapping[str, FaultWords] = {
    "store-failed": FaultWords(
        _("The post cannot write to its disk"),
        _(
            "Alerts still go to the radios, from memory, but shops are not told that they were "
            "delivered. Have a technician come now."
        ),
    ),
    "broker-lost": FaultWords(
        _("The post hears no box: its message broker does not answer"),
        _(
            "No alert arrives for as long as this lasts; they wait in the boxes. Call a "
            "technician now, and expect calls to 17."
        ),
    ),
    "no-radio": FaultWords(
        _("No radio is set up"),
        _("Incidents are shown on this page only: call the patrols yourself."),
    ),
    "radio-failed": FaultWords(
        _("A radio does not transmit"),
        _("Patrols do not hear the incidents: call them yourself. Have a technician come."),
    ),
    "radio-absent": FaultWords(
        _("A radio is not there"),
        _("It is off, or its cable is out. Until it is back, call the patrols yourself."),
    ),
    "radio-degraded": FaultWords(
        _("A radio does not say everything"),
        _("A sentence is missing or was cut: give the patrols the shop's address yourself."),
        seen=True,
    ),
    "numbers-exhausted": FaultWords(
        _("All incident numbers are in use"),
        _("Close the incidents that are over."),
        seen=True,
    ),
    "code-guessing": FaultWords(
        _("Somebody is guessing answer codes on the radio"),
        _("For now an answer takes two codes of a card. Tell the patrols, or answer here."),
    ),
    "message-forged": FaultWords(
        _("Somebody sends in a box's name without its keys"),
        _("Nothing of it was believed. Send somebody to look at the box, and tell a technician."),
        seen=True,
    ),
    "message-refused": FaultWords(
        _("A message of a box could not be read"),
        _("It may have been a press: have a patrol pass by the shop, and tell a technician."),
        seen=True,
    ),
    "press-of-revoked-box": FaultWords(
        _("Somebody pressed in a shop whose box was revoked"),
        _(
            "No radio announces it. Send a patrol to the shop: somebody may need help there, or "
            "the box may be in a thief's hands."
        ),
        seen=True,
    ),
    "box-unknown": FaultWords(
        _("Somebody calls in the name of a box that is not served here"),
        _("Nothing of it was believed. Have a technician look for the box, and enrol it or not."),
        seen=True,
    ),
    "box-floods": FaultWords(
        _("Somebody sends far too many messages in a box's name"),
        _("The box's own may have to wait. Call the shop, and tell a technician."),
        seen=True,
    ),
    "press-duress": FaultWords(
        _("A shop says that it is under duress"),
        _(
            "Whoever is there must not know: do not call the shop. Send a patrol that stays out "
            "of sight."
        ),
        seen=True,
    ),
    "press-withdrawn": FaultWords(
        _("A shop takes its alert back"),
        _("Nothing has stopped for it: you decide. Call the shop, and make sure who speaks."),
        seen=True,
    ),
    "press-worse": FaultWords(
        _("A shop presses again and again: it says that it is getting worse"),
        _("Tell the patrol that is on its way, or send one."),
        seen=True,
    ),
    "press-late": FaultWords(
        _("A press came long out of its turn"),
        _("It counts as a real one. Have a technician look at the shop's bips."),
        seen=True,
    ),
    "version-newer": FaultWords(
        _("A box is of a newer release than this post"),
        _("Its alerts are taken as far as they can be read. Have the post updated."),
        seen=True,
    ),
    "sms-unverified": FaultWords(
        _("An SMS from a box's number does not prove that it is the box's"),
        _(
            "It may be a damaged alert, or somebody's forgery: no radio announces it. Call the "
            "shop, and send a patrol if nobody answers."
        ),
        seen=True,
    ),
    "data-lost": FaultWords(
        _("A box is silent on data"),
        _(
            "Its alerts still come by SMS where it has a modem, some seconds later. Have a "
            "technician look at the shop's internet and power."
        ),
    ),
    "sms-unproven": FaultWords(
        _("A box's SMS path has not been proven for more than a day"),
        _(
            "If data fails too, its alerts may not come. Have a technician look at its modem, its "
            "SIM card and its coverage."
        ),
    ),
    "box-lost": FaultWords(
        _("A box is lost: nothing of it arrives, neither over data nor by SMS"),
        _(
            "A press in this shop would not be heard. Call the shop, tell them to call 17, and "
            "send a technician today."
        ),
    ),
    "box-lost-after-press": FaultWords(
        _("A box has gone silent after somebody pressed"),
        _("It may have been cut off or destroyed. Send a patrol to the shop now."),
    ),
    "modem-absent": FaultWords(
        _("A modem of the post is not there"),
        _("Alerts by SMS come by the other modems, if there are any. Check its cable and power."),
    ),
    "modem-faulty": FaultWords(
        _("A modem of the post does not work, and resetting it has not helped yet"),
        _(
            "It is reset again and again. Alerts by SMS come by the other modems, if there are "
            "any. Tell a technician."
        ),
    ),
    "modem-sim": FaultWords(
        _("The SIM card in a modem of the post cannot be used"),
        _("It is missing, locked or broken. Have a technician follow the advice beside it."),
    ),
    "modem-no-network": FaultWords(
        _("A modem of the post finds no mobile network"),
        _(
            "SMS neither come nor go through it. Check its antenna, then ask the operator whether "
            "its network is down or the SIM card's contract has ended."
        ),
    ),
    "post-stopped": FaultWords(
        _("The post is stopped: no alert arrives"),
        _(
            "The alerts wait in the boxes, and no radio announces anything. Call a technician "
            "now, and expect calls to 17."
        ),
    ),
}

UNKNOWN_FAULT = FaultWords(
    _("A fault that this console does not know"), _("Tell a technician."), seen=True
)


@dataclass(frozen=True, slots=True)
class RefusalWords:
    """What an error page says."""

    title: str
    advice: str


REFUSALS: Mapping[int, RefusalWords] = {
    400: RefusalWords(_("This request makes no sense"), _("Go back to the console.")),
    403: RefusalWords(
        _("Not from this page"),
        _("The page was too old, or this form came from elsewhere. Nothing was changed."),
    ),
    404: RefusalWords(_("There is no such page"), _("Go back to the console.")),
    405: RefusalWords(_("This cannot be done here"), _("Go back to the console.")),
    411: RefusalWords(_("This request makes no sense"), _("Go back to the console.")),
    413: RefusalWords(_("This is too long"), _("Nothing was changed.")),
    421: RefusalWords(
        _("The console does not answer to this address"),
        _("Use its usual address. A new name is added under console.hosts in post.toml."),
    ),
    422: RefusalWords(_("Something is missing or wrong in this form"), _("Nothing was changed.")),
    429: RefusalWords(_("Too many tries"), _("Wait a moment.")),
    500: RefusalWords(
        _("The console has failed"),
        _("The radios do not depend on it. Try again, and tell a technician."),
    ),
    503: RefusalWords(
        _("The console cannot read its records"),
        _("The radios do not depend on it. Try again, and tell a technician."),
    ),
}
