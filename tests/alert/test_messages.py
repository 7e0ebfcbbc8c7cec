"""What box and post say to each other: sealed, strict, bounded, and readable across versions."""

from __future__ import annotations

import hashlib
import hmac
import json
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from tests.wire.both import Dice
from vigibip.alert import messages
from vigibip.alert.messages import (
    Alert,
    Answer,
    AnswerAck,
    BadMacError,
    BadMessageError,
    BoxStatus,
    Contacts,
    OfficerAnswer,
    OfficerContact,
    Receipt,
    open_message,
    read_alert,
    seal_message,
)
from vigibip.base.errors import PeerError, RefusedError

KEY = bytes(range(32))
OTHER_KEY = bytes(32)
ALERT_ID = "a1b2c3d40000002a"

# One of each kind with its exact text: what changes here changes between machines in the field.
GOLDEN: list[tuple[Any, str]] = [
    (
        Alert(alert=ALERT_ID, age_s=3, battery_mv=3700, rssi_dbm=-61),
        '{"version":1,"kind":"alert","alert":"a1b2c3d40000002a","age_s":3,"late":false,'
        '"battery_mv":3700,"rssi_dbm":-61,"severity":0,"mark":null,"mark_age_s":null}',
    ),
    (
        Alert(alert=ALERT_ID, late=True),
        '{"version":1,"kind":"alert","alert":"a1b2c3d40000002a","age_s":null,"late":true,'
        '"battery_mv":null,"rssi_dbm":null,"severity":0,"mark":null,"mark_age_s":null}',
    ),
    (
        Alert(alert=ALERT_ID, severity=2, mark="duress", mark_age_s=4),
        '{"version":1,"kind":"alert","alert":"a1b2c3d40000002a","age_s":null,"late":false,'
        '"battery_mv":null,"rssi_dbm":null,"severity":2,"mark":"duress","mark_age_s":4}',
    ),
    (
        Receipt(alert=ALERT_ID, verdict="accepted"),
        '{"version":1,"kind":"receipt","alert":"a1b2c3d40000002a","verdict":"accepted",'
        '"reason":"","severity":0,"mark":null}',
    ),
    (
        Receipt(alert=ALERT_ID, verdict="refused", reason="unknown-device"),
        '{"version":1,"kind":"receipt","alert":"a1b2c3d40000002a","verdict":"refused",'
        '"reason":"unknown-device","severity":0,"mark":null}',
    ),
    (
        Answer(sequence=7, alerts=[ALERT_ID], state="coming"),
        '{"version":1,"kind":"answer","sequence":7,"alerts":["a1b2c3d40000002a"],"state":"coming"}',
    ),
    (AnswerAck(sequence=7), '{"version":1,"kind":"answer_ack","sequence":7}'),
    (
        BoxStatus(software="0.1.0", uptime_s=60, queued=2, faults=["post-silent"]),
        '{"version":1,"kind":"status","software":"0.1.0","uptime_s":60,"queued":2,'
        '"faults":["post-silent"],"contacts_edition":0}',
    ),
    (
        Contacts(
            edition=3,
            post_numbers=["+33639980001"],
            spoken="Tabac du Centre",
            address="12 rue des Lilas",
            officer=OfficerContact(number="+33639980002", salt="00" * 16, digests=["ff" * 32]),
        ),
        '{"version":1,"kind":"contacts","edition":3,"post_numbers":["+33639980001"],'
        '"spoken":"Tabac du Centre","address":"12 rue des Lilas","officer":{"number":'
        f'"+33639980002","salt":"{"00" * 16}","digests":["{"ff" * 32}"]}}}}',
    ),
    (
        OfficerAnswer(alert=ALERT_ID, digest="ff" * 32, age_s=20),
        '{"version":1,"kind":"officer_answer","alert":"a1b2c3d40000002a",'
        f'"digest":"{"ff" * 32}","age_s":20}}',
    ),
]
MODELS: list[Any] = [Alert, Receipt, Answer, AnswerAck, BoxStatus, Contacts, OfficerAnswer]
VALID: dict[Any, dict[str, Any]] = {type(m): json.loads(text) for m, text in GOLDEN}


def _sealed(text: str | bytes | dict[str, Any], key: bytes = KEY) -> bytes:
    """Any content, rightly authenticated: what a faulty or newer peer could send."""
    if isinstance(text, dict):
        text = json.dumps(text)
    data = text.encode() if isinstance(text, str) else text
    return hmac.new(key, data, hashlib.sha256).digest() + data


def _told(error: BaseException) -> str:
    """Everything that a log with a traceback would hold of `error`, but for the source lines."""
    told = []
    cause: BaseException | None = error
    while cause is not None:
        told += traceback.format_exception_only(cause)
        cause = cause.__cause__ or cause.__context__
    return "".join(told)


@pytest.mark.parametrize(("message", "text"), GOLDEN)
def test_the_sealed_text_is_the_golden_one_and_comes_back(message: Any, text: str) -> None:
    payload = seal_message(KEY, message)
    assert payload == _sealed(text)
    assert open_message(KEY, payload, type(message)) == message


@pytest.mark.parametrize(("message", "text"), GOLDEN)
def test_every_flipped_bit_and_every_cut_is_refused(message: Any, text: str) -> None:
    payload = seal_message(KEY, message)
    for place in range(len(payload)):
        with pytest.raises(BadMacError):
            open_message(KEY, payload[:place], type(message))
        for bit in range(8):
            damaged = bytearray(payload)
            damaged[place] ^= 1 << bit
            with pytest.raises(BadMacError):
                open_message(KEY, bytes(damaged), type(message))
    with pytest.raises(BadMacError):
        open_message(KEY, payload + b" ", type(message))


@pytest.mark.parametrize(("message", "text"), GOLDEN)
def test_another_key_opens_nothing(message: Any, text: str) -> None:
    with pytest.raises(BadMacError) as told:
        open_message(OTHER_KEY, seal_message(KEY, message), type(message))
    assert isinstance(told.value, RefusedError)
    assert ALERT_ID not in _told(told.value)


@pytest.mark.parametrize("key", [b"", b"short", bytes(31), bytes(33)])
def test_a_key_of_a_wrong_length_neither_seals_nor_opens(key: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        seal_message(key, AnswerAck(sequence=1))
    with pytest.raises(ValueError, match="32 bytes"):
        open_message(key, _sealed("{}", key), AnswerAck)
    with pytest.raises(ValueError, match="32 bytes"):
        read_alert(key, _sealed("{}", key))


@pytest.mark.parametrize("model", MODELS)
def test_one_kind_does_not_pass_for_another(model: Any) -> None:
    for message, _ in GOLDEN:
        if type(message) is not model:
            with pytest.raises(BadMessageError):
                open_message(KEY, seal_message(KEY, message), model)


@pytest.mark.parametrize("model", MODELS)
def test_fields_of_later_are_ignored(model: Any) -> None:
    fields = VALID[model] | {"colour": "red", "nested": {"deep": [1, None]}}
    opened = open_message(KEY, _sealed(fields), model)
    assert opened == model.model_validate(VALID[model])
    assert "colour" not in opened.model_dump()


@pytest.mark.parametrize("model", MODELS)
def test_a_later_version_is_read(model: Any) -> None:
    assert open_message(KEY, _sealed(VALID[model] | {"version": 2}), model).version == 2


# Values that Python or a lenient reader would take for others, and out of every range.
_WRONG: dict[str, list[Any]] = {
    "version": [0, -1, 256, 1.0, "1", True, None, [1]],
    "kind": ["", "ALERT", None, 1],
    "alert": ["", ALERT_ID.upper(), ALERT_ID + "\n", ALERT_ID[:-1], 0, None, [ALERT_ID]],
    "age_s": [-1, 1.5, 3.0, "3", True, 2**32, 10**400],
    "late": [0, 1, "true", None],
    "battery_mv": [-1, 65536, "3700", False, 3700.0],
    "rssi_dbm": [-129, 128, "-61", -61.0],
    "severity": [-1, 16, "1", True, 1.0, None],
    "mark": ["", "DURESS", "cancelled", 1, True, ["duress"]],
    "mark_age_s": [-1, 1.5, "3", True, 2**32],
    "verdict": ["", "Accepted", "ok", True, None],
    "reason": [None, 1, "x" * 201],
    "sequence": [0, -1, 2**63, 1.0, "1", True, None],
    "alerts": [[], [ALERT_ID] * 65, ALERT_ID, [None], ["x"], {"0": ALERT_ID}, None],
    "state": ["heard", "delivered", "COMING", None],
    "software": [None, 1, "x" * 41],
    "uptime_s": [-1, 1.0, 2**32, None],
    "queued": [-1, "2", 2**32],
    "faults": [None, "post-silent", ["x"] * 33, ["x" * 81], [1]],
    "contacts_edition": [-1, 1.0, 2**32, "1", None],
    "edition": [0, -1, 1.0, 2**32, None],
    "post_numbers": [None, "+33639980001", ["0639980001"], ["+33639980001"] * 9, ["+0639980001"]],
    "spoken": [None, 1, "x" * 121],
    "address": [None, 1, "x" * 201],
    "officer": [[], "x", {}, {"number": "+33639980002", "salt": "0", "digests": []}],
    "digest": ["", "FF" * 32, "ff" * 65, "f" * 63, None],
}


@pytest.mark.parametrize(
    ("model", "field"),
    [(model, field) for model in MODELS for field in VALID[model]],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_every_field_is_strict_and_its_mistake_is_told_without_its_value(
    model: Any, field: str
) -> None:
    for wrong in _WRONG[field]:
        with pytest.raises(BadMessageError) as told:
            open_message(KEY, _sealed(VALID[model] | {field: wrong}), model)
        assert str(told.value).startswith(f"{model.__name__}: {field}")
        assert isinstance(told.value, PeerError)
        assert ALERT_ID not in _told(told.value)
        with pytest.raises(ValidationError):
            model.model_validate(VALID[model] | {field: wrong})


@pytest.mark.parametrize("model", MODELS)
def test_a_field_that_must_be_there(model: Any) -> None:
    for field, info in model.model_fields.items():
        fields = {name: value for name, value in VALID[model].items() if name != field}
        if info.is_required():
            with pytest.raises(BadMessageError, match=field):
                open_message(KEY, _sealed(fields), model)
        else:
            open_message(KEY, _sealed(fields), model)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"1",
        b'"x"',
        b"NaN",
        b"{}{}",
        b"\xff\xfe",
        b"[" * 5000,
        b'{"alert": ' * 1000,
        b'{"alert":"\xed\xa0\x80"}',
        b'{"age_s":1e999}',
    ],
)
def test_what_is_no_object_is_refused(text: bytes) -> None:
    for model in MODELS:
        with pytest.raises(BadMessageError):
            open_message(KEY, _sealed(text), model)
    with pytest.raises(BadMessageError):
        read_alert(KEY, _sealed(text))


def test_an_oversize_message_is_refused_before_it_is_read() -> None:
    text = json.dumps(VALID[Alert]).ljust(messages.MESSAGE_MAX_BYTES - messages.MAC_LENGTH)
    assert open_message(KEY, _sealed(text), Alert).alert == ALERT_ID
    for reader in (lambda data: open_message(KEY, data, Alert), lambda data: read_alert(KEY, data)):
        with pytest.raises(BadMessageError, match="16385 bytes"):
            reader(_sealed(text + " "))


def test_the_largest_message_of_each_kind_may_be_sent() -> None:
    top = 2**32 - 1
    largest: list[BaseModel] = [
        Alert(alert=ALERT_ID, age_s=top, late=True, battery_mv=65535, rssi_dbm=-128, version=255),
        Receipt(alert=ALERT_ID, verdict="refused", reason="\x01" * 200),
        Answer(sequence=2**63 - 1, alerts=[ALERT_ID] * 64, state="unanswered"),
        AnswerAck(sequence=2**63 - 1),
        BoxStatus(software="\x01" * 40, uptime_s=top, queued=top, faults=["\x01" * 80] * 32),
        Contacts(
            edition=top,
            post_numbers=["+336399800011234"] * 8,
            spoken="\x01" * 120,
            address="\x01" * 200,
            officer=OfficerContact(
                number="+336399800011234", salt="ff" * 64, digests=["ff" * 64] * 40
            ),
        ),
        OfficerAnswer(alert=ALERT_ID, digest="ff" * 64, age_s=top),
    ]
    for message in largest:
        payload = seal_message(KEY, message)
        assert len(payload) <= messages.MESSAGE_MAX_BYTES
        assert open_message(KEY, payload, type(message)) == message  # type: ignore[type-var]


def test_a_message_does_not_change_once_made() -> None:
    alert = Alert(alert=ALERT_ID)
    with pytest.raises(ValidationError):
        alert.alert = "0" * 16


def test_a_short_code_is_the_beginning_of_the_long_one() -> None:
    code = hmac.new(KEY, b"text", hashlib.sha256).digest()
    assert messages.authenticate(KEY, b"text") == code
    assert messages.authenticate(KEY, b"text", 8) == code[:8]


# -- read_alert: an authenticated alert of an unknown version is still an incident.


def test_an_alert_of_this_version_is_read_as_any_message() -> None:
    for message, text in GOLDEN[:2]:
        assert read_alert(KEY, _sealed(text)) == message


@pytest.mark.parametrize("version", [2, 3, 255, 256, 10**30])
def test_a_newer_alert_is_read_as_far_as_it_goes(version: int) -> None:
    fields = {
        "version": version,
        "kind": "alert",
        "alert": ALERT_ID,
        "age_s": {"seconds": 3, "since": "boot"},
        "late": "perhaps",
        "battery_mv": 3.7,
        "rssi_dbm": -61,
        "duress": True,
    }
    alert = read_alert(KEY, _sealed(fields))
    assert alert == Alert(version=min(version, 255), alert=ALERT_ID, rssi_dbm=-61)
    assert alert.version > messages.VERSION


@pytest.mark.parametrize(
    "fields",
    [
        {"version": 2, "kind": "alert"},
        {"version": 2, "kind": "alert", "alert": ALERT_ID.upper()},
        {"version": 2, "kind": "alert", "alert": None},
        {"version": 2, "kind": "receipt", "alert": ALERT_ID},
        {"version": 2, "kind": 7, "alert": ALERT_ID},
        {"version": 0, "kind": "alert", "alert": ALERT_ID},
        {"version": -2, "kind": "alert", "alert": ALERT_ID},
        {"version": True, "kind": "alert", "alert": ALERT_ID},
        {"version": "2", "kind": "alert", "alert": ALERT_ID, "late": 1},
        {"version": 2.0, "kind": "alert", "alert": ALERT_ID},
        {"version": 1, "kind": "alert", "alert": ALERT_ID, "age_s": "3"},
        {"kind": "alert", "alert": ALERT_ID, "age_s": -1},
    ],
)
def test_what_names_no_press_or_no_newer_version_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(BadMessageError) as told:
        read_alert(KEY, _sealed(fields))
    assert ALERT_ID not in _told(told.value)


def test_a_newer_alert_must_be_authentic_all_the_same() -> None:
    with pytest.raises(BadMacError):
        read_alert(KEY, _sealed({"version": 2, "alert": ALERT_ID}, OTHER_KEY))


# -- Anything at all.

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(_WRONG)), _JSON), st.sampled_from(MODELS))
def test_any_authenticated_object_is_read_or_refused_by_type(
    fields: dict[str, Any], model: Any
) -> None:
    for reader in (lambda data: open_message(KEY, data, model), lambda data: read_alert(KEY, data)):
        try:
            opened = reader(_sealed(VALID[model] | fields))
        except BadMessageError:
            continue
        # Whatever was let in can be sealed again and says the same.
        assert open_message(KEY, seal_message(KEY, opened), type(opened)) == opened


def _fuzzed(seed: int, count: int, reader: Callable[[bytes], BaseModel]) -> tuple[int, int]:
    dice = Dice(seed)
    samples = [text.encode() for _, text in GOLDEN] + [
        json.dumps({"version": 2, "alert": ALERT_ID, "age_s": []}).encode()
    ]
    read = refused = 0
    for _ in range(count):
        data = dice.input(samples, 120)
        with pytest.raises(BadMacError):
            reader(data)
        try:
            reader(_sealed(data))
            read += 1
        except BadMessageError:
            refused += 1
    return read, refused


@pytest.mark.parametrize("model", MODELS)
def test_fuzzed_messages(model: Any) -> None:
    read, refused = _fuzzed(11, 20_000, lambda data: open_message(KEY, data, model))
    assert read > 10 < refused


def test_fuzzed_alerts_of_any_version() -> None:
    read, refused = _fuzzed(12, 20_000, lambda data: read_alert(KEY, data))
    assert read > 10 < refused
