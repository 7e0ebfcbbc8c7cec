"""User data: header and body. 3GPP TS 23.040, 9.2.3.24."""

from __future__ import annotations

from dataclasses import dataclass, field

from vigibip.sms import packing
from vigibip.sms.errors import PduError
from vigibip.sms.fields import read_scheme, write_scheme
from vigibip.sms.segments import Coding, Segment
from vigibip.sms.text import from_gsm7

OCTETS_MAX = 140
SEPTETS_MAX = 160

_CONCATENATION_8, _CONCATENATION_16 = 0x00, 0x08
_PORTS_8, _PORTS_16 = 0x04, 0x05
_SINGLE_SHIFT, _LOCKING_SHIFT = 0x24, 0x25


@dataclass(frozen=True, slots=True)
class Concatenation:
    """Part `part` of `parts`; `reference` is only alike among references of as many `bits`."""

    reference: int
    bits: int
    parts: int
    part: int


@dataclass(frozen=True, slots=True)
class Ports:
    """Application ports: it is meant for a program, not for a person."""

    destination: int
    source: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UserData:
    """`body`: septets, one an octet (GSM7), UTF-16 big-endian (UCS2), or octets that are no text.

    `header` is the header's elements without its length octet. Elements that we do not know are
    kept and ignored; a header whose elements do not fit it is ignored as a whole, as the standard
    asks, and so is a concatenation that cannot be.
    """

    dcs: int = 0
    header: bytes = b""
    body: bytes = field(default=b"", repr=False)

    @property
    def coding(self) -> Coding:
        return read_scheme(self.dcs).coding

    @property
    def message_class(self) -> int | None:
        return read_scheme(self.dcs).message_class

    @property
    def text(self) -> str | None:
        """The text, None when it is data. Never fails: what cannot be read becomes U+FFFD."""
        return join_text([self])

    @property
    def languages(self) -> tuple[int, int]:
        """The national locking and single shift tables, 0 for the default ones."""
        locking = single = 0
        for identifier, value in self._elements():
            if len(value) == 1 and identifier == _LOCKING_SHIFT:
                locking = value[0]
            elif len(value) == 1 and identifier == _SINGLE_SHIFT:
                single = value[0]
        return locking, single

    @property
    def concatenation(self) -> Concatenation | None:
        found = None  # of several the last one counts
        for identifier, value in self._elements():
            if identifier == _CONCATENATION_8 and len(value) == 3:
                one = Concatenation(value[0], 8, value[1], value[2])
            elif identifier == _CONCATENATION_16 and len(value) == 4:
                one = Concatenation(value[0] << 8 | value[1], 16, value[2], value[3])
            else:
                continue
            if 1 <= one.part <= one.parts:
                found = one
        return found

    @property
    def ports(self) -> Ports | None:
        found = None
        for identifier, value in self._elements():
            if identifier == _PORTS_8 and len(value) == 2:
                found = Ports(value[0], value[1])
            elif identifier == _PORTS_16 and len(value) == 4:
                found = Ports(value[0] << 8 | value[1], value[2] << 8 | value[3])
        return found

    def _elements(self) -> list[tuple[int, bytes]]:
        elements = []
        at = 0
        while at < len(self.header):
            end = at + 2 + self.header[at + 1] if at + 1 < len(self.header) else at + 2
            if end > len(self.header):
                return []
            elements.append((self.header[at], self.header[at + 2 : end]))
            at = end
        return elements


def of_segment(segment: Segment) -> UserData:
    """Return `segment` as user data without class."""
    return UserData(dcs=write_scheme(segment.coding), header=segment.header, body=segment.body)


def join_text(parts: list[UserData]) -> str | None:
    """Return the text of `parts` in their order, None when one of them is data.

    Neighbours of one coding are joined before they are read, since there are senders that cut an
    escape from its character, or a surrogate pair in two.
    """
    runs: list[tuple[Coding, tuple[int, int], bytearray]] = []
    for part in parts:
        coding, languages = part.coding, part.languages
        if coding is Coding.DATA:
            return None
        if runs and runs[-1][:2] == (coding, languages):
            runs[-1][2].extend(part.body)
        else:
            runs.append((coding, languages, bytearray(part.body)))
    return "".join(
        from_gsm7(bytes(body), locking=languages[0], single=languages[1])
        if coding is Coding.GSM7
        else bytes(body).decode("utf-16-be", errors="replace")
        for coding, languages, body in runs
    )


def encode_user_data(data: UserData) -> bytes:
    """Return TP-UDL and TP-UD. Raises PduError when it is longer than one part can be."""
    header = bytes((len(data.header),)) + data.header if data.header else b""
    if data.coding is Coding.GSM7:
        fill_bits = -8 * len(header) % 7
        length = (8 * len(header) + fill_bits) // 7 + len(data.body)
        octets = header + packing.pack(data.body, fill_bits)
    else:
        octets = header + data.body
        length = len(octets)
    if len(data.header) > OCTETS_MAX or len(octets) > OCTETS_MAX:
        raise PduError("its user data is longer than one part can be")
    return bytes((length,)) + octets


def decode_user_data(octets: bytes, start: int, *, dcs: int, has_header: bool) -> UserData:
    """Read TP-UDL at `start` and TP-UD behind it; octets beyond its end are ignored.

    Raises PduError when its lengths contradict each other.
    """
    if start >= len(octets):
        raise PduError("it ends before its user data", octets)
    length = octets[start]
    septets = read_scheme(dcs).coding is Coding.GSM7
    if length > (SEPTETS_MAX if septets else OCTETS_MAX):
        raise PduError("its user data is longer than one part can be", octets)
    size = (7 * length + 7) // 8 if septets else length
    data = octets[start + 1 : start + 1 + size]
    if len(data) < size:
        raise PduError("it ends within its user data", octets)
    header = b""
    header_size = 0
    if has_header:
        header_size = 1 + data[0] if data else 1
        if header_size > len(data):
            raise PduError("its header is longer than its user data", octets)
        header = data[1:header_size]
    if not septets:
        return UserData(dcs=dcs, header=header, body=data[header_size:])
    fill_bits = -8 * header_size % 7
    header_septets = (8 * header_size + fill_bits) // 7
    body = packing.unpack(data[header_size:], length - header_septets, fill_bits)
    return UserData(dcs=dcs, header=header, body=body)
