"""The exchange itself: every word stands under both proofs, and nothing can be used twice."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from vigibip.alert import enrolment as wire
from vigibip.base.errors import PeerError, RefusedError

PROOF_KEY = b"k" * 32
BOX_KEY = X25519PrivateKey.from_private_bytes(bytes(range(32)))
POST_KEY = X25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
EXCHANGE = wire.Exchange(
    authority_fingerprint=b"a" * 32,
    server_fingerprint=b"s" * 32,
    token_id="0123456789abcdef",
    box_share=BOX_KEY.public_key().public_bytes_raw(),
    post_share=POST_KEY.public_key().public_bytes_raw(),
    nonce=b"n" * 32,
    csr="-----BEGIN CERTIFICATE REQUEST-----",
)
ANSWER = wire.ClaimAnswer(
    box_id="box-0a1b2c3d",
    post_name="post",
    broker_host="broker.example",
    broker_port=8883,
    certificate="-----BEGIN CERTIFICATE-----",
    proof="0" * 64,
)


def test_both_ends_derive_the_same_two_keys() -> None:
    box = wire.derive_keys(BOX_KEY, EXCHANGE, at_box=True)
    post = wire.derive_keys(POST_KEY, EXCHANGE, at_box=False)
    assert (box.up, box.down) == (post.up, post.down)
    assert box.up != box.down
    assert len(box.up) == len(box.down) == 32


def test_the_derivation_is_the_one_that_was_agreed() -> None:
    """A change here would part boxes and posts of two versions: it needs a version of its own."""
    keys = wire.derive_keys(BOX_KEY, EXCHANGE, at_box=True)
    assert keys.up.hex() == "2e0878a8471c01fcdfe665ebcc69a76f1209ba324f05b3dca49bae5fae3488dc"
    assert keys.down.hex() == "a2414fcb3eadc4c361638c754e8371ef0a5f6df5e1acb859768ddf693492a4d8"
    assert (
        EXCHANGE.box_proof(PROOF_KEY)
        == "59d57f519c590744c6023f189b758c855f6610f7068994fc3bd913980357c5c2"
    )
    assert (
        EXCHANGE.post_proof(PROOF_KEY, ANSWER)
        == "af15fabbe1661e1370b195c8f5e2f4e2b62cb1ef2dd940c75bf5a0ecd61b3363"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"authority_fingerprint": b"b" * 32},
        {"server_fingerprint": b"t" * 32},
        {"token_id": "0123456789abcdee"},
        {"nonce": b"m" * 32},
        {"csr": "-----BEGIN CERTIFICATE REQUEST----"},
        {"box_share": b"1" * 32},
        {"post_share": b"2" * 32},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_part_changes_proofs_and_keys(change: dict[str, bytes | str]) -> None:
    other = replace(EXCHANGE, **change)
    assert other.box_proof(PROOF_KEY) != EXCHANGE.box_proof(PROOF_KEY)
    assert other.post_proof(PROOF_KEY, ANSWER) != EXCHANGE.post_proof(PROOF_KEY, ANSWER)
    ours = wire.derive_keys(BOX_KEY, EXCHANGE, at_box=True)
    theirs = wire.derive_keys(BOX_KEY, other, at_box=True)
    assert ours.up != theirs.up
    assert ours.down != theirs.down


@pytest.mark.parametrize(
    "change",
    [
        {"box_id": "box-0a1b2c3e"},
        {"post_name": "poste"},
        {"broker_host": "broker.exampl"},
        {"broker_port": 8884},
        {"certificate": "-----BEGIN CERTIFICATE----"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_word_of_the_answer_is_proven(change: dict[str, object]) -> None:
    other = ANSWER.model_copy(update=change)
    assert EXCHANGE.post_proof(PROOF_KEY, other) != EXCHANGE.post_proof(PROOF_KEY, ANSWER)


def test_a_proof_is_not_the_other_sides_proof() -> None:
    assert EXCHANGE.box_proof(PROOF_KEY) != EXCHANGE.post_proof(PROOF_KEY, ANSWER)


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_two_exchanges_have_one_transcript(one: str, other: str) -> None:
    """What moves from one part into the next is another transcript."""
    left = replace(EXCHANGE, nonce=one.encode(), csr=other)
    right = replace(EXCHANGE, nonce=(one + other).encode(), csr="")
    assert (left.transcript() == right.transcript()) == (other == "")


@pytest.mark.parametrize(
    "share", [bytes(32), b"\x01" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"]
)
def test_a_share_that_fixes_the_result_is_refused(share: bytes) -> None:
    with pytest.raises(RefusedError):
        wire.derive_keys(POST_KEY, replace(EXCHANGE, box_share=share), at_box=False)


@given(st.binary(max_size=300))
def test_what_is_no_message_is_refused(body: bytes) -> None:
    for model in (wire.Hello, wire.HelloAnswer, wire.Claim, wire.ClaimAnswer, wire.Refusal):
        with pytest.raises(PeerError):
            wire.read(model, body)


def test_unknown_fields_are_ignored_and_oversize_is_not_read() -> None:
    hello = wire.Hello(token="0123456789abcdef", share="0" * 64)
    newer = hello.model_dump_json()[:-1] + ',"newer":1}'
    assert wire.read(wire.Hello, newer.encode()) == hello
    with pytest.raises(PeerError, match="bytes"):
        wire.read(wire.Hello, newer.encode() + b" " * wire.BODY_MAX_BYTES)
