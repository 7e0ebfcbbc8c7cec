"""The one-time token that an installer copies from the post to a box.

It names the enrolment server, the authority that must stand behind it, and a secret. Written in
Crockford's base32 (no I, L, O, U; what looks alike is read alike) in groups of five, with a check
that tells a mistyped token from a refused one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import re
import secrets
from dataclasses import dataclass, field

from vigibip.base.errors import UsageError

SECRET_LENGTH = 16
# The head of the authority's SHA-256. To pass for it takes a second preimage of 128 bits, as much
# as guessing the secret; the whole would make the token a third longer to type.
FINGERPRINT_LENGTH = 16
_FORMAT = 1
_CHECK_LENGTH = 3
_GROUP = 5
# The longest host name (253) with everything else, in base32 and with its dashes.
TEXT_MAX_LENGTH = 600
_HOST = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RFC4648 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_TO_CROCKFORD = str.maketrans(_RFC4648, _CROCKFORD)
_FROM_CROCKFORD = str.maketrans(_CROCKFORD, _RFC4648)
_LOOKS_LIKE = str.maketrans("OIL", "011")


class TokenError(UsageError):
    """What was given is no token, or it was miscopied."""


@dataclass(frozen=True, slots=True)
class EnrolmentToken:
    """`host` and `port` of the enrolment server, the authority's fingerprint, the secret."""

    host: str
    port: int
    fingerprint: bytes
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not _is_host(self.host):
            raise TokenError(f"neither a DNS name nor an IP address: {self.host!r}")
        if not 1 <= self.port <= 65535:
            raise TokenError(f"no port: {self.port}")
        if len(self.fingerprint) != FINGERPRINT_LENGTH or len(self.secret) != SECRET_LENGTH:
            raise TokenError("fingerprint and secret are 16 bytes each")

    @classmethod
    def new(cls, host: str, port: int, authority_fingerprint: str) -> EnrolmentToken:
        """Return a token with a fresh secret; the fingerprint is a SHA-256 in hexadecimal."""
        fingerprint = bytes.fromhex(authority_fingerprint)[:FINGERPRINT_LENGTH]
        return cls(host, port, fingerprint, secrets.token_bytes(SECRET_LENGTH))

    @property
    def token_id(self) -> str:
        """What names this token without giving it away: 16 hexadecimal digits."""
        return hmac.digest(self.secret, b"VigiBip enrolment id", "sha256")[:8].hex()

    @property
    def proof_key(self) -> bytes:
        """What both ends prove that they know: a hash of the secret, all that the post keeps."""
        return hmac.digest(self.secret, b"VigiBip enrolment proof", "sha256")

    def text(self) -> str:
        """Return the token as it is handed to an installer."""
        body = (
            bytes([_FORMAT])
            + self.fingerprint
            + self.secret
            + self.port.to_bytes(2, "big")
            + _pack_host(self.host)
        )
        letters = base64.b32encode(body + _check(body)).decode("ascii").rstrip("=")
        letters = letters.translate(_TO_CROCKFORD)
        return "-".join(letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))

    @classmethod
    def parse(cls, text: str) -> EnrolmentToken:
        """Return the token that `text` writes, whatever its case, spaces and dashes.

        Raises TokenError; the message never repeats the text.
        """
        if len(text) > TEXT_MAX_LENGTH:
            raise TokenError("ceci est trop long pour être un jeton d'enrôlement")
        letters = re.sub(r"[\s-]", "", text).upper().translate(_LOOKS_LIKE)
        if not letters or not set(letters) <= set(_CROCKFORD):
            raise TokenError("ceci n'est pas un jeton d'enrôlement")
        standard = letters.translate(_FROM_CROCKFORD)
        try:
            packed = base64.b32decode(standard + "=" * (-len(standard) % 8))
        except ValueError as error:
            raise _miscopied() from error
        body, check = packed[:-_CHECK_LENGTH], packed[-_CHECK_LENGTH:]
        # Encoded again: base32 leaves bits over, and two texts must not be one token.
        if check != _check(body) or base64.b32encode(packed).decode().rstrip("=") != standard:
            raise _miscopied()
        at_secret = 1 + FINGERPRINT_LENGTH
        at_port = at_secret + SECRET_LENGTH
        if body[:1] != bytes([_FORMAT]) or len(body) < at_port + 3:
            raise TokenError("ce jeton est d'une autre version de VigiBip")
        return cls(
            host=_unpack_host(body[at_port + 2 :]),
            port=int.from_bytes(body[at_port : at_port + 2], "big"),
            fingerprint=body[1:at_secret],
            secret=body[at_secret:at_port],
        )


def _miscopied() -> TokenError:
    return TokenError("ce jeton a été mal recopié : un caractère manque ou diffère")


def _check(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:_CHECK_LENGTH]


def _is_host(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(_HOST.fullmatch(host))
    return "%" not in host


def _pack_host(host: str) -> bytes:
    """Return an address as its bytes and a name as ASCII, told apart by the first byte."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.encode("ascii")
    return bytes([address.version]) + address.packed


def _unpack_host(packed: bytes) -> str:
    if (packed[0], len(packed)) in ((4, 5), (6, 17)):
        return str(ipaddress.ip_address(packed[1:]))
    try:
        return packed.decode("ascii")
    except UnicodeDecodeError as error:
        raise TokenError("ce jeton n'a pas d'adresse") from error
