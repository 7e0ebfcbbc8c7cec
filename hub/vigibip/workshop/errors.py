"""What can go wrong at the workshop's bench. `words` says what to do about each."""

from __future__ import annotations

from enum import StrEnum

from vigibip.base.errors import PeerError, VigibipError


class Cause(StrEnum):
    """Why a step failed, as the installer can do something about it."""

    NO_PORT = "no-port"
    MANY_PORTS = "many-ports"
    NO_ANSWER = "no-answer"
    CABLE = "cable"
    CHIP_UNKNOWN = "chip-unknown"
    WRONG_CHIP = "wrong-chip"
    NO_BOOTLOADER = "no-bootloader"
    IMAGE_UNREADABLE = "image-unreadable"
    IMAGE_HASH = "image-hash"
    FLASH_FAILED = "flash-failed"
    NO_MICROPYTHON = "no-micropython"
    OLD_MICROPYTHON = "old-micropython"
    FROZEN_OTHER = "frozen-other"
    COMPILE = "compile"
    NO_ROOM = "no-room"
    COPY_DIFFERS = "copy-differs"
    PROGRAM_FELL = "program-fell"
    IDENTITY_THERE = "identity-there"
    REVOKED = "revoked"
    ELSEWHERE = "elsewhere"
    OTHER_KEY = "other-key"
    PAIRING = "pairing"
    LABEL = "label"
    BUTTON_SILENT = "button-silent"
    BUTTON_STUCK = "button-stuck"
    MOTOR_NOT_FELT = "motor-not-felt"
    BATTERY_ABSENT = "battery-absent"
    BATTERY_LOW = "battery-low"
    RADIO_DEAD = "radio-dead"
    NOT_HEARD = "not-heard"


class WorkshopError(VigibipError):
    """The workshop itself cannot work: a tool or the firmware is missing from this computer."""


class StepError(PeerError):
    """A step failed: `cause` for the words to the installer, `detail` for a technician.

    No key is ever in a detail.
    """

    def __init__(self, cause: Cause, detail: str = "") -> None:
        self.cause = cause
        self.detail = detail
        super().__init__(f"{cause.value}: {detail}" if detail else cause.value)
