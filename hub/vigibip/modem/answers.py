"""Information lines of modems, read into plain values; what cannot be read is None or empty."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

# 3GPP TS 27.007, <AcT> of AT+COPS.
_TECHNOLOGY = {
    **dict.fromkeys((0, 1, 3, 8), "GSM"),
    **dict.fromkeys((2, 4, 5, 6), "UMTS"),
    **dict.fromkeys((7, 9, 10, 12, 13), "LTE"),
    11: "NR",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """What a modem says of the cell that it is on."""

    technology: str
    signal_dbm: int | None
    plmn: str = ""
    """The network's own number, country and operator as "208-01"; empty while unknown."""


class Registration(Enum):
    """A network's answer to one of CREG, CGREG, CEREG (TS 27.007 section 10.1.20)."""

    NONE = "none"
    SEARCHING = "searching"
    DENIED = "denied"
    HOME = "home"
    ROAMING = "roaming"


_STAT = {
    0: Registration.NONE,
    1: Registration.HOME,
    2: Registration.SEARCHING,
    3: Registration.DENIED,
    4: Registration.NONE,
    5: Registration.ROAMING,
    6: Registration.HOME,  # for SMS only
    7: Registration.ROAMING,  # for SMS only
    8: Registration.DENIED,  # emergency calls only
    9: Registration.HOME,  # circuit-switched fall-back not preferred
    10: Registration.ROAMING,
}


@dataclass(frozen=True, slots=True)
class StoreUse:
    """How full a message store is."""

    used: int
    total: int


@dataclass(frozen=True, slots=True)
class StorePlace:
    """One message of a store: its index, its <stat> (0 and 1: received), its PDU."""

    index: int
    stat: int
    pdu: bytes


def fields(line: str) -> list[str]:
    """Return what stands behind the colon, cut at its commas, without quotation marks."""
    _, _, rest = line.partition(":")
    quoted, found, current = False, [], ""
    for character in rest:
        if character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            found.append(current.strip())
            current = ""
        else:
            current += character
    return [*found, current.strip()]


def whole(text: str) -> int | None:
    """Return `text` as an integer of at most 9 digits, signed or not."""
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,9}", text) else None


def _at(values: Sequence[str], index: int) -> int | None:
    return whole(values[index]) if index < len(values) else None


def registration(line: str) -> Registration | None:
    """Read +CREG, +CGREG or +CEREG as an answer: <n>,<stat>."""
    stat = _at(fields(line), 1)
    return None if stat is None else _STAT.get(stat, Registration.NONE)


def operator(line: str) -> tuple[str, str]:
    """Read +COPS into name and technology; both are empty while there is none."""
    values = fields(line)
    name = values[2][:40] if len(values) > 2 else ""
    act = _at(values, 3)
    return name, "" if act is None else _TECHNOLOGY.get(act, "")


def csq_dbm(line: str) -> int | None:
    """Read +CSQ: RSSI."""
    rssi = _at(fields(line), 0)
    return 2 * rssi - 113 if rssi is not None and 0 <= rssi <= 31 else None


def cesq(line: str) -> Cell | None:
    """Read +CESQ: RSRP on LTE, RSCP on UMTS, RSSI on GSM; None when all are unknown."""
    values = fields(line)
    rxlev, rscp, rsrp = _at(values, 0), _at(values, 2), _at(values, 5)
    if rsrp is not None and 0 <= rsrp <= 97:
        return Cell("LTE", rsrp - 141)
    if rscp is not None and 0 <= rscp <= 96:
        return Cell("UMTS", rscp - 121)
    if rxlev is not None and 0 <= rxlev <= 63:
        return Cell("GSM", rxlev - 111)
    return None


def cpsi(line: str) -> Cell | None:
    """Read SIMCom's +CPSI. RSRP comes in tenths of dBm, on some firmwares in dBm."""
    values = fields(line)
    system = values[0].upper()
    if system.startswith("LTE"):
        rsrp = _at(values, 11)
        if rsrp is not None and rsrp < -200:
            rsrp = round(rsrp / 10)
        return Cell("LTE", rsrp, _plmn(values[2:3]))
    if system.startswith(("WCDMA", "TD-SCDMA")):
        return Cell("UMTS", None, _plmn(values[2:3]))
    if system.startswith("GSM"):
        return Cell("GSM", _at(values, 6), _plmn(values[2:3]))
    return None


def qeng(line: str) -> Cell | None:
    """Read Quectel's +QENG: "servingcell"; also its form on two lines, where the cell is apart."""
    values = fields(line)
    if values and values[0] == "servingcell":
        values = values[2:]
    if not values:
        return None
    system = values[0].upper()
    if system in ("LTE", "CAT-M", "CAT-NB"):
        return Cell("LTE", _at(values, 11), _plmn(values[2:4]))
    if system == "WCDMA":
        return Cell("UMTS", _at(values, 8), _plmn(values[1:3]))
    if system == "GSM":
        return Cell("GSM", _at(values, 8), _plmn(values[1:3]))
    return None


def _plmn(values: Sequence[str]) -> str:
    plmn = "-".join(values)
    return plmn if re.fullmatch(r"[0-9]{3}-[0-9]{2,3}", plmn) else ""


def reference(line: str) -> int | None:
    """Read +CMGS: <mr>."""
    value = _at(fields(line), 0)
    return value if value is not None and 0 <= value <= 255 else None


def store_use(line: str) -> StoreUse | None:
    """Read +CPMS, of the question as of the setting: use of the store that is read."""
    values = fields(line)
    if values and whole(values[0]) is None:
        values = values[1:]
    used, total = _at(values, 0), _at(values, 1)
    return None if used is None or total is None else StoreUse(used, total)


def place(line: str, pdu: str | None, *, index: int | None = None) -> StorePlace | None:
    """Read +CMGL (which has an index) or +CMGR (`index` is what was asked for)."""
    values = fields(line)
    stat = _at(values, 0)
    if index is None:
        index, stat = _at(values, 0), _at(values, 1)
    if index is None or pdu is None:
        return None
    return StorePlace(index, 0 if stat is None else stat, bytes.fromhex(pdu))


def announced(line: str) -> tuple[str, int | None]:
    """Read +CMTI or +CDSI: the store, and the index; None where the modem gives none (-1)."""
    values = fields(line)
    index = _at(values, 1)
    return values[0].upper()[:4], None if index is None or index < 0 else index


def digits(lines: Sequence[str]) -> str | None:
    """Return the first run of 14 to 20 digits: an IMEI or an ICCID, whatever stands around it."""
    for line in lines:
        found = re.search(r"(?<![0-9])[0-9]{14,20}(?![0-9])", line)
        if found is not None:
            return found[0]
    return None


def text(lines: Sequence[str]) -> str:
    """Return the first line's words without a +CGMM: before and quotation marks around."""
    if not lines:
        return ""
    line = re.sub(r"^\+[A-Z]+:\s*|^Revision:\s*", "", lines[0])
    return line.strip().strip('"')[:60]
