"""A label is read back by another program, and by the box's command."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pypdfium2
import pytest
import segno
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st

from vigibip.base.errors import UsageError
from vigibip.workshop.label import Label

LABEL = Label(0x3F2A91C0, bytes(range(16)))


def grey(buffer: bytes, width: int, height: int, stride: int) -> memoryview:
    rows = b"".join(buffer[row * stride : row * stride + width] for row in range(height))
    return memoryview(rows).cast("B", (height, width))


def test_the_pdf_is_read_by_another_program(tmp_path: Path) -> None:
    _, pdf = LABEL.write(tmp_path / "labels")
    with pypdfium2.PdfDocument(pdf) as document:
        page = document[0].render(scale=3, grayscale=True)
        picture = grey(bytes(page.buffer), page.width, page.height, page.stride)
    [read] = zxingcpp.read_barcodes(picture)
    assert Label.parse(read.text) == LABEL


def test_the_png_is_the_same_code(tmp_path: Path) -> None:
    png, _ = LABEL.write(tmp_path / "labels")
    # A PNG of ours is one bit a dot; segno gives its matrix, and zxing-cpp reads that.
    code = segno.make_qr(LABEL.text(), error="m")
    code.save(str(tmp_path / "again.png"), scale=8)
    assert png.read_bytes() == (tmp_path / "again.png").read_bytes()
    dots = [list(row) for row in code.matrix_iter(scale=8, border=4)]
    raw = bytes(0 if dot else 255 for row in dots for dot in row)
    [read] = zxingcpp.read_barcodes(grey(raw, len(dots), len(dots), len(dots)))
    assert Label.parse(read.text) == LABEL


def test_a_label_is_for_its_owner_alone(tmp_path: Path) -> None:
    for path in LABEL.write(tmp_path / "labels"):
        assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "labels").stat().st_mode & 0o777 == 0o700


def test_it_is_what_a_qr_code_packs_best_and_shift_does_not_matter() -> None:
    assert re.fullmatch(r"VB1:[A-Z2-7]+", LABEL.text())
    assert segno.make_qr(LABEL.text()).mode == "alphanumeric"
    assert Label.parse(LABEL.text().lower() + "\r\n") == LABEL


def test_a_scanner_that_types_for_another_keyboard_is_refused() -> None:
    text = LABEL.text().lower().translate(str.maketrans("aqzwm", "qawz,"))
    with pytest.raises(UsageError, match="another keyboard"):
        Label.parse(text)


def test_it_shows_its_key_nowhere() -> None:
    assert "key" not in repr(LABEL)


@given(st.integers(0, len(LABEL.text()) - 1), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_one_wrong_sign_is_no_label_or_this_one(at: int, sign: str) -> None:
    text = LABEL.text()
    spoilt = text[:at] + sign + text[at + 1 :]
    if spoilt == text:
        return
    # The last signs carry spare bits, which may differ.
    with contextlib.suppress(UsageError):
        assert Label.parse(spoilt) == LABEL


@pytest.mark.parametrize("text", ["", "VB1:", "VB2:" + "A" * 39, "VB1:é", "x" * 5000, "VB1:====="])
def test_no_label_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not the label"):
        Label.parse(text)
