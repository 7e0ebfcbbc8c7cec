"""How a box is enrolled: what box and post say, what they prove, and the keys that both derive.

Two exchanges on one TLS connection whose server the box has verified. `Hello` and its answer carry
one X25519 share each and the post's nonce; `Claim` carries the signing request and the box's proof
over all of it, and its answer the certificate and the post's proof over that too. A proof is an
HMAC under a hash of the token's secret. No key travels: the two HMAC keys come from the shares.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Annotated, TypeVar

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from vigibip.alert.messages import BoxId
from vigibip.base.errors import PeerError, RefusedError

VERSION = 1
BODY_MAX_BYTES = 16_384
NONCE_LENGTH = 32
KEY_LENGTH = 32

AUTHORITY_PATH = "/authority.pem"
HELLO_PATH = f"/enrolment/{VERSION}/hello"
CLAIM_PATH = f"/enrolment/{VERSION}/claim"

_Hex32 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_TokenId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
_Pem = Annotated[str, StringConstraints(pattern=r"^-----BEGIN ", max_length=4096)]


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Annotated[int, Field(ge=1, le=255)] = VERSION


class Hello(_Message):
    """Box to post: the token that it will use, and its share."""

    token: _TokenId
    share: _Hex32


class HelloAnswer(_Message):
    """Post to box: its share, what makes this exchange unlike any other, and its time."""

    share: _Hex32
    nonce: _Hex32
    utc: AwareDatetime


class Claim(_Message):
    """Box to post: the signing request (PEM), and the proof of the secret over everything."""

    csr: _Pem
    proof: _Hex32


class ClaimAnswer(_Message):
    """Post to box: who it is from now on, where the broker is; proven alike."""

    box_id: BoxId
    post_name: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    broker_host: Annotated[str, StringConstraints(min_length=1, max_length=253)]
    broker_port: Annotated[int, Field(ge=1, le=65535)]
    certificate: _Pem
    proof: _Hex32


class Refusal(_Message):
    """Post to box: why not. `code` is one of REFUSALS; others may come from a newer post."""

    code: Annotated[str, StringConstraints(pattern=r"^[a-z-]{1,40}$")]


UNKNOWN_TOKEN = "unknown-token"
EXPIRED_TOKEN = "expired-token"
USED_TOKEN = "used-token"
BAD_PROOF = "bad-proof"
BAD_REQUEST = "bad-request"
TOO_MANY = "too-many"
UNAVAILABLE = "unavailable"
REFUSALS = (
    UNKNOWN_TOKEN,
    EXPIRED_TOKEN,
    USED_TOKEN,
    BAD_PROOF,
    BAD_REQUEST,
    TOO_MANY,
    UNAVAILABLE,
)

M = TypeVar("M", Hello, HelloAnswer, Claim, ClaimAnswer, Refusal)


def read(model: type[M], body: bytes) -> M:
    """Return the message that `body` is. Raises PeerError; the body is not repeated."""
    if len(body) > BODY_MAX_BYTES:
        raise PeerError(f"{model.__name__} of {len(body)} bytes")
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, item["loc"])) for item in error.errors())
        raise PeerError(f"{model.__name__}: {fields or 'not JSON'}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Everything that both ends have seen of one enrolment: what the proofs stand over."""

    authority_fingerprint: bytes
    """SHA-256 of the authority's certificate."""
    server_fingerprint: bytes
    """SHA-256 of the certificate that this TLS connection showed (RFC 5929, server end point)."""
    token_id: str
    box_share: bytes
    post_share: bytes
    nonce: bytes
    csr: str

    def transcript(self) -> bytes:
        """Return all of it as bytes, each part behind its length."""
        return _parts(
            b"VigiBip enrolment 1",
            self.authority_fingerprint,
            self.server_fingerprint,
            self.token_id.encode("ascii"),
            self.box_share,
            self.post_share,
            self.nonce,
            self.csr.encode("utf-8"),
        )

    def box_proof(self, proof_key: bytes) -> str:
        """Return what the box proves the secret with, in hexadecimal."""
        return _proof(proof_key, b"box", self.transcript())

    def post_proof(self, proof_key: bytes, answer: ClaimAnswer) -> str:
        """Return what the post proves the secret with, over all but the proof of `answer`."""
        return _proof(
            proof_key,
            b"post",
            self.transcript(),
            answer.box_id.encode("ascii"),
            answer.post_name.encode("utf-8"),
            answer.broker_host.encode("utf-8"),
            str(answer.broker_port).encode("ascii"),
            answer.certificate.encode("utf-8"),
        )


@dataclass(frozen=True, slots=True, repr=False)
class DerivedKeys:
    """`up` seals what the box says to the post, `down` what the post says to the box."""

    up: bytes
    down: bytes


def derive_keys(own: X25519PrivateKey, exchange: Exchange, *, at_box: bool) -> DerivedKeys:
    """Return the two HMAC keys of this enrolment (X25519, HKDF-SHA256; RFC 7748, RFC 5869).

    Raises RefusedError when the other's share is one that fixes the result.
    """
    theirs = exchange.post_share if at_box else exchange.box_share
    try:
        secret = own.exchange(X25519PublicKey.from_public_bytes(theirs))
    except ValueError as error:
        raise RefusedError("the other end's share is not a fresh key") from error
    salt = hashlib.sha256(exchange.transcript()).digest()
    return DerivedKeys(_hkdf(secret, salt, b"up"), _hkdf(secret, salt, b"down"))


def same_proof(one: str, other: str) -> bool:
    """Compare two proofs in constant time."""
    return hmac.compare_digest(one, other)


def _hkdf(secret: bytes, salt: bytes, direction: bytes) -> bytes:
    info = b"VigiBip enrolment 1 " + direction
    return HKDF(hashes.SHA256(), KEY_LENGTH, salt, info).derive(secret)


def _proof(proof_key: bytes, *parts: bytes) -> str:
    return hmac.digest(proof_key, _parts(*parts), "sha256").hex()


def _parts(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
