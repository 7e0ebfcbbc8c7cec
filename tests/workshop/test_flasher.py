"""Images onto a chip: the real esptool against a mock of the ROM's bootloader."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from esp32_mock_bootloader.api import mock_bootloader

from tests.support.cut_line import CutLine
from vigibip.workshop.errors import Cause, StepError
from vigibip.workshop.flasher import Flasher
from vigibip.workshop.image import NVS_AT, NVS_END, TABLE_AT, Image, holds_identity, read_image

C3, S3 = 5, 9


def an_image(chip: int = C3, *, nvs_at: int = NVS_AT, seed: int = 1) -> bytes:
    """Return what MicroPython's makers would publish, in small."""
    content = bytearray(b"\xff" * NVS_END)
    content[0] = 0xE9
    struct.pack_into("<H", content, 12, chip)
    content[64:1024] = hashlib.shake_128(bytes((seed,))).digest(960)
    entries = ((1, 2, nvs_at, 0x6000, b"nvs"), (1, 1, 0xF000, 0x1000, b"phy_init"))
    entries += ((0, 0, 0x10000, 0x1F0000, b"factory"), (1, 0x81, 0x200000, 0x200000, b"vfs"))
    for number, (kind, subtype, at, size, name) in enumerate(entries):
        entry = (b"\xaa\x50", kind, subtype, at, size, name, 0)
        struct.pack_into("<2sBBII16sI", content, TABLE_AT + 32 * number, *entry)
    return bytes(content) + hashlib.shake_128(bytes((seed, 1))).digest(40_000)


def published(folder: Path, content: bytes) -> Path:
    path = folder / "image.bin"
    path.write_bytes(content)
    path.with_name("image.bin.sha256").write_text(hashlib.sha256(content).hexdigest() + "  x\n")
    return path


def image(content: bytes | None = None) -> Image:
    return Image("esp32c3", an_image() if content is None else content)


# ---- the file


def test_an_image_whose_hash_is_right_is_read(tmp_path: Path) -> None:
    path = published(tmp_path, an_image())
    read = read_image(path, None)
    assert read.chip == "esp32c3"
    assert read_image(path, hashlib.sha256(path.read_bytes()).hexdigest().upper()) == read
    covered = [range(piece.at, piece.at + len(piece.content)) for piece in read.pieces()]
    assert not any(NVS_AT in places or NVS_END - 1 in places for places in covered)
    assert sum(map(len, covered)) == len(read.content) - (NVS_END - NVS_AT)


@pytest.mark.parametrize("beside", [None, "", "no hash", "00" * 32, "0" * 63])
def test_an_image_without_its_hash_is_refused(tmp_path: Path, beside: str | None) -> None:
    path = published(tmp_path, an_image())
    path.with_name("image.bin.sha256").unlink()
    if beside is not None:
        path.with_name("image.bin.sha256").write_text(beside)
    with pytest.raises(StepError) as failed:
        read_image(path, None)
    assert failed.value.cause is Cause.IMAGE_HASH


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", Cause.IMAGE_UNREADABLE),
        (b"\xe9" * 100, Cause.IMAGE_UNREADABLE),
        (b"\x00" + an_image()[1:], Cause.IMAGE_UNREADABLE),
        (an_image(0), Cause.WRONG_CHIP),
        (an_image()[:TABLE_AT] + b"\xff" * 4096 + an_image()[NVS_AT:], Cause.IMAGE_UNREADABLE),
        (an_image()[:NVS_AT] + bytes(64) + an_image()[NVS_AT + 64 :], Cause.IMAGE_UNREADABLE),
    ],
)
def test_what_is_no_image_is_refused(tmp_path: Path, content: bytes, cause: Cause) -> None:
    with pytest.raises(StepError) as failed:
        read_image(published(tmp_path, content), None)
    assert failed.value.cause is cause


# ---- the chip


@pytest.fixture
def chip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("ESP32_MOCK_BOOTLOADER_STATE_DIR", str(tmp_path / "state"))
    with mock_bootloader("esp32c3", startup_timeout=60) as mock:
        yield mock.url()


def esptool(chip: str, *words: str) -> None:
    command = [sys.executable, "-m", "esptool", "--port", chip, "--before", "no-reset"]
    subprocess.run([*command, "--after", "no-reset", *words], check=True, capture_output=True)


def read_back(chip: str, folder: Path, start: int, end: int) -> bytes:
    target = folder / "read.bin"
    esptool(chip, "--no-stub", "read-flash", hex(start), hex(end - start), str(target))
    return target.read_bytes()


def provision(chip: str, folder: Path) -> None:
    """Write into NVS what shows that a bip's settings lie there."""
    content = folder / "nvs.bin"
    content.write_bytes(b"vigibip\0 and its key".ljust(4096, b"\xff"))
    esptool(chip, "write-flash", hex(NVS_AT), str(content))


@pytest.mark.slow
def test_an_image_is_written_once_and_nvs_stays(chip: str, tmp_path: Path) -> None:
    flasher = Flasher(chip)
    parts: list[float] = []
    assert flasher.write(image(), new_identity=False, progress=parts.append)
    assert parts == sorted(parts)
    assert parts[-1] == 1.0
    provision(chip, tmp_path)
    assert not flasher.write(image(), new_identity=False)
    # A newer image, laid out alike: the bip stays who it is.
    newer = image(an_image(seed=2))
    assert flasher.write(newer, new_identity=False)
    flash = read_back(chip, tmp_path, NVS_END - 0x6000, NVS_END + 256)
    assert holds_identity(flash[:-256])
    assert flash[-256:] == newer.content[NVS_END : NVS_END + 256]


@pytest.mark.slow
def test_a_bip_whose_flash_is_laid_out_otherwise_is_not_erased_unless_told(
    chip: str, tmp_path: Path
) -> None:
    flasher = Flasher(chip)
    provision(chip, tmp_path)
    with pytest.raises(StepError) as failed:
        flasher.write(image(), new_identity=False)
    assert failed.value.cause is Cause.IDENTITY_THERE
    assert holds_identity(read_back(chip, tmp_path, NVS_AT, NVS_END))
    assert flasher.write(image(), new_identity=True)
    assert read_back(chip, tmp_path, NVS_AT, NVS_END).strip(b"\xff") == b""


def test_another_chip_and_another_layout_are_refused(chip: str, tmp_path: Path) -> None:
    for wrong in (Image("esp32s3", an_image(S3)), image(an_image(nvs_at=0x12000))):
        with pytest.raises(StepError) as failed:
            Flasher(chip).write(wrong, new_identity=True)
        assert failed.value.cause in (Cause.WRONG_CHIP, Cause.IMAGE_UNREADABLE)
    assert read_back(chip, tmp_path, TABLE_AT, TABLE_AT + 64).strip(b"\xff") == b""


def test_no_chip_is_told() -> None:
    with pytest.raises(StepError) as failed:
        # Port 9 of this computer: nobody listens there.
        Flasher("socket://127.0.0.1:9").chip()
    assert failed.value.cause is Cause.NO_BOOTLOADER


@pytest.mark.slow
def test_a_cable_pulled_anywhere_leaves_nothing_that_the_next_run_does_not_mend(chip: str) -> None:
    with CutLine(chip) as line:
        assert Flasher(line.url).write(image(), new_identity=False)
        whole = line.carried
    esptool(chip, "erase-flash")
    for share in (0.02, 0.3, 0.5, 0.8, 0.99):
        with CutLine(chip, after=int(whole * share)) as line, pytest.raises(StepError) as failed:
            Flasher(line.url).write(image(), new_identity=False)
        assert failed.value.cause in (Cause.NO_BOOTLOADER, Cause.FLASH_FAILED)
    Flasher(chip).write(image(), new_identity=False)
    assert not Flasher(chip).write(image(), new_identity=False)
