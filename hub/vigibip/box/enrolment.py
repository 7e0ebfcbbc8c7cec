"""What a box was given when it was enrolled: who it is, its posts, and its keys for each."""

from __future__ import annotations

import json
import os
import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

from cryptography import x509
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from vigibip.alert.messages import BoxId
from vigibip.base.errors import ConfigurationError, StorageError
from vigibip.base.private_files import write_atomically

# OpenSSL's X509_V_FLAGNO_CHECK_TIME, which Python's ssl module has no name for.
NO_CHECK_TIME = 0x200000
# Some posts with their certificates; far above what an enrolment writes.
_FILE_MAX_BYTES = 256 * 1024

_Key = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Pem = Annotated[str, StringConstraints(pattern=r"^-----BEGIN ", max_length=16_384)]


@dataclass(frozen=True, slots=True, repr=False)
class EnrolledPost:
    """One post: where its broker is, and what this box shows and uses there."""

    name: str
    broker_host: str
    broker_port: int
    up_key: bytes
    """Seals what this box says to the post (32 bytes)."""
    down_key: bytes
    """Seals what the post says to this box (32 bytes)."""
    authority_pem: str
    certificate_pem: str
    private_key_pem: str

    def tls_context(self, *, check_time: bool = True) -> ssl.SSLContext:
        """Return the TLS of a connection to the broker: this authority alone, and our certificate.

        `check_time` False leaves only the certificates' dates unchecked, for a machine whose clock
        is not sure yet. Raises StorageError when a certificate or the key cannot be used.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not check_time:
            context.verify_flags |= ssl.VerifyFlags(NO_CHECK_TIME)
        try:
            context.load_verify_locations(cadata=self.authority_pem)
            self._load_own(context)
        except (ssl.SSLError, OSError, ValueError) as error:
            raise StorageError(f"the enrolment's certificates cannot be used: {error}") from error
        return context

    def valid_from_utc(self) -> datetime | None:
        """Return when the younger of our certificate and its authority's began.

        No clock of today can truthfully show less: the post's was there already. None when they
        cannot be read, which `tls_context` tells.
        """
        text = f"{self.authority_pem}\n{self.certificate_pem}"
        try:
            certificates = x509.load_pem_x509_certificates(text.encode())
        except ValueError:
            return None
        return max(one.not_valid_before_utc for one in certificates)

    def _load_own(self, context: ssl.SSLContext) -> None:
        # ssl reads keys from files alone; this one is in memory and has no name.
        descriptor = os.memfd_create("enrolment", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, f"{self.private_key_pem}\n{self.certificate_pem}".encode("ascii"))
            context.load_cert_chain(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """This box's identity and its posts, at least one."""

    box_id: str
    posts: tuple[EnrolledPost, ...]


class _PostEntry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    broker_host: Annotated[str, StringConstraints(min_length=1, max_length=253)]
    broker_port: Annotated[int, Field(ge=1, le=65535)]
    up_key: _Key
    down_key: _Key
    authority_pem: _Pem
    certificate_pem: _Pem
    private_key_pem: _Pem


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    box_id: BoxId
    posts: Annotated[list[_PostEntry], Field(min_length=1, max_length=8)]


def load_enrolment(path: Path) -> Enrolment:
    """Read the enrolment at `path`.

    Raises ConfigurationError when there is none yet, or when it is not one; what the file holds is
    never repeated in the message.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_FILE_MAX_BYTES)
    except FileNotFoundError as error:
        told = "this box is not enrolled yet: `vigibip box enrol TOKEN`"
        raise ConfigurationError(str(path), [("", told)]) from error
    except OSError as error:
        raise ConfigurationError(str(path), [("", error.strerror or str(error))]) from error
    try:
        entry = _File.model_validate_json(text)
    except ValidationError as error:
        mistakes = [
            (".".join(str(part) for part in one["loc"]), one["msg"])
            for one in error.errors(include_input=False, include_url=False, include_context=False)
        ]
        raise ConfigurationError(str(path), mistakes) from None
    return Enrolment(
        box_id=entry.box_id,
        posts=tuple(
            EnrolledPost(
                name=post.name,
                broker_host=post.broker_host,
                broker_port=post.broker_port,
                up_key=bytes.fromhex(post.up_key),
                down_key=bytes.fromhex(post.down_key),
                authority_pem=post.authority_pem,
                certificate_pem=post.certificate_pem,
                private_key_pem=post.private_key_pem,
            )
            for post in entry.posts
        ),
    )


def save_enrolment(path: Path, enrolment: Enrolment) -> None:
    """Put `enrolment` at `path`, for the box's user alone. Raises StorageError."""
    entry = {
        "box_id": enrolment.box_id,
        "posts": [
            {
                "name": post.name,
                "broker_host": post.broker_host,
                "broker_port": post.broker_port,
                "up_key": post.up_key.hex(),
                "down_key": post.down_key.hex(),
                "authority_pem": post.authority_pem,
                "certificate_pem": post.certificate_pem,
                "private_key_pem": post.private_key_pem,
            }
            for post in enrolment.posts
        ],
    }
    write_atomically(path, json.dumps(entry, indent=1).encode("ascii") + b"\n")
