"""The post's side of an enrolment: tokens handed out, and what is decided about who comes with one.

What the network does with it is `enrolment_server`. A token's secret is kept as a hash alone. That
hash proves the token until it expires, to whoever can read the store; but the authority's key lies
beside the store, and opens more.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from vigibip.alert import enrolment as wire
from vigibip.alert.enrolment_token import EnrolmentToken
from vigibip.alert.topics import POST_IDENTITY
from vigibip.base.clock import Clock
from vigibip.base.errors import RefusedError, StorageError
from vigibip.post.authority import Authority
from vigibip.post.errors import UnknownBoxError
from vigibip.post.store.records import TokenRow

_log = logging.getLogger(__name__)

TOKEN_LIFETIME_S = 24 * 3600
# An expired token is remembered for so long, to be called expired and not unknown.
_EXPIRED_KEPT = timedelta(days=7)


class EnrolmentStore(Protocol):
    """What the post's store does for enrolments; each call is one committed transaction."""

    async def put_token(self, row: TokenRow) -> None:
        """Keep the token; every other of its box is void from then on."""
        ...

    async def get_token(self, token_id: str) -> TokenRow | None: ...

    async def complete_enrolment(
        self,
        token_id: str,
        *,
        claimed_key: bytes,
        certificate_pem: str,
        serial: int,
        up_key: bytes,
        down_key: bytes,
        at_utc: datetime,
    ) -> bool: ...

    async def purge_tokens(self, before_utc: datetime) -> int: ...


class EnrolmentRefusedError(RefusedError):
    """The post says no; `code` is one of `alert.enrolment.REFUSALS`."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a box will find the broker, and what it will call this post."""

    host: str
    port: int
    post_name: str = POST_IDENTITY


@dataclass(frozen=True, slots=True, repr=False)
class Session:
    """One connection's exchange between `hello` and `claim`; it dies with the connection."""

    token_id: str
    box_share: bytes
    post_share: X25519PrivateKey
    nonce: bytes
    server_fingerprint: bytes


async def issue_token(
    store: EnrolmentStore,
    authority: Authority,
    clock: Clock,
    *,
    box_id: str,
    host: str,
    port: int,
    valid_for_s: float = TOKEN_LIFETIME_S,
) -> EnrolmentToken:
    """Make a one-time token for the box, reached at `host`:`port`, and forget the long expired."""
    token = EnrolmentToken.new(host, port, authority.fingerprint)
    now = clock.utc()
    await store.purge_tokens(now - _EXPIRED_KEPT)
    await store.put_token(
        TokenRow(
            token_id=token.token_id,
            box_id=box_id,
            proof_key=token.proof_key,
            expires_utc=now + timedelta(seconds=valid_for_s),
            claimed_key=None,
            certificate_pem=None,
        )
    )
    return token


class Enrolments:
    """Decides who becomes which box. Everything is committed before the box is told."""

    def __init__(
        self, authority: Authority, store: EnrolmentStore, clock: Clock, broker: BrokerAddress
    ) -> None:
        self._authority = authority
        self._store = store
        self._clock = clock
        self._broker = broker

    @property
    def authority_pem(self) -> str:
        return self._authority.certificate_pem

    async def hello(
        self, hello: wire.Hello, server_fingerprint: bytes
    ) -> tuple[wire.HelloAnswer, Session]:
        """Open an exchange for a token that is known and has not expired.

        Raises EnrolmentRefusedError. To name a token takes its secret, so nothing is given away.
        """
        await self._valid_token(hello.token)
        own = X25519PrivateKey.generate()
        session = Session(
            token_id=hello.token,
            box_share=bytes.fromhex(hello.share),
            post_share=own,
            nonce=secrets.token_bytes(wire.NONCE_LENGTH),
            server_fingerprint=server_fingerprint,
        )
        answer = wire.HelloAnswer(
            share=own.public_key().public_bytes_raw().hex(),
            nonce=session.nonce.hex(),
            utc=self._clock.utc(),
        )
        return answer, session

    async def claim(self, session: Session, claim: wire.Claim) -> wire.ClaimAnswer:
        """Enrol the box of the token with the key of the request, and answer what it needs.

        The same key may claim again until the token expires, with new shares and so with new HMAC
        keys: an answer that was lost strands no box. Raises EnrolmentRefusedError.
        """
        row = await self._valid_token(session.token_id)
        exchange = wire.Exchange(
            authority_fingerprint=bytes.fromhex(self._authority.fingerprint),
            server_fingerprint=session.server_fingerprint,
            token_id=session.token_id,
            box_share=session.box_share,
            post_share=session.post_share.public_key().public_bytes_raw(),
            nonce=session.nonce,
            csr=claim.csr,
        )
        if not wire.same_proof(claim.proof, exchange.box_proof(row.proof_key)):
            _log.warning("an enrolment of %s was not proven", row.box_id)
            raise EnrolmentRefusedError(wire.BAD_PROOF)
        request = _parse_request(claim.csr)
        claimed_key = _key_fingerprint(request)
        if row.claimed_key is not None and row.claimed_key != claimed_key:
            # Whoever comes holds the secret and is not the box that used it.
            _log.warning("the used token of %s was shown with another key", row.box_id)
            raise EnrolmentRefusedError(wire.USED_TOKEN)
        try:
            keys = wire.derive_keys(session.post_share, exchange, at_box=False)
            certificate = row.certificate_pem
            if certificate is None:
                certificate = await asyncio.to_thread(
                    self._authority.issue_client, request, row.box_id
                )
        except RefusedError as error:
            raise EnrolmentRefusedError(wire.BAD_REQUEST) from error
        await self._commit(row, claimed_key, certificate, keys)
        answer = wire.ClaimAnswer(
            box_id=row.box_id,
            post_name=self._broker.post_name,
            broker_host=self._broker.host,
            broker_port=self._broker.port,
            certificate=certificate,
            proof="0" * 64,
        )
        proof = exchange.post_proof(row.proof_key, answer)
        return answer.model_copy(update={"proof": proof})

    async def _valid_token(self, token_id: str) -> TokenRow:
        row = await self._store.get_token(token_id)
        if row is None:
            raise EnrolmentRefusedError(wire.UNKNOWN_TOKEN)
        if row.expires_utc <= self._clock.utc():
            raise EnrolmentRefusedError(wire.EXPIRED_TOKEN)
        return row

    async def _commit(
        self, row: TokenRow, claimed_key: bytes, certificate: str, keys: wire.DerivedKeys
    ) -> None:
        serial = x509.load_pem_x509_certificate(certificate.encode("ascii")).serial_number
        try:
            first = await self._store.complete_enrolment(
                row.token_id,
                claimed_key=claimed_key,
                certificate_pem=certificate,
                serial=serial,
                up_key=keys.up,
                down_key=keys.down,
                at_utc=self._clock.utc(),
            )
        except UnknownBoxError as error:  # revoked since its token was made
            raise EnrolmentRefusedError(wire.UNKNOWN_TOKEN) from error
        except StorageError as error:
            _log.error("an enrolment of %s could not be stored: %s", row.box_id, error)
            raise EnrolmentRefusedError(wire.UNAVAILABLE) from error
        if not first:
            raise EnrolmentRefusedError(wire.USED_TOKEN)
        _log.info("%s is enrolled", row.box_id)


def _parse_request(pem: str) -> x509.CertificateSigningRequest:
    try:
        return x509.load_pem_x509_csr(pem.encode("utf-8"))
    except ValueError as error:
        raise EnrolmentRefusedError(wire.BAD_REQUEST) from error


def _key_fingerprint(request: x509.CertificateSigningRequest) -> bytes:
    try:
        key = request.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    except (ValueError, TypeError) as error:
        raise EnrolmentRefusedError(wire.BAD_REQUEST) from error
    return hashlib.sha256(key).digest()
