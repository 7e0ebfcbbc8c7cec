"""The pieces of X.509 that this post's certificates are put together from."""

from __future__ import annotations

import ipaddress
import re

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from vigibip.base.errors import RefusedError, UsageError

PublicKeySource = x509.CertificateSigningRequest | ec.EllipticCurvePublicKey


def subject(common_name: str) -> x509.Name:
    """Return a subject that is this common name and nothing else."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def key_usage(authority: bool) -> x509.KeyUsage:
    """Return what a key may do: sign certificates and lists, or handshakes."""
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def checked_key(source: PublicKeySource) -> ec.EllipticCurvePublicKey:
    """Return the key to certify. Raises RefusedError unless it is P-256 and signed its request."""
    if isinstance(source, x509.CertificateSigningRequest):
        try:
            signed = source.is_signature_valid
            key = source.public_key()
        except (ValueError, InvalidSignature, TypeError) as error:
            raise RefusedError(f"the signing request cannot be read: {error}") from error
        if not signed:
            raise RefusedError("the signing request was not signed by its own key")
    else:
        key = source
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise RefusedError("only P-256 keys are certified")
    return key


def general_name(host: str) -> x509.GeneralName:
    """Return `host`, an IP address or a DNS name, as certificates hold it. Raises UsageError."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if not re.fullmatch(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", host):
        raise UsageError(f"neither a DNS name nor an IP address: {host!r}")
    return x509.DNSName(host)
