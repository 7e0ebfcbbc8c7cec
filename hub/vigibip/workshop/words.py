"""What the installer reads: steps, questions, and what to do when a step fails.

Message ids are English; their French stands in the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from vigibip.base.catalogue import catalogue
from vigibip.workshop.errors import Cause

C = Cause


def _(text: str) -> str:
    """Mark a message id for the extraction; `say` looks it up in the reader's language."""
    return text


class Step(StrEnum):
    """What is done to a device, in this order."""

    PORT = "port"
    IMAGE = "image"
    VERSION = "version"
    COMPILE = "compile"
    FILES = "files"
    IDENTITY = "identity"
    SELF_TEST = "self-test"
    PAIRING = "pairing"
    LABEL = "label"
    START = "start"
    HEARD = "heard"


class Question(StrEnum):
    """What a person is asked at the bench."""

    MOTOR_STARTS = "motor-starts"
    MOTOR_FELT = "motor-felt"
    PRESS = "press"


class Words(NamedTuple):
    what: str
    todo: str


STEPS: Mapping[Step, str] = {
    Step.PORT: _("finding the device"),
    Step.IMAGE: _("MicroPython onto the chip"),
    Step.VERSION: _("MicroPython's version"),
    Step.COMPILE: _("compiling the firmware"),
    Step.FILES: _("copying and checking the files"),
    Step.IDENTITY: _("identity and key"),
    Step.SELF_TEST: _("self-test"),
    Step.PAIRING: _("pairing with the box"),
    Step.LABEL: _("label"),
    Step.START: _("starting the firmware"),
    Step.HEARD: _("heard by its box"),
}

QUESTIONS: Mapping[Question, str] = {
    Question.MOTOR_STARTS: _("Take the bip in your palm: it vibrates three times."),
    Question.MOTOR_FELT: _("Did you feel it?"),
    Question.PRESS: _("Press the button once, and let go. No alert leaves now."),
}

NEXT = _("Bip %(number)s of %(count)s: plug it in.")
SAME = _("This bip is done already. Unplug it, and plug in the next one.")
DONE = _("Done: bip %(bip)s.")
DONE_RECEIVER = _("Done: the receiver. Plug it into its box.")
LABEL_IS_KEY = _(
    "Whoever reads the label has the bip's key: destroy the label and its files once the bip is "
    "paired."
)
FROZEN = _(
    "The firmware is laid out to be frozen into an image. A frozen bip wakes some 350 ms faster "
    "(measured by others, never by us). With MicroPython's sources and ESP-IDF installed, run:"
)
NO_LABEL = _("No label: a box has this bip already, and its key stays where it is.")
AGAIN = _("Nothing is lost: run the same command again and it goes on from here.")
DO = _("To do: %(todo)s")

CAUSES: Mapping[Cause, Words] = {
    C.NO_PORT: Words(
        _("no ESP32 is plugged in"),
        _(
            "plug it in with a cable that carries data, not charge alone; if it sleeps, press its "
            "reset button or unplug it and plug it in again"
        ),
    ),
    C.MANY_PORTS: Words(
        _("several devices are plugged in"),
        _("leave one plugged in, or name it with --port"),
    ),
    C.NO_ANSWER: Words(
        _("the device does not answer"),
        _(
            "close any other program that has its port; press its reset button and run this again "
            "at once, since a finished bip sleeps after a few seconds; a new chip needs --image, "
            "and so does a receiver, which listens to no keyboard"
        ),
    ),
    C.CABLE: Words(
        _("the line to the device broke off"),
        _("check the cable and the plug, try another USB port without a hub"),
    ),
    C.CHIP_UNKNOWN: Words(
        _("the chip is not recognised"),
        _("name its board with --board"),
    ),
    C.WRONG_CHIP: Words(
        _("this is another chip than the one expected"),
        _("use the image and the board of this chip"),
    ),
    C.NO_BOOTLOADER: Words(
        _("the chip does not enter its bootloader"),
        _("hold its BOOT button, press and release RESET, let BOOT go, and run this again"),
    ),
    C.IMAGE_UNREADABLE: Words(
        _("this file is no firmware image for a bip or a receiver"),
        _("download MicroPython's .bin for this chip again, from micropython.org"),
    ),
    C.IMAGE_HASH: Words(
        _("the image is not the one whose SHA-256 was given, or none was given"),
        _(
            "download it again and compare; give --sha256, or put the hash into a file of the same "
            "name with .sha256 behind it"
        ),
    ),
    C.FLASH_FAILED: Words(
        _("the image could not be written"),
        _("check the cable, try another USB port without a hub"),
    ),
    C.NO_MICROPYTHON: Words(
        _("no MicroPython answers there"),
        _("give an image with --image"),
    ),
    C.OLD_MICROPYTHON: Words(
        _("its MicroPython is too old: 1.27 is needed"),
        _("give a newer image with --image"),
    ),
    C.FROZEN_OTHER: Words(
        _("the firmware frozen into its image is another one than this checkout's"),
        _("build the image again with --frozen and give it with --image, or give a plain one"),
    ),
    C.COMPILE: Words(
        _("the firmware does not compile"),
        _("this checkout is damaged: fetch it anew"),
    ),
    C.NO_ROOM: Words(
        _("the flash is full"),
        _("erase it by giving an image with --image and --erase, which also ends its identity"),
    ),
    C.COPY_DIFFERS: Words(
        _("what was written does not read back alike"),
        _("if it happens again, the flash is worn out: replace the board"),
    ),
    C.PROGRAM_FELL: Words(
        _("the firmware on the device fell over"),
        _("if it happens again, replace the board and keep this one with the line above"),
    ),
    C.IDENTITY_THERE: Words(
        _("this device is a bip already"),
        _(
            "to keep it as it is, leave --new-identity and --erase out; to make it another bip, "
            "add --new-identity: its old id is then revoked and never used again"
        ),
    ),
    C.REVOKED: Words(
        _("this bip was revoked at its box"),
        _("to use the device again, add --new-identity"),
    ),
    C.ELSEWHERE: Words(
        _("this bip belongs to another box"),
        _(
            "run this at its own box; to give it to this one, add --new-identity, and revoke it at "
            "the other: vigibip box revoke"
        ),
    ),
    C.OTHER_KEY: Words(
        _("the box knows this bip by another key"),
        _("make it anew with --new-identity, which also revokes the old one"),
    ),
    C.PAIRING: Words(
        _("the box did not take the bip"),
        _("run this as the box's own user, with its configuration; the line above says why"),
    ),
    C.LABEL: Words(
        _("the label could not be written"),
        _("choose a folder that you may write to with --label"),
    ),
    C.BUTTON_SILENT: Words(
        _("no press was seen"),
        _("check the button's two wires, and that --board names this board"),
    ),
    C.BUTTON_STUCK: Words(
        _("the button is down and does not come up"),
        _("look for a wire to ground or a jammed cap; replace the button"),
    ),
    C.MOTOR_NOT_FELT: Words(
        _("the motor was not felt"),
        _("check the motor's wires and its transistor; replace the motor"),
    ),
    C.BATTERY_ABSENT: Words(
        _("no cell is measured"),
        _("plug the cell in, check its polarity and the two resistors of the divider"),
    ),
    C.BATTERY_LOW: Words(
        _("the cell is nearly empty"),
        _("charge it, or put in a fresh one"),
    ),
    C.RADIO_DEAD: Words(
        _("the radio does not start"),
        _("charge the cell and try another USB port; then replace the board"),
    ),
    C.NOT_HEARD: Words(
        _("the box has not heard the bip"),
        _(
            "check that the receiver is plugged into the box and the box runs; bring the bip "
            "nearer, press its reset button and run this again"
        ),
    ),
}


def say(language: str, text: str, **values: object) -> str:
    """Return message id `text` in `language`, its placeholders filled in."""
    said = catalogue(language).gettext(text)
    return said % values if values else said
