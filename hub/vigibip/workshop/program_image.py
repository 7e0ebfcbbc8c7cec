"""The image of a device's program, as an update brings it: built from the firmware, and opened.

The image holds what an update replaces; what chooses among programs stays on the device
(`wire.image.KEPT`), and so does its board.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vigibip.base.errors import UsageError
from vigibip.wire import image, lms
from vigibip.workshop.bytecode import compiled
from vigibip.workshop.errors import WorkshopError
from vigibip.workshop.firmware_files import Role, sources
from vigibip.workshop.frozen import MARK

TARGETS: dict[Role, int] = {"bip": image.FOR_BIP, "receiver": image.FOR_RECEIVER}
# Any board: none of its files goes into an image.
_BOARD = "esp32_c3"


@dataclass(frozen=True, slots=True)
class ProgramImage:
    """A head and the files behind it; `signature` is empty until it is signed."""

    head: bytes
    body: bytes
    signature: bytes = b""

    @property
    def name(self) -> str:
        """What names it in a status and on the wire: the beginning of its head's SHA-256."""
        return hashlib.sha256(self.head).hexdigest()[:16]

    def signed(self, signature: bytes) -> ProgramImage:
        return ProgramImage(self.head, self.body, signature)

    def content(self) -> bytes:
        """Return it as it travels and lies in a file."""
        return self.head + self.signature + self.body


def program(role: Role, frozen: Path | None = None) -> dict[str, bytes]:
    """Return the .mpy files of `role`'s program, by their place.

    frozen: the folder that a frozen build was made of; modules and packages that are the same
    there are left out.
    Raises StepError, WorkshopError.
    """
    every = {
        name: source
        for name, source in sources(role, _BOARD).items()
        if name.removesuffix(".py") not in image.KEPT
    }
    changed = {name for name, source in every.items() if not _is_frozen(frozen, name, source)}
    # MicroPython finds a package in one place: in the slot whole, or not at all.
    packages = {name.partition("/")[0] for name in changed if "/" in name}
    return compiled(
        {
            name: source
            for name, source in every.items()
            if name in changed or ("/" in name and name.partition("/")[0] in packages)
        }
    )


def version(role: Role) -> int:
    """Return the version that the program of `role` tells of itself. Raises WorkshopError."""
    module = sources(role, _BOARD)["version.py" if role == "bip" else "carrier.py"]
    found = re.search(r"(?m)^FIRMWARE = (0x[0-9a-fA-F]{4})$", module.read_text(encoding="utf-8"))
    if found is None:
        raise WorkshopError(f"{module} does not tell its version")
    return int(found[1], 16)


def build(role: Role, *, edition: int, frozen: Path | None = None) -> ProgramImage:
    """Return the unsigned image of the checkout's program. Raises UsageError, StepError.

    edition: 1 to 2**32 - 1; a device takes none below the highest that it has confirmed. frozen:
    the folder that a frozen build was made of. What is the same there is left out, so that it goes
    on starting as fast as frozen files do, and only a device with that very build takes the image.
    """
    return packed(
        role,
        program(role, frozen),
        edition=edition,
        version_told=version(role),
        base=image.NO_BASE if frozen is None else frozen_name(frozen),
    )


def packed(
    role: Role,
    files: Mapping[str, bytes],
    *,
    edition: int,
    version_told: int,
    base: bytes = image.NO_BASE,
) -> ProgramImage:
    """Return the unsigned image of `files`, by their place. Raises UsageError."""
    if not 0 < edition <= 0xFFFFFFFF:
        raise UsageError("an edition is a number from 1 to 4294967295")
    table = [
        (name, len(content), hashlib.sha256(content).digest())
        for name, content in sorted(files.items())
    ]
    try:
        head = image.pack_head(TARGETS[role], version_told, edition, base, table)
    except image.ImageRefused as error:
        raise UsageError(f"the program makes no image: {error}") from error
    return ProgramImage(head, b"".join(files[name] for name, _, _ in table))


def frozen_name(frozen: Path) -> bytes:
    """Return the 8 bytes that name the frozen build made of the folder `frozen`."""
    try:
        text = (frozen / "modules" / f"{MARK}.py").read_text(encoding="ascii")
        found = re.search(r'DIGEST = "([0-9a-f]{64})"', text)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{frozen} is no folder of a frozen build: {error}") from error
    if found is None:
        raise UsageError(f"{frozen} holds no mark of a frozen build")
    return bytes.fromhex(found[1])[:8]


def _is_frozen(frozen: Path | None, name: str, source: Path) -> bool:
    there = frozen / "modules" / name if frozen else None
    return there is not None and there.is_file() and there.read_bytes() == source.read_bytes()


def opened(path: Path, role: Role, public_key: bytes | None = None) -> ProgramImage:
    """Return the image in `path`, each file's SHA-256 checked. Raises UsageError.

    public_key: the signer's; None for an image that is not signed.
    """
    try:
        content = path.read_bytes()
        length = image.head_length(content)
        head = content[:length]
        files = _files(head, TARGETS[role])
    except (OSError, image.ImageRefused) as error:
        raise UsageError(f"{path} is no image for a {role}: {error}") from error
    signature_length = lms.signature_length(public_key) if public_key else 0
    signature = content[length : length + signature_length]
    body = content[length + signature_length :]
    if public_key and not lms.is_signed(hashlib.sha256, public_key, head, signature):
        raise UsageError(f"{path} is not signed by this key")
    if len(body) != sum(size for _, size, _ in files):
        raise UsageError(f"{path} is cut, or is signed otherwise than was said")
    at = 0
    for name, size, digest in files:
        if hashlib.sha256(body[at : at + size]).digest() != digest:
            raise UsageError(f"{path}: {name} is damaged")
        at += size
    return ProgramImage(head, body, signature)


def _files(head: bytes, target: int) -> list[tuple[str, int, bytes]]:
    return image.unpack_head(head, target)[3]
