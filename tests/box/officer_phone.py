"""The officer's phone, as a test holds it: what it got, and the word to answer with."""

from __future__ import annotations

import re

from tests.box.peers import Bip
from tests.box.sms_town import OFFICER, SmsBox
from vigibip.alert.officer_codes import WORDS


async def call(box: SmsBox, bip: Bip) -> tuple[str, str]:
    """Press and wait for the call; return the alert and the word."""
    alert = await box.press(bip)
    await box.clock.advance(91)
    (text,) = box.to_officer()
    return alert, word_in(text)


def word_in(text: str) -> str:
    (word,) = [one for one in re.findall("[A-Z]+", text) if one in WORDS]
    return word


def said(box: SmsBox) -> list[str]:
    return [sms.text for sms in box.sms.take() if sms.to == OFFICER]


def count(box: SmsBox, what: str) -> int:
    counts = box.told["officer_counts"]
    assert isinstance(counts, dict)
    return int(counts.get(what, 0))
