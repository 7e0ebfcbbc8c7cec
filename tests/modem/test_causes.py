"""Every error of a modem has its own cause, and every cause its advice in both languages."""

from __future__ import annotations

import pytest

from vigibip.base.catalogue import LANGUAGES
from vigibip.base.errors import PeerError
from vigibip.modem.advice import WORDS, advise
from vigibip.modem.causes import CME, CMS, Family, cause_of, refusal
from vigibip.modem.contract import ModemCause

SEEN_IN_THE_FIELD = [
    (Family.CME, "11", ModemCause.SIM_PIN),
    (Family.CME, "12", ModemCause.SIM_PUK),
    (Family.CME, "13", ModemCause.SIM_FAILURE),
    (Family.CME, "14", ModemCause.SIM_BUSY),
    (Family.CME, "30", ModemCause.NO_NETWORK),
    (Family.CMS, "38", ModemCause.NETWORK_OUT_OF_ORDER),
    (Family.CMS, "302", ModemCause.NOT_ALLOWED),
    (Family.CMS, "310", ModemCause.NO_SIM),
    (Family.CMS, "330", ModemCause.NO_SMSC),
    (Family.CMS, "331", ModemCause.NO_SMS_NETWORK),
    (Family.CMS, "500", ModemCause.UNKNOWN),
]


@pytest.mark.parametrize(("family", "code", "cause"), SEEN_IN_THE_FIELD)
def test_what_was_seen_in_the_field_has_its_cause(family, code, cause) -> None:
    assert cause_of(family, code) is cause


def test_each_of_them_has_an_advice_of_its_own() -> None:
    advice = {advise(cause) for _, _, cause in SEEN_IN_THE_FIELD}
    assert len(advice) == len(SEEN_IN_THE_FIELD)


@pytest.mark.parametrize(
    ("family", "words", "cause"),
    [
        (Family.CMS, "Unknown error", ModemCause.UNKNOWN),
        (Family.CMS, "Invalid PDU mode parameter", ModemCause.BAD_PDU),
        (Family.CMS, "No network service", ModemCause.NO_SMS_NETWORK),
        (Family.CME, "no network service", ModemCause.NO_NETWORK),
        (Family.CMS, "SMSC address unknown", ModemCause.NO_SMSC),
        (Family.CMS, "Network out of order", ModemCause.NETWORK_OUT_OF_ORDER),
        (Family.CME, "SIM PIN required", ModemCause.SIM_PIN),
        (Family.CME, "SIM PUK required", ModemCause.SIM_PUK),
        (Family.CME, "PH-SIM PIN required", ModemCause.SIM_LOCKED),
        (Family.CME, "SIM not inserted", ModemCause.NO_SIM),
        (Family.CME, "SIM busy", ModemCause.SIM_BUSY),
        (Family.CME, "incorrect password", ModemCause.PIN_WRONG),
        (Family.CMS, "Memory full", ModemCause.STORE_FULL),
        (Family.BARE, "", ModemCause.REFUSED),
        (Family.CMS, "something new", ModemCause.UNKNOWN),
        (Family.CMS, "99999", ModemCause.UNKNOWN),
    ],
)
def test_words_mean_what_their_numbers_mean(family, words, cause) -> None:
    assert cause_of(family, words) is cause


@pytest.mark.parametrize(
    ("code", "retry"),
    [("21", False), ("304", False), ("197", False), ("38", True), ("331", True), ("500", True)],
)
def test_a_pdu_that_never_goes_is_not_tried_again(code: str, retry: bool) -> None:
    error = refusal(Family.CMS, code)
    assert error.retry is retry
    assert error.code == f"CMS {code}"
    assert isinstance(error, PeerError)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_cause_says_what_to_do(language: str) -> None:
    assert set(WORDS) == set(ModemCause)
    advice = [advise(cause, language) for cause in ModemCause]
    assert len(set(advice)) == len(advice)


def test_the_advice_of_an_error_is_french() -> None:
    assert refusal(Family.CME, "10").advice.startswith("le modem ne voit pas de carte SIM\u00a0: ")


def test_the_tables_hold_no_code_of_the_other_family() -> None:
    # Where CME and CMS share a number, the meanings differ.
    assert CME[30] is ModemCause.NO_NETWORK
    assert CMS[30] is ModemCause.NUMBER_REJECTED
    assert CME[21] is ModemCause.NOT_ALLOWED
    assert CMS[21] is ModemCause.NUMBER_REJECTED
