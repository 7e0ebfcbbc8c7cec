"""What the numbers and words of modems mean: CME, CMS and bare refusals, each to its cause.

Sources: 3GPP TS 27.007 section 9.2 (CME), TS 27.005 section 3.2.5 with TS 24.011 annex E-2 and
TS 23.040 section 9.2.3.22 (CMS).
"""

from __future__ import annotations

import re
from enum import StrEnum

from vigibip.modem.advice import advise
from vigibip.modem.contract import ModemCause, ModemError

C = ModemCause


class Family(StrEnum):
    """Which table a code belongs to. BARE: an ERROR without any code."""

    CME = "CME"
    CMS = "CMS"
    BARE = "ERROR"


CME: dict[int, ModemCause] = {
    **dict.fromkeys((0, 1, 23), C.MODEM_FAILURE),
    **dict.fromkeys((2, 262), C.RESERVED),
    **dict.fromkeys((3, 21, 22), C.NOT_ALLOWED),
    **dict.fromkeys((4, 50), C.NOT_SUPPORTED),
    **dict.fromkeys((5, 6, 7, 40, 41, 42, 43, 44, 45, 46, 47), C.SIM_LOCKED),
    10: C.NO_SIM,
    11: C.SIM_PIN,
    12: C.SIM_PUK,
    13: C.SIM_FAILURE,
    14: C.SIM_BUSY,
    15: C.SIM_WRONG,
    16: C.PIN_WRONG,
    17: C.SIM_PIN,
    18: C.SIM_PUK,
    20: C.STORE_FULL,
    30: C.NO_NETWORK,
    31: C.NETWORK_TIMEOUT,
    **dict.fromkeys((32, 103, 106, 107, 111, 112, 113), C.DENIED),
    **dict.fromkeys((132, 133), C.NOT_SUBSCRIBED),
    134: C.NETWORK_OUT_OF_ORDER,
}

CMS: dict[int, ModemCause] = {
    **dict.fromkeys((1, 21, 28, 30, 195, 196), C.NUMBER_REJECTED),
    **dict.fromkeys((8, 10, 29, 50, 69, 193), C.NOT_SUBSCRIBED),
    27: C.DESTINATION_OUT,
    38: C.NETWORK_OUT_OF_ORDER,
    **dict.fromkeys((41, 42, 47, 192), C.CONGESTED),
    **dict.fromkeys((81, 95, 96, 97, 98, 99, 111, 304), C.BAD_PDU),
    **dict.fromkeys((128, 143, 144, 145, 159, 160, 161, 175, 176, 198, 199, 305), C.BAD_PDU),
    **dict.fromkeys((127, 194), C.SMSC_FAILED),
    197: C.DUPLICATE,
    **dict.fromkeys((208, 211, 322), C.STORE_FULL),
    **dict.fromkeys((209, 320, 321), C.STORE_FAILURE),
    **dict.fromkeys((210, 212, 213, 300), C.MODEM_FAILURE),
    **dict.fromkeys((301,), C.RESERVED),
    302: C.NOT_ALLOWED,
    303: C.NOT_SUPPORTED,
    310: C.NO_SIM,
    **dict.fromkeys((311, 317), C.SIM_PIN),
    312: C.SIM_LOCKED,
    313: C.SIM_FAILURE,
    314: C.SIM_BUSY,
    315: C.SIM_WRONG,
    **dict.fromkeys((316, 318), C.SIM_PUK),
    330: C.NO_SMSC,
    331: C.NO_SMS_NETWORK,
    332: C.NETWORK_TIMEOUT,
    500: C.UNKNOWN,
}

# AT+CMEE=2 is some firmwares' default, and is spoken until AT+CMEE=1 is taken.
_WORDS: tuple[tuple[str, ModemCause], ...] = (
    ("sim not inserted", C.NO_SIM),
    ("(u)sim not inserted", C.NO_SIM),
    ("ph-sim pin", C.SIM_LOCKED),
    ("personalization", C.SIM_LOCKED),
    ("pin required", C.SIM_PIN),
    ("pin2 required", C.SIM_PIN),
    ("puk required", C.SIM_PUK),
    ("puk2 required", C.SIM_PUK),
    ("sim failure", C.SIM_FAILURE),
    ("sim busy", C.SIM_BUSY),
    ("sim wrong", C.SIM_WRONG),
    ("incorrect password", C.PIN_WRONG),
    ("memory full", C.STORE_FULL),
    ("invalid memory index", C.STORE_FAILURE),
    ("invalid index", C.NOT_ALLOWED),
    ("memory failure", C.STORE_FAILURE),
    ("emergency call", C.DENIED),
    ("smsc address unknown", C.NO_SMSC),
    ("sca unknown", C.NO_SMSC),
    ("network out of order", C.NETWORK_OUT_OF_ORDER),
    ("network timeout", C.NETWORK_TIMEOUT),
    ("congestion", C.CONGESTED),
    ("short message transfer rejected", C.NUMBER_REJECTED),
    ("invalid pdu", C.BAD_PDU),
    ("not allowed", C.NOT_ALLOWED),
    ("not supported", C.NOT_SUPPORTED),
    ("me failure", C.MODEM_FAILURE),
    ("phone failure", C.MODEM_FAILURE),
)

_NEVER = frozenset({C.NUMBER_REJECTED, C.BAD_PDU, C.DUPLICATE, C.NOT_SUPPORTED})
"""Causes after which the same PDU never goes."""

DEAF = frozenset({C.SILENT, C.ABSENT, C.HUNG, C.CLOSED})
"""Failures of the line and not of a command: the next command would fail as well."""

SUSPECT = frozenset(
    {
        *(C.UNKNOWN, C.NOT_ALLOWED, C.MODEM_FAILURE),
        *(C.BAD_PDU, C.REFUSED, C.NOT_SUPPORTED),
    }
)
"""Refusals of an SMS that a modem out of its mind would give of a sound one, too."""

_CODE = re.compile(r"[0-9]{1,5}")


def failure(cause: ModemCause, code: str = "") -> ModemError:
    """Return the error for `cause`, with its French advice."""
    return ModemError(cause, advice=advise(cause), retry=cause not in _NEVER, code=code)


def cause_of(family: Family, text: str) -> ModemCause:
    """Return the cause for what stood behind "+CME ERROR:" or "+CMS ERROR:"."""
    if family is Family.BARE:
        return C.REFUSED
    if _CODE.fullmatch(text):
        number = int(text)
        if family is Family.CME:
            return CME.get(number, C.UNKNOWN)
        # Some firmwares tell an SMS command's failure with the numbers of CME, and back.
        return CMS.get(number) or CME.get(number, C.UNKNOWN)
    lowered = text.lower()
    if family is Family.CMS and "no network service" in lowered:
        return C.NO_SMS_NETWORK
    if "no network service" in lowered:
        return C.NO_NETWORK
    return next((cause for words, cause in _WORDS if words in lowered), C.UNKNOWN)


def refusal(family: Family, text: str) -> ModemError:
    """Return the error for a final result that is none of success; `text` is the modem's own."""
    code = family.value if family is Family.BARE else f"{family.value} {text[:40]}"
    return failure(cause_of(family, text), code)
