"""Ports, chips, old MicroPythons, full flashes, and when an image is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from serial.tools import list_ports

from tests.support.bench_board import BenchBoard
from tests.workshop.rig import Box, Person, do, order
from vigibip.base.errors import StorageError
from vigibip.workshop import boards, job, ports
from vigibip.workshop.errors import Cause, StepError
from vigibip.workshop.image import Image
from vigibip.workshop.line import Line


@pytest.mark.parametrize(
    ("plugged", "found"),
    [
        ([("/dev/ttyACM0", 0x303A)], "/dev/ttyACM0"),
        ([("/dev/ttyS0", None), ("/dev/ttyUSB1", 0x1A86)], "/dev/ttyUSB1"),
        ([("/dev/ttyS0", None), ("/dev/ttyACM3", 0x2341)], Cause.NO_PORT),
        ([], Cause.NO_PORT),
        ([("/dev/ttyACM0", 0x303A), ("/dev/ttyUSB0", 0x10C4)], Cause.MANY_PORTS),
    ],
)
def test_the_port_is_the_one_where_an_esp32_may_be(
    monkeypatch: pytest.MonkeyPatch, plugged: list[tuple[str, int | None]], found: str | Cause
) -> None:
    answer = [SimpleNamespace(device=device, vid=vid) for device, vid in plugged]
    monkeypatch.setattr(list_ports, "comports", lambda: answer)
    if not isinstance(found, Cause):
        assert ports.find() == found
        return
    with pytest.raises(StepError) as failed:
        ports.find()
    assert failed.value.cause is found


def test_the_receiver_at_work_is_not_taken_for_the_bip(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("ttyACM0", "ttyACM1"):
        (tmp_path / name).touch()
    # As a box's configuration names it: by a link that lasts.
    (tmp_path / "by-id").symlink_to(tmp_path / "ttyACM0")
    plugged = [SimpleNamespace(device=str(tmp_path / f"ttyACM{n}"), vid=0x303A) for n in (0, 1)]
    monkeypatch.setattr(list_ports, "comports", lambda: plugged)
    assert ports.find(str(tmp_path / "by-id")) == str(tmp_path / "ttyACM1")


@pytest.mark.parametrize(
    ("said", "chip"),
    [
        ("ESP32C3 module with ESP32C3", "esp32c3"),
        ("Generic ESP32S3 module with Octal-SPIRAM with ESP32S3", "esp32s3"),
        ("ESP32-C3 (QFN32) (revision v0.4)", "esp32c3"),
        ("ESP32-S3 (QFN56) (revision v0.2)", "esp32s3"),
        ("ESP32-D0WD-V3 (revision v3.1)", "esp32"),
        ("Raspberry Pi Pico W with RP2040", None),
        ("linux [GCC 14.2.1] version", None),
    ],
)
def test_a_chip_is_known_by_what_it_says(said: str, chip: str | None) -> None:
    assert boards.chip_in(said) == chip


def test_the_generic_board_is_taken_and_another_chips_board_is_not() -> None:
    assert boards.board_for("esp32c3", None) == "esp32_c3"
    assert boards.board_for("esp32c3", "xiao_c3") == "xiao_c3"
    assert boards.board_for(None, "esp32_s3") == "esp32_s3"
    for chip, asked, cause in (
        ("esp32", None, Cause.CHIP_UNKNOWN),
        (None, None, Cause.CHIP_UNKNOWN),
        ("esp32s3", "xiao_c3", Cause.WRONG_CHIP),
    ):
        with pytest.raises(StepError) as failed:
            boards.board_for(chip, asked)
        assert failed.value.cause is cause


def test_every_board_of_the_firmware_has_its_chip() -> None:
    for name in boards.names():
        with pytest.raises(StepError):
            boards.board_for("esp32", name)


def test_a_micropython_that_is_too_old_is_refused_before_anything_is_written(
    board: BenchBoard, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The interpreter cannot be made older, but what is asked for can be made newer.
    monkeypatch.setattr(job, "OLDEST_MICROPYTHON", (99, 0))
    with pytest.raises(StepError) as failed:
        do(order(board), person)
    assert failed.value.cause is Cause.OLD_MICROPYTHON
    line = Line.open(str(board.port), patience_s=20)
    assert line.hashes() == {}
    line.close()


def test_a_full_flash_is_told_as_one(tmp_path: Path) -> None:
    small = BenchBoard(tmp_path / "small", flash_bytes=48 * 1024)
    small.plug()
    try:
        with pytest.raises(StepError) as failed:
            do(order(small, self_test=False), Person(small))
        assert failed.value.cause is Cause.NO_ROOM
    finally:
        small.close()


def test_a_port_that_is_not_there_is_told(board: BenchBoard, tmp_path: Path) -> None:
    with pytest.raises(StepError) as failed:
        Line.open(str(tmp_path / "nothing"), patience_s=20)
    assert failed.value.cause is Cause.NO_ANSWER


# ---- when an image is written


class Flashes:
    """Stands in for esptool, which has its own tests, where only what it is asked counts."""

    def __init__(self, at: Callable[[], None] = lambda: None) -> None:
        self._at = at
        self.asked: list[dict[str, bool]] = []

    def write(self, image: Image, *, new_identity: bool, erase: bool, progress: Any) -> bool:
        self._at()
        self.asked.append({"new_identity": new_identity, "erase": erase})
        return True


IMAGE = Image("esp32c3", b"")


def test_a_receiver_that_runs_is_erased_and_one_that_answers_is_not(
    board: BenchBoard, person: Person
) -> None:
    flashes = Flashes()
    do(order(board, role="receiver", image=IMAGE), person, flashes)
    assert flashes.asked == [{"new_identity": False, "erase": False}]
    board.pull()
    with pytest.raises(StepError):
        do(order(board, role="receiver", image=IMAGE), person, flashes)
    assert flashes.asked[1] == {"new_identity": False, "erase": True}


def test_an_old_identity_is_retired_before_an_image_may_erase_it(
    board: BenchBoard, person: Person, box: Box
) -> None:
    first = do(order(board, pairing=box, self_test=False), person)
    at_writing: list[set[int]] = []
    flashes = Flashes(lambda: at_writing.append(set(box.revoked)))
    do(order(board, pairing=box, self_test=False, image=IMAGE, new_identity=True), person, flashes)
    assert at_writing == [{int(first.bip or "", 16)}]


def test_what_the_box_does_not_revoke_is_not_erased(
    board: BenchBoard, person: Person, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    do(order(board, pairing=box, self_test=False), person)

    def refuse(device_id: int) -> None:
        raise StorageError("the box's disk is full")

    monkeypatch.setattr(box, "revoke", refuse)
    flashes = Flashes()
    with pytest.raises(StepError) as failed:
        do(order(board, pairing=box, image=IMAGE, new_identity=True), person, flashes)
    assert failed.value.cause is Cause.PAIRING
    assert flashes.asked == []


def test_an_image_alone_retires_nobody(board: BenchBoard, person: Person, box: Box) -> None:
    first = do(order(board, pairing=box, self_test=False), person)
    again = do(order(board, pairing=box, self_test=False, image=IMAGE), person, Flashes())
    assert again.bip == first.bip
    assert again.image_written
    assert box.revoked == set()
