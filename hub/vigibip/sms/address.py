"""Addresses in PDUs: numbers and names. 3GPP TS 23.040, 9.1.2.5; TS 24.011, 8.2.5.1."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum

from vigibip.sms import packing
from vigibip.sms.errors import PduError, TextError
from vigibip.sms.text import from_gsm7, to_gsm7

DIGITS_MAX = 20
NAME_SEPTETS_MAX = 11
_DIGITS = "0123456789*#abc"  # TS 24.008, table 10.5.118; 15 fills an odd number up
_FILL = 0x0F
_NAME_PREFIX = "alpha:"


class AddressKind(IntEnum):
    """Type of number (TON); values that we do not know are read as UNKNOWN."""

    UNKNOWN = 0
    INTERNATIONAL = 1
    NATIONAL = 2
    NETWORK = 3
    SUBSCRIBER = 4
    NAME = 5
    ABBREVIATED = 6


@dataclass(frozen=True, slots=True)
class Address:
    """`digits` are digits without a plus, or, when `kind` is NAME, up to 11 septets of text."""

    kind: AddressKind
    digits: str = field(repr=False)

    @classmethod
    def parse(cls, to: str) -> Address:
        """Read `+` and 1-15 digits (E.164), or 1-20 digits alone. Raises TextError."""
        match = re.fullmatch(r"\+([0-9]{1,15})|([0-9]{1,20})", to)
        if match is None:
            raise TextError("a number is + and 1-15 digits, or up to 20 digits")
        if match[1]:
            return cls(AddressKind.INTERNATIONAL, match[1])
        return cls(AddressKind.UNKNOWN, match[2])

    @classmethod
    def name(cls, name: str) -> Address:
        """Return an alphanumeric address. Raises TextError if it is no 1-11 septets of GSM-7."""
        if not 1 <= len(to_gsm7(name)) <= NAME_SEPTETS_MAX:
            raise TextError(f"an alphanumeric sender has 1-{NAME_SEPTETS_MAX} characters")
        return cls(AddressKind.NAME, name)

    def e164(self, country: str = "33") -> str:
        """Return `+` and digits where this can be a number of the world, or of `country`.

        Else the digits alone (a short number), or `alpha:` and the name: a name made to look
        like a number never compares equal to it.
        """
        if self.kind is AddressKind.NAME:
            return _NAME_PREFIX + self.digits
        if not self.digits.isdecimal():
            return self.digits
        if self.kind is AddressKind.INTERNATIONAL:
            return "+" + self.digits
        if len(self.digits) == 10 and self.digits.startswith("0") and self.digits[1] != "0":
            return f"+{country}{self.digits[1:]}"
        if self.kind is AddressKind.NATIONAL and len(self.digits) == 9:
            return f"+{country}{self.digits}"
        if self.digits.startswith("00") and len(self.digits) > 10:
            return "+" + self.digits[2:]
        return self.digits


def encode_address(address: Address) -> bytes:
    """Return length in semi-octets, type and value, as TP-OA, TP-DA and TP-RA are written."""
    if address.kind is AddressKind.NAME:
        septets = to_gsm7(address.digits)
        return bytes(((7 * len(septets) + 3) // 4, 0xD0)) + packing.pack(septets)
    plan = 1 if address.kind is not AddressKind.SUBSCRIBER else 0
    type_octet = 0x80 | address.kind << 4 | plan
    return bytes((len(address.digits), type_octet)) + _semi_octets(address.digits)


def decode_address(octets: bytes, start: int) -> tuple[Address, int]:
    """Read an address at `start`; return it and where it ends. Raises PduError."""
    if start + 2 > len(octets):
        raise PduError("it ends before its address", octets)
    length, type_octet = octets[start], octets[start + 1]
    end = start + 2 + (length + 1) // 2
    if length > DIGITS_MAX or end > len(octets):
        raise PduError("its address is longer than an address can be", octets)
    value = octets[start + 2 : end]
    number_type = type_octet >> 4 & 7
    if number_type == AddressKind.NAME:
        count = 4 * length // 7
        septets = packing.unpack(value, count)
        if count == 8:
            # Seven septets in seven whole octets look like eight, the last one an `@`.
            septets = septets.removesuffix(b"\x00")
        return Address(AddressKind.NAME, from_gsm7(septets)), end
    kind = AddressKind(number_type) if number_type < 7 else AddressKind.UNKNOWN
    return Address(kind, _digits(value)[:length]), end


def encode_smsc(number: str | None) -> bytes:
    """Return the service centre's address as a modem writes it before a TPDU; None: left out."""
    if number is None:
        return b"\x00"
    address = Address.parse(number)
    type_octet = 0x91 if address.kind is AddressKind.INTERNATIONAL else 0x81
    value = _semi_octets(address.digits)
    return bytes((1 + len(value), type_octet)) + value


def smsc_end(pdu: bytes) -> int:
    """Return where the service centre's address ends and the TPDU begins. Raises PduError."""
    if not pdu:
        raise PduError("it is empty")
    # RP addresses have up to 11 octets; nothing here needs what is in them.
    if pdu[0] > 11 or pdu[0] >= len(pdu):
        raise PduError("its service centre's address is longer than it can be", pdu)
    return 1 + pdu[0]


def _semi_octets(digits: str) -> bytes:
    codes = [_DIGITS.index(digit) for digit in digits]
    if len(codes) % 2:
        codes.append(_FILL)
    return bytes(low | high << 4 for low, high in zip(codes[::2], codes[1::2], strict=True))


def _digits(octets: bytes) -> str:
    """Return the digits up to the first filler, wherever it stands."""
    digits: list[str] = []
    for octet in octets:
        for code in (octet & 0x0F, octet >> 4):
            if code == _FILL:
                return "".join(digits)
            digits.append(_DIGITS[code])
    return "".join(digits)
