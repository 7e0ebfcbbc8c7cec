"""The SMS form: one part, readable, authenticated word by word, and golden."""

from __future__ import annotations

import base64
import random
import string
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigibip.alert.ids import AlertId
from vigibip.alert.messages import BadMacError, BadMessageError, authenticate
from vigibip.alert.sms_form import (
    ALERTS_MAX,
    MAC_LENGTH,
    PART_SEPTETS,
    SEQUENCE_MAX,
    VERSION,
    SmsKind,
    SmsMessage,
    alerts_named,
    find_author,
    has_form,
    plain_words,
    read_sms,
    write_sms,
)

KEY = bytes(range(32))
OTHER_KEY = bytes(32)
ALERT = AlertId(0xA1B2C3D4, 42)
ALERTS = tuple(AlertId(0xA1B2C3D4, press) for press in range(1, ALERTS_MAX + 1))

# What changes here changes between machines in the field.
GOLDEN = [
    (
        "ALERTE Tabac du Centre, 12 rue des Lilas, appui de 14h32",
        SmsMessage(
            kind=SmsKind.ALERT, sequence=7, alerts=(ALERT,), age_s=3, written_s=1_772_366_400
        ),
        "ALERTE Tabac du Centre, 12 rue des Lilas, appui de 14h32 "
        "#CEAAAAAHAAAAAAADNGSCUQFBWLB5IAAAAAVPBTTRRIOPIYRP",
    ),
    (
        "VigiBip : reçu",
        SmsMessage(kind=SmsKind.RECEIPT, sequence=8, alerts=(ALERT,)),
        "VigiBip : recu #EEAAAAAIUGZMHVAAAAACVLHBWCCDTABBEI",
    ),
    (
        "VigiBip : un agent arrive",
        SmsMessage(kind=SmsKind.COMING, sequence=9, alerts=(ALERT,), answers=12),
        "VigiBip : un agent arrive #IEAAAAAJAAAAADFBWLB5IAAAAAVI5O5SH5LJEGE6",
    ),
    (
        "VigiBip : essai",
        SmsMessage(kind=SmsKind.PROBE, sequence=10),
        "VigiBip : essai #MEAAAAAKR547D276OZL2W",
    ),
    (
        "VigiBip : essai reçu",
        SmsMessage(kind=SmsKind.PROBE_REPLY, sequence=11, answers=10),
        "VigiBip : essai recu #OEAAAAALAAAAACV3MCNPEP46ZKCA",
    ),
]

ids = st.builds(AlertId, st.integers(0, SEQUENCE_MAX), st.integers(0, SEQUENCE_MAX))
counts = st.integers(0, SEQUENCE_MAX)
messages = st.one_of(
    st.builds(
        SmsMessage,
        kind=st.just(SmsKind.ALERT),
        sequence=counts,
        alerts=st.tuples(ids),
        age_s=st.none() | st.integers(0, SEQUENCE_MAX - 1),
        written_s=counts,
        late=st.booleans(),
    ),
    st.builds(
        SmsMessage,
        kind=st.sampled_from([SmsKind.RECEIPT, SmsKind.REFUSAL]),
        sequence=counts,
        alerts=st.lists(ids, min_size=1, max_size=ALERTS_MAX).map(tuple),
    ),
    st.builds(
        SmsMessage,
        kind=st.sampled_from([SmsKind.COMING, SmsKind.UNANSWERED]),
        sequence=counts,
        alerts=st.lists(ids, min_size=1, max_size=ALERTS_MAX).map(tuple),
        answers=counts,
    ),
    st.builds(SmsMessage, kind=st.just(SmsKind.PROBE), sequence=counts),
    st.builds(SmsMessage, kind=st.just(SmsKind.PROBE_REPLY), sequence=counts, answers=counts),
)


@pytest.mark.parametrize(("words", "message", "text"), GOLDEN)
def test_the_text_is_the_golden_one_and_comes_back(
    words: str, message: SmsMessage, text: str
) -> None:
    assert write_sms(KEY, words, message) == text
    assert read_sms(KEY, text) == message


@given(st.text(max_size=400), messages)
def test_whatever_the_words_one_part_comes_back(words: str, message: SmsMessage) -> None:
    text = write_sms(KEY, words, message)
    assert len(text) <= PART_SEPTETS
    assert read_sms(KEY, text) == message
    assert has_form(text)


@given(st.text(max_size=200))
def test_plain_words_stay_as_they_are(words: str) -> None:
    plain = plain_words(words)
    assert plain_words(plain) == plain
    assert "#" not in plain


def test_french_stays_readable() -> None:
    said = plain_words("L’été à la crêperie «Çà et là» — garçon, œufs…\n12 € n° 3")
    assert said == 'L\'été à la creperie "Çà et là" - garcon, oeufs... 12 EUR no 3'


def test_a_long_name_leaves_room_for_the_code() -> None:
    message = SmsMessage(kind=SmsKind.RECEIPT, sequence=SEQUENCE_MAX, alerts=ALERTS)
    text = write_sms(KEY, "x" * 400, message)
    assert len(text) == PART_SEPTETS
    assert text.startswith("xxxxxxxx")


def test_what_a_gateway_does_to_white_space_changes_nothing() -> None:
    _, message, text = GOLDEN[0]
    wrapped = text.replace(" ", "  ").replace("  ", " \r\n", 3)
    assert read_sms(KEY, f" {wrapped}\n") == message
    folded = text[:-10] + "\n" + text[-10:]
    assert read_sms(KEY, folded) == message


ACCENTED = "ALERTE Épicerie du Château, 3 allée des Érables, à côté"


def test_an_operator_that_takes_accents_off_changes_nothing() -> None:
    message = GOLDEN[0][1]
    text = write_sms(KEY, ACCENTED, message)
    assert "Épicerie" in text
    bare = text.replace("É", "E").replace("é", "e").replace("à", "a")
    assert bare.isascii()
    assert read_sms(KEY, bare) == message
    for other in (text.replace("é", "a"), text.replace("é", "?"), text.replace("é", "")):
        with pytest.raises(BadMacError):
            read_sms(KEY, other)


@pytest.mark.parametrize(
    "behind",
    [" Envoyé par Mobile & Cie", "\nSFR", " STOP AU 36111", "\n#1 des messages", " A B C D E F G"],
)
@pytest.mark.parametrize(("words", "message", "text"), GOLDEN)
def test_what_an_operator_adds_behind_the_code_is_not_read(
    words: str, message: SmsMessage, text: str, behind: str
) -> None:
    assert has_form(text + behind)
    assert read_sms(KEY, text + behind) == message
    assert alerts_named(text + behind) == (message.kind, message.alerts)


def test_what_is_none_of_ours_names_no_alert() -> None:
    assert alerts_named("bonjour #à tous") is None
    text = GOLDEN[0][2]
    assert alerts_named(text[:-8]) is None


@pytest.mark.parametrize("before", ["[PUB] ", "SFR: ", "ANNULE ", "#1 "])
def test_what_stands_before_the_words_is_a_change(before: str) -> None:
    with pytest.raises((BadMacError, BadMessageError)):
        read_sms(KEY, before + GOLDEN[0][2])


@pytest.mark.parametrize(
    "other",
    ["\u202eALERTE", "ALERTE\u200b", "\x00ALERTE", "ALERTE\ud800", "АLERTE", "ＡLERTE", "alerte"],
    ids=["rtl", "zero-width", "nul", "half-a-pair", "cyrillic", "wide", "lower"],
)
def test_words_that_only_look_alike_are_refused(other: str) -> None:
    text = GOLDEN[0][2]
    with pytest.raises(BadMacError):
        read_sms(KEY, text.replace("ALERTE", other, 1))


@pytest.mark.parametrize(("words", "message", "text"), GOLDEN)
def test_every_changed_character_is_refused(words: str, message: SmsMessage, text: str) -> None:
    alphabet = "AZ27az #é?!0"
    for at in range(len(text)):
        for other in alphabet:
            changed = text[:at] + other + text[at + 1 :]
            # An accent alone is no change: some operators take them off.
            said, _, code = changed.partition("#")
            if f"{plain_words(said).replace('é', 'e')} #{code}" == text:
                continue
            with pytest.raises((BadMacError, BadMessageError)):
                read_sms(KEY, changed)


@pytest.mark.parametrize(("words", "message", "text"), GOLDEN)
def test_every_half_is_refused(words: str, message: SmsMessage, text: str) -> None:
    for cut in range(len(text)):
        with pytest.raises((BadMacError, BadMessageError)):
            read_sms(KEY, text[:cut])
        if cut:
            with pytest.raises((BadMacError, BadMessageError)):
                read_sms(KEY, text[cut:])


def test_another_key_is_refused_before_anything_is_read() -> None:
    with pytest.raises(BadMacError):
        read_sms(OTHER_KEY, GOLDEN[0][2])


@pytest.mark.parametrize(
    "message",
    [
        SmsMessage(kind=SmsKind.ALERT, sequence=1),
        SmsMessage(kind=SmsKind.ALERT, sequence=1, alerts=ALERTS[:2]),
        SmsMessage(kind=SmsKind.RECEIPT, sequence=1, alerts=(*ALERTS, ALERT)),
        SmsMessage(kind=SmsKind.PROBE, sequence=1, alerts=(ALERT,)),
        SmsMessage(kind=SmsKind.PROBE, sequence=SEQUENCE_MAX + 1),
    ],
)
def test_what_a_kind_cannot_say_is_not_written(message: SmsMessage) -> None:
    with pytest.raises(ValueError, match=r"with|bits"):
        write_sms(KEY, "", message)


def test_no_error_repeats_what_came() -> None:
    secret = "le code du coffre est 4711"
    for text in (secret, f"{secret} #AAAA", f"{secret} {GOLDEN[0][2]}"):
        with pytest.raises((BadMacError, BadMessageError)) as refused:
            read_sms(KEY, text)
        assert "4711" not in str(refused.value)


def test_seeded_garbage_never_does_more_than_be_refused() -> None:
    dice = random.Random(20261122)
    alphabet = string.ascii_uppercase + "234567# é\n\x00€😀"
    for _ in range(20_000):
        text = "".join(dice.choices(alphabet, k=dice.randrange(0, 330)))
        if dice.random() < 0.5:
            start = GOLDEN[dice.randrange(len(GOLDEN))][2]
            at = dice.randrange(len(start))
            text = start[:at] + dice.choice(alphabet) + start[at:]
        alerts_named(text)
        try:
            read_sms(KEY, text)
        except (BadMacError, BadMessageError):
            continue
        # Only white space that a gateway may add is no change.
        assert plain_words(text.rpartition("#")[0]) in {
            plain_words(golden.rpartition("#")[0]) for _, _, golden in GOLDEN
        }


@settings(max_examples=50)
@given(st.binary(min_size=32, max_size=32), messages)
def test_a_message_of_one_direction_is_none_of_the_other(key: bytes, message: SmsMessage) -> None:
    text = write_sms(key, "essai", message)
    other = bytes([key[0] ^ 1]) + key[1:]
    with pytest.raises(BadMacError):
        read_sms(other, text)


def _of_version(version: int, message: SmsMessage, *, more: bytes = b"") -> str:
    """Write what a release of that version would, with more behind what is known here."""
    words, code = write_sms(KEY, "ALERTE Tabac", message).split(" #")
    packed = base64.b32decode(code + "=" * (-len(code) % 8))
    body = bytes((message.kind << 4 | version,)) + packed[1:-MAC_LENGTH] + more
    covered = b"VigiBip SMS\n" + words.encode() + b"\0" + body
    whole = body + authenticate(KEY, covered, MAC_LENGTH)
    return f"{words} #{base64.b32encode(whole).decode().rstrip('=')}"


@pytest.mark.parametrize("more", [b"", b"\x01", b"12345678", b"seventeen bytes.."])
def test_an_alert_of_a_newer_version_is_read_as_far_as_it_is_known(more: bytes) -> None:
    message = SmsMessage(
        kind=SmsKind.ALERT, sequence=7, alerts=(ALERT,), age_s=30, written_s=9, late=True
    )
    for version in range(VERSION + 1, 16):
        assert read_sms(KEY, _of_version(version, message, more=more)) == replace(
            message, version=version
        )


def test_nothing_else_of_another_version_is_believed() -> None:
    receipt = SmsMessage(kind=SmsKind.RECEIPT, sequence=7, alerts=(ALERT,))
    alert = SmsMessage(kind=SmsKind.ALERT, sequence=7, alerts=(ALERT,))
    assert read_sms(KEY, _of_version(VERSION, receipt)) == receipt
    for text in (
        _of_version(VERSION + 1, receipt),
        _of_version(0, alert),
        _of_version(VERSION, alert, more=b"\x01"),
        _of_version(VERSION, alert, more=b"12345678"),
    ):
        with pytest.raises(BadMessageError):
            read_sms(KEY, text)


def test_the_author_is_found_by_his_key_alone() -> None:
    for _, message, text in GOLDEN:
        assert find_author({"other": OTHER_KEY, "mine": KEY}, text) == ("mine", message)
        with pytest.raises(BadMacError):
            find_author({"other": OTHER_KEY}, text)
        with pytest.raises(BadMacError):
            find_author({}, text)
