"""The post's own certificate authority: who is a box, who is the post, who is no longer either.

P-256 throughout, because every TLS stack on a Raspberry Pi and every broker verifies it quickly.
A box's certificate may only speak as a client and a server's only as a server, so that a stolen
box can never pose as the broker. What was issued and what was revoked is kept beside the key.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from vigibip.base.clock import Clock, SystemClock
from vigibip.base.errors import ConfigurationError, StorageError, UsageError
from vigibip.base.private_files import make_private_directory, write_atomically
from vigibip.post.authority_files import KeyPairFiles
from vigibip.post.certificates import (
    PublicKeySource,
    checked_key,
    general_name,
    key_usage,
    subject,
)

_log = logging.getLogger(__name__)

# A lapsed certificate silences a shop, and nobody is there to see it: a thief is dealt with by
# revocation, not by expiry. Renewal is by enrolling again.
AUTHORITY_LIFETIME = timedelta(days=25 * 365)
CLIENT_LIFETIME = timedelta(days=10 * 365)
SERVER_LIFETIME = timedelta(days=10 * 365)
# server_files() and client_files() make a new pair in the last part of the old one's life.
RENEW_BEFORE_END = timedelta(days=365)
# A Raspberry Pi has no clock of its own and two machines never quite agree. What is further off
# than this is the box's "clock unsure" mode, which leaves only the dates unchecked.
BACKDATED_BY = timedelta(days=2)

_IDENTITY = re.compile(r"post|box-[0-9a-z]{8}")
_SERVER_NAME = re.compile(r"[a-z]{1,20}")


def new_private_key() -> ec.EllipticCurvePrivateKey:
    """Return a fresh P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def private_key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    """Return `key` as unencrypted PKCS #8: it is guarded by its file's mode."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode("ascii")


def certificate_fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of the certificate's DER, as 64 hexadecimal digits."""
    return certificate.fingerprint(hashes.SHA256()).hex()


@dataclass(frozen=True, slots=True)
class Issued:
    """One line of the record of what this authority signed."""

    serial: int
    identity: str
    kind: str
    not_after_utc: datetime


class Authority:
    """Signs for the boxes and the servers of one post; `create` makes it, `load` opens it.

    Safe to use from several processes: each change to the records holds a lock on the directory.
    """

    def __init__(
        self,
        directory: Path,
        certificate: x509.Certificate,
        key: ec.EllipticCurvePrivateKey,
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._certificate = certificate
        self._key = key
        self._clock = clock

    @classmethod
    def create(cls, directory: Path, clock: Clock | None = None) -> Authority:
        """Make a new authority in `directory` (mode 0700; keys 0600).

        Raises UsageError when one is there: replacing it would lock every box out.
        """
        clock = clock or SystemClock()
        make_private_directory(directory)
        if (directory / "authority.key").exists():
            raise UsageError(f"{directory} already holds an authority")
        key = new_private_key()
        now = clock.utc()
        # The name carries part of the key, so that two posts' authorities are never mixed up.
        key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        name = subject(f"VigiBip {key_id.digest[:4].hex()}")
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATED_BY)
            .not_valid_after(now + AUTHORITY_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(key_usage(authority=True), critical=True)
            .add_extension(key_id, critical=False)
            .sign(key, hashes.SHA256())
        )
        authority = cls(directory, certificate, key, clock)
        write_atomically(authority.certificate_path, authority.certificate_pem.encode(), mode=0o644)
        with authority._locked():
            authority._write_revocations({})
        # Last: a directory without the key is one where creation did not end.
        write_atomically(directory / "authority.key", private_key_pem(key).encode())
        return authority

    @classmethod
    def load(cls, directory: Path, clock: Clock | None = None) -> Authority:
        """Open the authority in `directory`. Raises ConfigurationError when there is none."""
        try:
            certificate = x509.load_pem_x509_certificate((directory / "authority.pem").read_bytes())
            key = serialization.load_pem_private_key(
                (directory / "authority.key").read_bytes(), password=None
            )
        except (OSError, ValueError) as error:
            raise ConfigurationError(str(directory), [("authority", str(error))]) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or (
            key.public_key() != certificate.public_key()
        ):
            raise ConfigurationError(
                str(directory), [("authority", "key and certificate do not belong together")]
            )
        return cls(directory, certificate, key, clock or SystemClock())

    @property
    def certificate_pem(self) -> str:
        return self._certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")

    @property
    def certificate_path(self) -> Path:
        return self._directory / "authority.pem"

    @property
    def crl_path(self) -> Path:
        """The revocation list (RFC 5280), always there; rewritten at each revocation."""
        return self._directory / "crl.pem"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the authority's certificate, 64 hexadecimal digits."""
        return certificate_fingerprint(self._certificate)

    def issue_client(self, source: PublicKeySource, identity: str) -> str:
        """Return the PEM of a client certificate for `identity`, "post" or a box id.

        Of a signing request only the key is taken: what name it asks for does not matter. Raises
        UsageError for an identity of another form, RefusedError for a key that is not P-256 or a
        request that its key did not sign.
        """
        if not _IDENTITY.fullmatch(identity):
            raise UsageError(f"not an identity of this post: {identity!r}")
        public_key = checked_key(source)
        builder = self._leaf(identity, public_key, CLIENT_LIFETIME).add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        return self._sign(builder, identity, "client")

    def issue_server(self, hosts: Sequence[str]) -> tuple[str, str]:
        """Return (certificate PEM, key PEM) of a server reached as any of `hosts`.

        `hosts` are DNS names and IP addresses. Raises UsageError when one is neither.
        """
        names = [general_name(host) for host in hosts]
        if not names:
            raise UsageError("a server certificate needs a name")
        key = new_private_key()
        builder = (
            self._leaf(hosts[0][:64], key.public_key(), SERVER_LIFETIME)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        )
        return self._sign(builder, hosts[0], "server"), private_key_pem(key)

    def client_files(self, identity: str) -> KeyPairFiles:
        """Return certificate and key of `identity` in the directory, made when needed."""

        def issue() -> tuple[str, str]:
            key = new_private_key()
            return self.issue_client(key.public_key(), identity), private_key_pem(key)

        return self._kept(KeyPairFiles.named(self._directory, f"client-{identity}"), None, issue)

    def server_files(self, name: str, hosts: Sequence[str]) -> KeyPairFiles:
        """Return certificate and key of the server `name`, made anew when `hosts` changed."""
        if not _SERVER_NAME.fullmatch(name):
            raise UsageError(f"not a server's name: {name!r}")
        files = KeyPairFiles.named(self._directory, f"server-{name}")
        return self._kept(files, hosts, lambda: self.issue_server(hosts))

    def _kept(
        self,
        files: KeyPairFiles,
        hosts: Sequence[str] | None,
        issue: Callable[[], tuple[str, str]],
    ) -> KeyPairFiles:
        """Return `files`, made anew when needed. Raises StorageError when the disk takes nothing
        new, unless what is there serves on for today."""
        if not self._usable(files, hosts, RENEW_BEFORE_END):
            try:
                files.write(*issue())
            except StorageError as error:
                if not self._usable(files, hosts, timedelta()):
                    raise
                _log.error("an old certificate is used on: %s", error)
        return files

    def issued(self) -> list[Issued]:
        """Return the record of every certificate signed, oldest first."""
        try:
            lines = (self._directory / "issued.jsonl").read_text("ascii").splitlines()
        except FileNotFoundError:
            return []
        return [_parse_issued(line) for line in lines]

    def revoke(self, identity: str) -> int:
        """Revoke every client certificate of `identity`; return how many were newly revoked.

        Raises UsageError when there never was one.
        """
        with self._locked():
            mine = [
                one for one in self.issued() if (one.identity, one.kind) == (identity, "client")
            ]
            if not mine:
                raise UsageError(f"no certificate was ever issued to {identity!r}")
            revoked = self._revocations()
            fresh = [one.serial for one in mine if one.serial not in revoked]
            if fresh:
                now = self._clock.utc()
                self._write_revocations(revoked | dict.fromkeys(fresh, now))
            return len(fresh)

    def revoked_identities(self) -> set[str]:
        """Return who has client certificates that are all revoked."""
        clients = [one for one in self.issued() if one.kind == "client"]
        revocations = self._revocations()
        valid = {one.identity for one in clients if one.serial not in revocations}
        return {one.identity for one in clients} - valid

    def _leaf(
        self, common_name: str, public_key: ec.EllipticCurvePublicKey, lifetime: timedelta
    ) -> x509.CertificateBuilder:
        now = self._clock.utc()
        return (
            x509.CertificateBuilder()
            .subject_name(subject(common_name))
            .issuer_name(self._certificate.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATED_BY)
            .not_valid_after(min(now + lifetime, self._certificate.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(authority=False), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )

    def _sign(self, builder: x509.CertificateBuilder, identity: str, kind: str) -> str:
        certificate = builder.sign(self._key, hashes.SHA256())
        line = json.dumps(
            {
                "serial": f"{certificate.serial_number:x}",
                "identity": identity,
                "kind": kind,
                "not_after_utc": certificate.not_valid_after_utc.isoformat(),
            }
        )
        # Recorded before it is handed out: what is not on record cannot be revoked.
        with self._locked():
            path = self._directory / "issued.jsonl"
            before = path.read_bytes() if path.exists() else b""
            write_atomically(path, before + line.encode("ascii") + b"\n")
        return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")

    def _usable(
        self, files: KeyPairFiles, hosts: Sequence[str] | None, for_at_least: timedelta
    ) -> bool:
        certificate = files.load_certificate()
        if certificate is None or certificate.issuer != self._certificate.subject:
            return False
        if certificate.not_valid_after_utc - self._clock.utc() < for_at_least:
            return False
        if certificate.serial_number in self._revocations():
            return False
        if hosts is None:
            return True
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return list(names) == [general_name(host) for host in hosts]

    def _revocations(self) -> dict[int, datetime]:
        try:
            crl = x509.load_pem_x509_crl(self.crl_path.read_bytes())
        except (OSError, ValueError) as error:
            raise StorageError(f"the revocation list cannot be read: {error}") from error
        return {one.serial_number: one.revocation_date_utc for one in crl}

    def _write_revocations(self, revoked: dict[int, datetime]) -> None:
        # next_update is the authority's own end: a list that "expires" makes OpenSSL refuse every
        # box at once, and nothing guarantees that somebody would write the next one in time.
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._certificate.subject)
            .last_update(self._clock.utc() - BACKDATED_BY)
            .next_update(self._certificate.not_valid_after_utc)
        )
        for serial, at_utc in sorted(revoked.items()):
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at_utc)
            builder = builder.add_revoked_certificate(entry.build())
        crl = builder.sign(self._key, hashes.SHA256())
        write_atomically(self.crl_path, crl.public_bytes(serialization.Encoding.PEM), mode=0o644)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        # The directory itself: a lock file would be one more that root could leave unreadable.
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _parse_issued(line: str) -> Issued:
    try:
        data = json.loads(line)
        return Issued(
            serial=int(data["serial"], 16),
            identity=str(data["identity"]),
            kind=str(data["kind"]),
            not_after_utc=datetime.fromisoformat(data["not_after_utc"]).astimezone(UTC),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(f"the record of issued certificates is damaged: {error}") from error
