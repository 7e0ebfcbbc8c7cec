"""The box's side of an enrolment: `vigibip box enrol TOKEN`.

The token pins the post's authority. Its certificate is fetched first, over a connection that is
not trusted and carries nothing of ours, and compared with the pin; every word after that goes to a
server that this authority vouches for. The private key is on the disk before it is used, so that
an answer that was lost can be asked for again.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import ssl
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC
from http import HTTPStatus
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from pydantic import BaseModel

from vigibip.alert import enrolment as wire
from vigibip.alert.enrolment_token import FINGERPRINT_LENGTH, EnrolmentToken
from vigibip.base.clock import Clock
from vigibip.base.errors import PeerError, RefusedError, UsageError
from vigibip.base.private_files import write_atomically
from vigibip.box.enrolment import (
    NO_CHECK_TIME,
    EnrolledPost,
    Enrolment,
    load_enrolment,
    save_enrolment,
)

_log = logging.getLogger(__name__)

_TIMEOUT_S = 20.0
# More than this between the two clocks is told to the installer.
CLOCK_BEHIND_MAX_S = 120.0
# The verify codes of OpenSSL that mean dates or a name, not another authority.
_NOT_YET_VALID, _EXPIRED, _HOST_MISMATCH, _IP_MISMATCH = 9, 10, 62, 64

_REFUSALS = {
    wire.UNKNOWN_TOKEN: "le poste ne connaît pas ce jeton : en demander un nouveau au poste",
    wire.EXPIRED_TOKEN: "ce jeton a expiré : en demander un nouveau au poste",
    wire.USED_TOKEN: (
        "ce jeton a déjà servi à un autre boîtier : en demander un nouveau,"
        " et prévenir le poste si personne d'autre ne devait l'avoir"
    ),
    wire.BAD_PROOF: "le poste refuse la preuve du jeton : en demander un nouveau",
    wire.BAD_REQUEST: "le poste ne comprend pas ce boîtier : leurs versions diffèrent-elles ?",
    wire.TOO_MANY: "trop d'essais : attendre une minute et recommencer",
    wire.UNAVAILABLE: "le poste ne peut rien enregistrer en ce moment : réessayer plus tard",
}


class ImpostorError(RefusedError):
    """What answers at the token's address is not the post that made the token."""

    def __init__(self, token: EnrolmentToken) -> None:
        super().__init__(
            f"ce qui répond à {token.host}:{token.port} n'est pas le poste qui a donné ce jeton."
            " Quelqu'un se place peut-être entre le boîtier et le poste : ne pas continuer sur ce"
            " réseau, prévenir le poste. Rien n'a été envoyé."
        )


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A finished enrolment, and by how much the post's clock is ahead of this machine's."""

    enrolment: Enrolment
    clock_behind_s: float


def enrol(
    token: EnrolmentToken, path: Path, clock: Clock, *, timeout_s: float = _TIMEOUT_S
) -> Enrolled:
    """Become the box of `token` and keep it at `path`; the same again after a lost answer.

    Raises UsageError when this is a box already, ImpostorError, RefusedError when the post says
    no, PeerError when it cannot be reached or does not keep to the protocol, StorageError. Nothing
    is kept then but the key, for the next try.
    """
    if path.exists():
        raise UsageError(
            f"ce boîtier est déjà enrôlé ({load_enrolment(path).box_id}) : pour recommencer,"
            f" mettre {path} de côté"
        )
    pending = path.with_name("enrolment-pending.json")
    authority_pem = _fetch_authority(token, timeout_s)
    client = _Client(token, authority_pem, clock, timeout_s)
    key = _pending_key(pending, token)
    with closing(client):
        enrolled = _converse(client, token, authority_pem, key, clock)
    save_enrolment(path, enrolled.enrolment)
    pending.unlink(missing_ok=True)
    return enrolled


def _converse(
    client: _Client,
    token: EnrolmentToken,
    authority_pem: str,
    key: ec.EllipticCurvePrivateKey,
    clock: Clock,
) -> Enrolled:
    own = X25519PrivateKey.generate()
    share = own.public_key().public_bytes_raw()
    hello = wire.read(
        wire.HelloAnswer,
        client.post(wire.HELLO_PATH, wire.Hello(token=token.token_id, share=share.hex())),
    )
    exchange = wire.Exchange(
        authority_fingerprint=_der_sha256(authority_pem),
        server_fingerprint=client.server_fingerprint,
        token_id=token.token_id,
        box_share=share,
        post_share=bytes.fromhex(hello.share),
        nonce=bytes.fromhex(hello.nonce),
        csr=_signing_request(key),
    )
    keys = wire.derive_keys(own, exchange, at_box=True)
    claim = wire.Claim(csr=exchange.csr, proof=exchange.box_proof(token.proof_key))
    answer = wire.read(wire.ClaimAnswer, client.post(wire.CLAIM_PATH, claim))
    if not wire.same_proof(answer.proof, exchange.post_proof(token.proof_key, answer)):
        raise ImpostorError(token)
    _check_certificate(answer, authority_pem, key)
    post = EnrolledPost(
        name=answer.post_name,
        broker_host=answer.broker_host,
        broker_port=answer.broker_port,
        up_key=keys.up,
        down_key=keys.down,
        authority_pem=authority_pem,
        certificate_pem=answer.certificate,
        private_key_pem=_key_pem(key),
    )
    behind_s = (hello.utc.astimezone(UTC) - clock.utc()).total_seconds()
    return Enrolled(Enrolment(answer.box_id, (post,)), behind_s)


class _Client:
    """One connection to a server that the pinned authority vouches for."""

    def __init__(
        self, token: EnrolmentToken, authority_pem: str, clock: Clock, timeout_s: float
    ) -> None:
        self._connection = _verified(token, authority_pem, clock, timeout_s)
        shown = self._connection.sock.getpeercert(binary_form=True)
        self.server_fingerprint = hashlib.sha256(shown or b"").digest()

    def post(self, path: str, message: BaseModel) -> bytes:
        """Send `message` and return the answer's body. Raises RefusedError, PeerError."""
        status, body = _exchange(
            self._connection, "POST", path, message.model_dump_json().encode("utf-8")
        )
        if status == HTTPStatus.OK:
            return body
        code = wire.read(wire.Refusal, body).code
        raise RefusedError(_REFUSALS.get(code, f"le poste refuse : {code}"))

    def close(self) -> None:
        self._connection.close()


def _fetch_authority(token: EnrolmentToken, timeout_s: float) -> str:
    """Return the authority's certificate, compared with the token's pin. Raises ImpostorError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # what comes is public, and judged by the pin alone
    connection = http.client.HTTPSConnection(
        token.host, token.port, context=context, timeout=timeout_s
    )
    with closing(connection):
        _connect(connection, token)
        status, body = _exchange(connection, "GET", wire.AUTHORITY_PATH, None)
    try:
        pem = body.decode("ascii")
        fingerprint = _der_sha256(pem)
    except ValueError as error:
        raise ImpostorError(token) from error
    if status != HTTPStatus.OK or fingerprint[:FINGERPRINT_LENGTH] != token.fingerprint:
        raise ImpostorError(token)
    # Re-encoded: what the pin does not cover, text around the certificate, goes no further.
    return x509.load_pem_x509_certificate(body).public_bytes(serialization.Encoding.PEM).decode()


def _verified(
    token: EnrolmentToken, authority_pem: str, clock: Clock, timeout_s: float
) -> http.client.HTTPSConnection:
    """Connect with full verification. Raises ImpostorError and, told apart, what is a clock's."""
    for check_time in (True, False):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(cadata=authority_pem)
        if not check_time:
            context.verify_flags |= ssl.VerifyFlags(NO_CHECK_TIME)
        connection = http.client.HTTPSConnection(
            token.host, token.port, context=context, timeout=timeout_s
        )
        try:
            _connect(connection, token)
        except ssl.SSLCertVerificationError as error:
            connection.close()
            # A post never signs for the future: it is this machine, without a clock of its own,
            # that is behind. The authority is pinned, so its dates are all that goes unchecked.
            if check_time and error.verify_code == _NOT_YET_VALID:
                _log.warning("the clock is behind the post's certificate; dates go unchecked")
                continue
            raise _verification_refusal(token, clock, error) from error
        return connection
    raise ImpostorError(token)


def _verification_refusal(
    token: EnrolmentToken, clock: Clock, error: ssl.SSLCertVerificationError
) -> RefusedError:
    if error.verify_code == _EXPIRED:
        return RefusedError(
            f"l'horloge du boîtier dit {clock.utc():%d/%m/%Y %H:%M} UTC, et le certificat du poste"
            " a alors expiré : mettre l'horloge à l'heure ; si elle l'est, redémarrer le poste"
        )
    if error.verify_code in (_HOST_MISMATCH, _IP_MISMATCH):
        return RefusedError(
            f"le certificat du poste n'est pas fait pour l'adresse {token.host} : corriger"
            " enrolment.public_host au poste, le redémarrer, et refaire un jeton"
        )
    return ImpostorError(token)


def _connect(connection: http.client.HTTPSConnection, token: EnrolmentToken) -> None:
    """Open the connection; verification errors pass, everything else is told in words."""
    where = f"{token.host}:{token.port}"
    try:
        connection.connect()
    except ssl.SSLCertVerificationError:
        raise
    except TimeoutError as error:
        raise PeerError(f"le poste ne répond pas à {where} : délai dépassé") from error
    except ssl.SSLError as error:
        raise PeerError(f"ce qui répond à {where} ne parle pas TLS comme le poste") from error
    except OSError as error:
        told = error.strerror or str(error)
        raise PeerError(
            f"le poste est injoignable à {where} ({told}) : vérifier le réseau du boîtier, et que"
            " `vigibip post run` tourne"
        ) from error


def _exchange(
    connection: http.client.HTTPSConnection, method: str, path: str, body: bytes | None
) -> tuple[int, bytes]:
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = response.read(wire.BODY_MAX_BYTES + 1)
    except (OSError, http.client.HTTPException) as error:
        raise PeerError(
            "le poste a coupé la connexion : recommencer avec le même jeton dans une minute"
        ) from error
    if len(content) > wire.BODY_MAX_BYTES:
        raise PeerError("la réponse du poste est trop longue")
    return response.status, content


def _pending_key(path: Path, token: EnrolmentToken) -> ec.EllipticCurvePrivateKey:
    """Return the key of an earlier try with this token, or a new one, kept before it is used."""
    try:
        kept = json.loads(path.read_bytes())
        if kept["token"] == token.token_id:
            key = serialization.load_pem_private_key(kept["private_key_pem"].encode(), None)
            if isinstance(key, ec.EllipticCurvePrivateKey):
                return key
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        _log.warning("the key of an earlier try is lost: %s", type(error).__name__)
    key = ec.generate_private_key(ec.SECP256R1())
    kept = {"token": token.token_id, "private_key_pem": _key_pem(key)}
    write_atomically(path, json.dumps(kept).encode("ascii"))
    return key


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode("ascii")


def _signing_request(key: ec.EllipticCurvePrivateKey) -> str:
    # No name in it: the post knows which box the token is for.
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = builder.sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _der_sha256(pem: str) -> bytes:
    return x509.load_pem_x509_certificate(pem.encode("ascii")).fingerprint(hashes.SHA256())


def _check_certificate(
    answer: wire.ClaimAnswer, authority_pem: str, key: ec.EllipticCurvePrivateKey
) -> None:
    """Raise PeerError unless the certificate is ours and the authority's."""
    try:
        certificate = x509.load_pem_x509_certificate(answer.certificate.encode("ascii"))
        certificate.verify_directly_issued_by(
            x509.load_pem_x509_certificate(authority_pem.encode("ascii"))
        )
    except (ValueError, TypeError, InvalidSignature) as error:
        raise PeerError("le poste a donné un certificat qui n'est pas le sien") from error
    if certificate.public_key() != key.public_key():
        raise PeerError("le poste a donné le certificat d'une autre clé")
