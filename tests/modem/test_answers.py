"""Information lines as models say them."""

from __future__ import annotations

import pytest

from vigibip.modem import answers
from vigibip.modem.answers import Cell, Registration, StorePlace, StoreUse


@pytest.mark.parametrize(
    ("line", "stands"),
    [
        ("+CREG: 0,1", Registration.HOME),
        ('+CREG: 2,1,"00A8","5355E8D",7', Registration.HOME),
        ("+CREG: 0,3", Registration.DENIED),
        ("+CEREG: 0,5", Registration.ROAMING),
        ("+CGREG: 0,2", Registration.SEARCHING),
        ("+CEREG: 0,6", Registration.HOME),
        ("+CREG: 0,8", Registration.DENIED),
        ("+CREG: 0,99", Registration.NONE),
        ("+CREG: nonsense", None),
    ],
)
def test_registration(line: str, stands: Registration | None) -> None:
    assert answers.registration(line) is stands


@pytest.mark.parametrize(
    ("line", "operator"),
    [
        ('+COPS: 0,0,"NOS",7', ("NOS", "LTE")),
        ('+COPS: 0,0,"a, b",2', ("a, b", "UMTS")),
        ('+COPS: 0,2,"26803",0', ("26803", "GSM")),
        ("+COPS: 0", ("", "")),
        ("+COPS: 2", ("", "")),
    ],
)
def test_operator(line: str, operator: tuple[str, str]) -> None:
    assert answers.operator(line) == operator


@pytest.mark.parametrize(
    ("line", "dbm"),
    [("+CSQ: 17,99", -79), ("+CSQ: 0,0", -113), ("+CSQ: 31,0", -51), ("+CSQ: 99,99", None)],
)
def test_csq(line: str, dbm: int | None) -> None:
    assert answers.csq_dbm(line) == dbm


@pytest.mark.parametrize(
    ("line", "cell"),
    [
        ("+CESQ: 99,99,255,255,20,46", Cell("LTE", -95)),
        ("+CESQ: 99,99,44,30,255,255", Cell("UMTS", -77)),
        ("+CESQ: 34,0,255,255,255,255", Cell("GSM", -77)),
        ("+CESQ: 99,99,255,255,255,255", None),
        ("+CESQ: x", None),
    ],
)
def test_cesq(line: str, cell: Cell | None) -> None:
    assert answers.cesq(line) == cell


LTE = "LTE,Online,250-02,0x0EF8,22060,58,EUTRAN-BAND3,1725,3,3"


@pytest.mark.parametrize(
    ("line", "cell"),
    [
        (f"+CPSI: {LTE},-108,-889,-614,19", Cell("LTE", -89, "250-02")),
        (f"+CPSI: {LTE},-11,-95,-70,19", Cell("LTE", -95, "250-02")),
        (f"+CPSI: {LTE}", Cell("LTE", None, "250-02")),
        ("+CPSI: WCDMA,Online,208-15,0x1A2B,27394819", Cell("UMTS", None, "208-15")),
        ("+CPSI: LTE,Online,000-00000,0x0EF8", Cell("LTE", None)),
        (
            "+CPSI: GSM,Online,460-00,0x182d,12401,27 EGSM 900,-64,2110,42-42",
            Cell("GSM", -64, "460-00"),
        ),
        ("+CPSI: NO SERVICE,Online", None),
    ],
)
def test_cpsi(line: str, cell: Cell | None) -> None:
    assert answers.cpsi(line) == cell


@pytest.mark.parametrize(
    ("line", "cell"),
    [
        (
            '+QENG: "servingcell","NOCONN","LTE","FDD",123,01,43300C,348,1802,3,5,5,5443,'
            "-87,-16,-69,5,34",
            Cell("LTE", -87, "123-01"),
        ),
        (
            '+QENG: "LTE","FDD",515,03,3359966,1,150,1,5,5,4AA3,-89,-13,-58,16,15,20,-',
            Cell("LTE", -89, "515-03"),
        ),
        (
            '+QENG: "servingcell","NOCONN","WCDMA",001,01,1A2B,1B03,10713,245,15,-77,-5,-,-,-,-,-',
            Cell("UMTS", -77, "001-01"),
        ),
        (
            '+QENG: "servingcell","NOCONN","GSM",001,01,1A2B,1B03,32,12,-,-70,0,0,20',
            Cell("GSM", -70, "001-01"),
        ),
        ('+QENG: "servingcell","SEARCH"', None),
        ('+QENG: "servingcell","NOCONN"', None),
    ],
)
def test_qeng(line: str, cell: Cell | None) -> None:
    assert answers.qeng(line) == cell


def test_messages_and_stores() -> None:
    assert answers.reference("+CMGS: 64") == 64
    assert answers.reference("+CMGS: 256") is None
    assert answers.reference("+CMGS: ") is None
    assert answers.store_use('+CPMS: "ME",3,23,"ME",3,23,"ME",3,23') == StoreUse(3, 23)
    assert answers.store_use("+CPMS: 7,20,7,20,7,20") == StoreUse(7, 20)
    assert answers.store_use("+CPMS: ") is None
    assert answers.place("+CMGL: 4,1,,23", "0004") == StorePlace(4, 1, b"\x00\x04")
    assert answers.place("+CMGR: 0,,23", "0004", index=7) == StorePlace(7, 0, b"\x00\x04")
    assert answers.place("+CMGR: 0,,0", None, index=7) is None


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ('+CMTI: "SM",3', ("SM", 3)),
        ('+CMTI: "ME", 12', ("ME", 12)),
        ("+CMTI: ,-1", ("", None)),
        ('+CDSI: "SR",8', ("SR", 8)),
        ("+CMTI:", ("", None)),
    ],
)
def test_announcements(line: str, place: tuple[str, int | None]) -> None:
    assert answers.announced(line) == place


@pytest.mark.parametrize(
    ("lines", "digits"),
    [
        (["+ICCID: 8933010000000000001F"], "8933010000000000001"),
        (["+QCCID: 89330100000000000012"], "89330100000000000012"),
        (["004999010640000"], "004999010640000"),
        (['+CGSN: "004999010640000"'], "004999010640000"),
        (["ERROR"], None),
        ([], None),
    ],
)
def test_digits(lines: list[str], digits: str | None) -> None:
    assert answers.digits(lines) == digits


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["+CGMR: LE20B03SIM7600G22"], "LE20B03SIM7600G22"),
        (["Revision: EC25EFAR06A06M4G"], "EC25EFAR06A06M4G"),
        (['"EC25"'], "EC25"),
        ([], ""),
    ],
)
def test_text(lines: list[str], text: str) -> None:
    assert answers.text(lines) == text
