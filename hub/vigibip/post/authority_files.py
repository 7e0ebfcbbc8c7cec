"""A certificate and its key as the two files that TLS libraries want."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from vigibip.base.errors import StorageError
from vigibip.base.private_files import write_atomically


@dataclass(frozen=True, slots=True)
class KeyPairFiles:
    """Where a certificate and its key are; both readable by their owner alone."""

    certificate: Path
    key: Path

    @classmethod
    def named(cls, directory: Path, name: str) -> KeyPairFiles:
        return cls(directory / f"{name}.pem", directory / f"{name}.key")

    def write(self, certificate_pem: str, key_pem: str) -> None:
        """Put both on the disk. Raises StorageError, and leaves what was there on a full one."""
        directory, name = self.key.parent, self.key.stem
        staged = KeyPairFiles.named(directory, f".new-{name}")
        write_atomically(staged.key, key_pem.encode("ascii"))
        write_atomically(staged.certificate, certificate_pem.encode("ascii"))
        try:
            staged.key.replace(self.key)
            staged.certificate.replace(self.certificate)
        except OSError as error:
            raise StorageError(f"{self.certificate}: {error.strerror or error}") from error

    def load_certificate(self) -> x509.Certificate | None:
        """Return the certificate; None unless both files are there and belong together.

        They may not: a power cut can fall between the writing of the one and of the other.
        """
        try:
            certificate = x509.load_pem_x509_certificate(self.certificate.read_bytes())
            key = serialization.load_pem_private_key(self.key.read_bytes(), password=None)
        except (OSError, ValueError):
            return None
        return certificate if key.public_key() == certificate.public_key() else None
