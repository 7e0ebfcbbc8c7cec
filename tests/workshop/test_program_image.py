"""The image of a device's program: what is in it, what never is, and what opens it."""

from __future__ import annotations

from pathlib import Path

import pytest

from vigibip.base.errors import UsageError
from vigibip.wire import image
from vigibip.workshop import frozen, program_image, signing
from vigibip.workshop.program_image import ProgramImage

# The limit for a bip's whole program.
_BIP_MAX_BYTES = 48 * 1024


@pytest.fixture(scope="module")
def built() -> ProgramImage:
    return program_image.build("bip", edition=7)


def names(made: ProgramImage) -> set[str]:
    return {name for name, _, _ in image.unpack_head(made.head, image.FOR_BIP)[3]}


def test_it_holds_the_program_and_nothing_that_chooses_it(built: ProgramImage) -> None:
    found = names(built)
    assert {"bip.mpy", "sender.mpy", "update.mpy", "wire/frame.mpy", "wire/lms.mpy"} <= found
    assert not {f"{kept}.mpy" for kept in image.KEPT} & found
    told = image.unpack_head(built.head, image.FOR_BIP)
    assert told[:3] == (program_image.version("bip"), 7, image.NO_BASE)
    assert len(built.body) <= _BIP_MAX_BYTES


def test_the_same_firmware_gives_the_same_image(built: ProgramImage) -> None:
    assert program_image.build("bip", edition=7) == built


def test_a_receiver_s_is_no_bip_s(tmp_path: Path) -> None:
    made = program_image.build("receiver", edition=1)
    path = tmp_path / "image"
    path.write_bytes(made.content())
    assert program_image.opened(path, "receiver") == made
    with pytest.raises(UsageError, match="another device"):
        program_image.opened(path, "bip")


def test_signed_it_opens_with_its_signer_s_key_alone(built: ProgramImage, tmp_path: Path) -> None:
    keys = [tmp_path / "town", tmp_path / "other"]
    for key in keys:
        signing.new_key(key, height=5)
    signed = built.signed(signing.sign(keys[0], built.head))
    path = tmp_path / "image"
    path.write_bytes(signed.content())
    assert program_image.opened(path, "bip", signing.public_key_of(keys[0])) == signed
    with pytest.raises(UsageError, match="not signed by this key"):
        program_image.opened(path, "bip", signing.public_key_of(keys[1]))
    with pytest.raises(UsageError, match="signed otherwise"):
        program_image.opened(path, "bip")
    content = bytearray(signed.content())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UsageError, match="damaged"):
        program_image.opened(path, "bip", signing.public_key_of(keys[0]))


def test_beside_a_frozen_build_only_what_differs(built: ProgramImage, tmp_path: Path) -> None:
    folder = tmp_path / "frozen"
    frozen.prepare("bip", "esp32_c3", folder)
    (folder / "modules" / "wake.py").write_text("# an older one\n")
    made = program_image.build("bip", edition=8, frozen=folder)
    assert names(made) == {"wake.mpy"}
    assert image.unpack_head(made.head, image.FOR_BIP)[2] == program_image.frozen_name(folder)


def test_a_package_of_which_one_file_differs_comes_whole(tmp_path: Path) -> None:
    """MicroPython would not find its other files behind the slot's."""
    folder = tmp_path / "frozen"
    frozen.prepare("bip", "esp32_c3", folder)
    (folder / "modules" / "wire" / "ccm.py").write_text("# an older one\n")
    made = program_image.build("bip", edition=8, frozen=folder)
    whole = {name for name in names(program_image.build("bip", edition=8)) if "/" in name}
    assert names(made) == whole


def test_a_folder_of_no_frozen_build_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="frozen build"):
        program_image.build("bip", edition=1, frozen=tmp_path)


@pytest.mark.parametrize("edition", [0, -1, 1 << 32])
def test_editions(edition: int) -> None:
    with pytest.raises(UsageError, match="edition"):
        program_image.packed("bip", {"a.mpy": b"x"}, edition=edition, version_told=1)


def test_what_makes_no_image_is_told() -> None:
    for files in ({}, {"main.mpy": b"x"}, {"../a.mpy": b"x"}, {"a.mpy": b""}):
        with pytest.raises(UsageError, match="makes no image"):
            program_image.packed("bip", files, edition=1, version_told=1)


@pytest.mark.parametrize("content", [b"", b"VB", b"VB\x01" + bytes(300), b"MZ" * 200])
def test_what_is_no_image_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "image"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="no image"):
        program_image.opened(path, "bip")
