"""PDUs both ways: vectors of the standard's form, round trips, and hostile bytes."""

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigibip.sms.address import Address, AddressKind
from vigibip.sms.errors import PduError, TextError
from vigibip.sms.pdu import (
    Deliver,
    StatusReport,
    decode,
    decode_submit,
    encode_deliver,
    encode_status_report,
    encode_submit,
)
from vigibip.sms.segments import Coding, segment
from vigibip.sms.user_data import Concatenation, Ports, UserData, of_segment

SHOP, POST = "+33639980001", "+33639980002"
MORNING = datetime(2026, 1, 5, 9, 30, 15, tzinfo=UTC)
FUZZ_INPUTS = 20_000


def deliver(text: str = "Bonjour", sender: str = SHOP, header: bytes = b"") -> bytes:
    data = of_segment(segment(text)[0])
    return encode_deliver(
        Address.parse(sender),
        UserData(dcs=data.dcs, header=header, body=data.body),
        sent_utc=MORNING,
        smsc=POST,
    )


def read_deliver(pdu: bytes) -> Deliver:
    message = decode(pdu)
    assert isinstance(message, Deliver)
    return message


# ---- vectors, worked out by hand from the standard


def test_a_submit_octet_for_octet() -> None:
    (one,) = segment("hellohello")
    tpdu = encode_submit("+33639980001", one, validity_s=86400, status_report=True)
    assert (
        tpdu.hex()
        == (
            "31"  # SUBMIT, relative validity, report asked
            "00"
            "0b91" + "3336990800f1"
            "0000" + "a7"  # one day
            "0a" + "e8329bfd4697d9ec37"
        )
    )


def test_a_known_deliver() -> None:
    # The example of a thousand tutorials on PDU mode.
    pdu = bytes.fromhex("07917283010010F5040BC87238880900F10000993092516195800AE8329BFD4697D9EC37")
    message = read_deliver(pdu)
    assert message.data.text == "hellohello"
    assert message.sender.digits == "27838890001"


def test_a_status_report_octet_for_octet() -> None:
    pdu = encode_status_report(
        0x2A, Address.parse(SHOP), sent_utc=MORNING, done_utc=MORNING, status=0x00, zone_min=60
    )
    assert pdu.hex() == "00062a0b913336990800f1" + "62105001035140" * 2 + "00"


# ---- round trips


@given(
    st.text(max_size=200).filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text)),
    st.integers(0, 255),
    st.booleans(),
)
def test_a_submit_is_read_as_it_was_written(text: str, reference: int, report: bool) -> None:
    for one in segment(text, reference, parts_max=20):
        tpdu = encode_submit(POST, one, reference=reference, status_report=report)
        submit = decode_submit(tpdu)
        assert submit.to.e164() == POST
        assert submit.data.text == one.text
        assert (submit.reference, submit.report, submit.validity_s) == (reference, report, None)
        if one.parts > 1:
            expected = Concatenation(reference, 8, one.parts, one.part)
            assert submit.data.concatenation == expected
        # What an operator makes of it.
        pdu = encode_deliver(submit.to, submit.data, sent_utc=MORNING)
        assert read_deliver(pdu).data == submit.data


@pytest.mark.parametrize("length", range(161))
def test_every_length_of_septets(length: int) -> None:
    text = "@" * length  # septet 0: what padding would look like
    assert read_deliver(deliver(text)).data.text == text


@pytest.mark.parametrize("header_length", range(2, 15))
def test_septets_begin_on_a_septet_behind_any_header(header_length: int) -> None:
    header = bytes((0x7E, header_length - 2)) + bytes(header_length - 2)
    assert read_deliver(deliver("Feu ! @", header=header)).data.text == "Feu ! @"


# ---- senders


@pytest.mark.parametrize(
    ("address", "sender"),
    [
        (Address(AddressKind.INTERNATIONAL, "33639980001"), SHOP),
        (Address(AddressKind.NATIONAL, "639980001"), SHOP),
        (Address(AddressKind.NATIONAL, "0639980001"), SHOP),
        (Address(AddressKind.UNKNOWN, "0639980001"), SHOP),
        (Address(AddressKind.UNKNOWN, "0033639980001"), SHOP),
        (Address(AddressKind.UNKNOWN, "38010"), "38010"),
        (Address(AddressKind.ABBREVIATED, "17"), "17"),
        (Address(AddressKind.UNKNOWN, "*123#"), "*123#"),
        (Address.name("MAIRIE"), "alpha:MAIRIE"),
        (Address.name("Préfet€"), "alpha:Préfet€"),  # eight septets
        (Address.name("Préfet."), "alpha:Préfet."),  # seven septets, seven octets
        (Address.name("+3363998000"), "alpha:+3363998000"),  # a name made to look like a number
    ],
)
def test_senders(address: Address, sender: str) -> None:
    data = of_segment(segment("x")[0])
    message = read_deliver(encode_deliver(address, data, sent_utc=MORNING))
    assert message.sender.e164() == sender


@pytest.mark.parametrize("to", ["", "+", "33 6", "+33639980001234567", "alpha", "٠١", "+336\n"])
def test_what_is_no_number_gets_no_pdu(to: str) -> None:
    with pytest.raises(TextError):
        encode_submit(to, segment("x")[0])


# ---- headers


def test_sixteen_bit_references_are_read() -> None:
    data = read_deliver(deliver(header=bytes.fromhex("0804abcd0302"))).data
    assert data.concatenation == Concatenation(0xABCD, 16, 3, 2)
    assert data.text == "Bonjour"


def test_unknown_elements_are_ignored_and_the_last_of_two_counts() -> None:
    header = bytes.fromhex("7e021234" + "0003010201" + "0003020202")
    assert read_deliver(deliver(header=header)).data.concatenation == Concatenation(2, 8, 2, 2)


@pytest.mark.parametrize("element", ["0003070200", "0003070203", "0003070000"])
def test_a_concatenation_that_cannot_be_is_ignored(element: str) -> None:
    data = read_deliver(deliver(header=bytes.fromhex(element))).data
    assert data.concatenation is None
    assert data.text == "Bonjour"


def test_a_header_whose_elements_do_not_fit_is_ignored_as_a_whole() -> None:
    data = read_deliver(deliver(header=bytes.fromhex("0003070201" + "0009"))).data
    assert data.concatenation is None
    assert data.text == "Bonjour"


def test_application_ports_are_recognised() -> None:
    assert read_deliver(deliver(header=bytes.fromhex("05040b8423f0"))).data.ports == Ports(
        2948, 9200
    )
    assert read_deliver(deliver(header=bytes.fromhex("0402f0f1"))).data.ports == Ports(240, 241)


def test_national_shift_tables_of_a_header_are_used() -> None:
    data = UserData(header=bytes.fromhex("240101"), body=b"\x1b\x69")
    assert (
        read_deliver(encode_deliver(Address.parse(SHOP), data, sent_utc=MORNING)).data.text == "ı"
    )


# ---- data coding


@pytest.mark.parametrize(
    ("dcs", "coding", "message_class"),
    [
        *[(0x00, Coding.GSM7, None), (0x04, Coding.DATA, None), (0x08, Coding.UCS2, None)],
        *[(0x0C, Coding.GSM7, None), (0x10, Coding.GSM7, 0), (0x18, Coding.UCS2, 0)],
        *[(0x20, Coding.DATA, None), (0x28, Coding.DATA, None), (0x48, Coding.UCS2, None)],
        *[(0x8F, Coding.GSM7, None), (0xC8, Coding.GSM7, None), (0xD0, Coding.GSM7, None)],
        *[(0xE0, Coding.UCS2, None), (0xF0, Coding.GSM7, 0), (0xF5, Coding.DATA, 1)],
        *[(0xF6, Coding.DATA, 2), (0xFB, Coding.GSM7, 3)],
    ],
)
def test_data_coding_groups(dcs: int, coding: Coding, message_class: int | None) -> None:
    data = UserData(dcs=dcs, body=b"\x00A")
    read = read_deliver(encode_deliver(Address.parse(SHOP), data, sent_utc=MORNING)).data
    assert (read.coding, read.message_class, read.body) == (coding, message_class, b"\x00A")
    assert (read.text is None) == (coding is Coding.DATA)


def test_half_a_character_at_the_end_becomes_a_replacement() -> None:
    pdu = encode_deliver(Address.parse(SHOP), UserData(dcs=8, body=b"\x00A\xd8"), sent_utc=MORNING)
    assert read_deliver(pdu).data.text == "A\ufffd"


# ---- hostile bytes


def corpus() -> list[bytes]:
    long = segment("é€ " * 90, 9)
    wide = segment("ê😀 " * 40, 9)
    pdus = [deliver(), deliver(""), deliver(header=bytes.fromhex("0804abcd0302"))]
    for one in long + wide:
        pdus.append(encode_deliver(Address.name("MAIRIE"), of_segment(one), sent_utc=MORNING))
    pdus.append(
        encode_status_report(
            1, Address.parse(SHOP), sent_utc=MORNING, done_utc=MORNING, status=0x30
        )
    )
    pdus.append(b"\x00" + encode_submit(POST, long[0], validity_s=600, status_report=True))
    return pdus


def spoilt(chance: random.Random, pdus: list[bytes]) -> bytes:
    """Return something near a PDU, or nothing like one."""
    if chance.random() < 0.2:
        return chance.randbytes(chance.randrange(0, 300))
    pdu = bytearray(chance.choice(pdus))
    for _ in range(chance.randrange(1, 6)):
        kind = chance.randrange(4)
        at = chance.randrange(len(pdu)) if pdu else 0
        if kind == 0 and pdu:
            pdu[at] = chance.randrange(256)
        elif kind == 1 and pdu:
            pdu[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            del pdu[at : at + chance.randrange(1, 9)]
        else:
            pdu[at:at] = chance.randbytes(chance.randrange(1, 9))
    return bytes(pdu)


def read_whole(pdu: bytes) -> None:
    """Use all that a message tells."""
    message = decode(pdu)
    if isinstance(message, StatusReport):
        assert message.status.delivered in (True, False, None)
        assert message.status.words
        assert len(message.recipient.e164()) <= 30
        return
    ports, concatenation = message.data.ports, message.data.concatenation
    assert ports is None or max(ports.destination, ports.source) <= 0xFFFF
    assert concatenation is None or 1 <= concatenation.part <= concatenation.parts
    assert len(message.sender.e164()) <= 30
    text = message.data.text
    assert text is None or len(text) <= 160
    assert message.sent_utc is None or message.sent_utc.tzinfo is UTC


def test_hostile_bytes_are_a_message_or_an_error() -> None:
    chance = random.Random(20_000)
    pdus = corpus()
    read = refused = 0
    for _ in range(FUZZ_INPUTS):
        pdu = spoilt(chance, pdus)
        try:
            read_whole(pdu)
            read += 1
        except PduError:
            refused += 1
        try:
            decode_submit(pdu[1:])
        except PduError:
            continue
    # Both happen often enough to mean something.
    assert min(read, refused) > FUZZ_INPUTS // 10


def test_every_truncation_is_a_message_or_an_error() -> None:
    for pdu in corpus():
        for end in range(len(pdu)):
            with pytest.raises(PduError):
                decode(pdu[:end])
