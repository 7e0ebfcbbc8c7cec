"""The installer's commands, as processes with a person's answers, and a real box's store."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pypdfium2
import pytest
import zxingcpp

from tests.support.bench_board import BenchBoard
from vigibip.box.config import BoxSettings
from vigibip.box.store import one_transaction, records
from vigibip.cli.workshop_box import BoxPairing
from vigibip.workshop import words
from vigibip.workshop.errors import Cause
from vigibip.workshop.label import Label
from vigibip.workshop.pairing import Known

_DEADLINE_S = 120


def vigibip(*words: str, answers: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vigibip", *words],
        input=answers,
        text=True,
        capture_output=True,
        timeout=_DEADLINE_S,
        env=os.environ | {"COLUMNS": "200"} | environment,
        check=False,
    )


def flash(board: BenchBoard, *options: str, answers: str = "") -> subprocess.CompletedProcess[str]:
    port = ("--port", str(board.port), "--board", "esp32_c3")
    return vigibip("workshop", "flash", "bip", *port, *options, answers=answers)


@pytest.fixture
def settings(tmp_path: Path) -> BoxSettings:
    (tmp_path / "box").mkdir()
    path = tmp_path / "box.toml"
    path.write_text(f'data_dir = "{tmp_path / "box"}"\nreceiver_port = "{tmp_path / "tty"}"\n')
    return BoxSettings(data_dir=tmp_path / "box", receiver_port=str(tmp_path / "tty"))


def paired(settings: BoxSettings) -> tuple[records.DeviceRecord, ...]:
    with one_transaction(settings.store_path) as connection:
        return records.read_devices(connection)


def test_a_bip_is_paired_with_the_box_of_this_machine(
    board: BenchBoard, settings: BoxSettings, tmp_path: Path
) -> None:
    box = ("--box-config", str(tmp_path / "box.toml"), "--name", "Boulangerie Le Fournil")
    done = flash(board, *box, "--json", "--no-self-test")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    [device] = paired(settings)
    assert told["bip"] == f"{device.device_id:08x}"
    assert told["paired"] == "new"
    assert device.name == "Boulangerie Le Fournil"
    assert device.key.hex() not in done.stdout + done.stderr
    again = flash(board, *box, "--json", "--no-self-test")
    assert json.loads(again.stdout)["paired"] == "already"
    assert len(paired(settings)) == 1


def test_without_a_box_there_is_a_label_that_the_box_takes(
    board: BenchBoard, settings: BoxSettings, tmp_path: Path
) -> None:
    done = flash(board, "--label", str(tmp_path / "labels"), "--no-self-test")
    assert done.returncode == 0, done.stderr
    assert re.search(r"Fait\u00a0: bip [0-9a-f]{8}\.", done.stdout)
    [pdf] = (tmp_path / "labels").glob("*.pdf")
    with pypdfium2.PdfDocument(pdf) as document:
        page = document[0].render(scale=3, grayscale=True)
        rows = bytes(page.buffer)
        picture = memoryview(rows).cast("B", (page.height, page.stride))
    [read] = zxingcpp.read_barcodes(picture)
    assert read.text not in done.stdout + done.stderr
    config = ("--config", str(tmp_path / "box.toml"))
    told = vigibip("box", "pair", "--label", "--name", "Caisse", *config, answers=read.text + "\n")
    assert told.returncode == 0, told.stderr
    [device] = paired(settings)
    assert Label(device.device_id, device.key) == Label.parse(read.text)
    assert device.key.hex() not in told.stdout + told.stderr


def test_what_fails_is_told_plainly_in_both_languages(board: BenchBoard, tmp_path: Path) -> None:
    label = ("--label", str(tmp_path / "labels"))
    board.battery_mv = 3300
    for language, todo in (("fr", "chargez-la"), ("en", "charge it")):
        done = flash(board, *label, "--lang", language)
        assert done.returncode == 1
        assert todo in done.stderr
        assert "3300 mV" in done.stderr
        assert done.stdout == ""
    assert not (tmp_path / "labels").exists()


def test_a_person_who_says_no_is_believed(board: BenchBoard, tmp_path: Path) -> None:
    done = flash(board, "--label", str(tmp_path / "labels"), answers="n\n")
    assert done.returncode == 1
    assert "le moteur n’a pas été senti" in done.stderr


def said_until(bench: subprocess.Popen[str], text: str) -> str:
    assert bench.stderr is not None
    said = ""
    while text not in said:
        sign = bench.stderr.read(1)
        assert sign, said
        said += sign
    return said


def test_a_person_is_led_through_the_self_test(board: BenchBoard, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vigibip", "workshop", "flash", "bip", "--json"]
    command += ["--port", str(board.port), "--board", "esp32_c3", "--label", str(tmp_path / "l")]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
    ) as bench:
        assert bench.stdin is not None
        said_until(bench, "il vibre trois fois.")
        said_until(bench, "L’avez-vous senti")
        assert board.motor_edges == 6
        bench.stdin.write("o\n")
        bench.stdin.flush()
        said_until(bench, "Appuyez une fois")
        board.tap(True)
        told, _ = bench.communicate(timeout=_DEADLINE_S)
        assert bench.returncode == 0
    assert json.loads(told)["measured"]["button"]["held_ms"] is not None


@pytest.fixture
def second_board(tmp_path: Path) -> Iterator[BenchBoard]:
    found = BenchBoard(tmp_path / "second")
    yield found
    found.close()


@pytest.mark.slow
def test_one_bip_after_another_and_the_same_one_not_twice(
    board: BenchBoard, second_board: BenchBoard, tmp_path: Path
) -> None:
    # The second is found behind the path of the first.
    command = [sys.executable, "-m", "vigibip", "workshop", "flash", "bip", "--count", "2"]
    command += ["--port", str(board.port), "--board", "esp32_c3", "--no-self-test", "--json"]
    command += ["--label", str(tmp_path / "labels"), "--lang", "en", "--new-identity"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
    ) as bench:
        assert bench.stdin is not None
        assert bench.stdout is not None
        bench.stdin.write("\n")
        bench.stdin.flush()
        first = json.loads(bench.stdout.readline())
        # The first again, by mistake; then the second.
        board.wait_reset(1)
        bench.stdin.write("\n")
        bench.stdin.flush()
        board.wait_reset(2)
        board.pull()
        second_board.plug()
        board.port.symlink_to(second_board.port)
        bench.stdin.write("\n")
        bench.stdin.flush()
        second = json.loads(bench.stdout.readline())
        _, said = bench.communicate(timeout=_DEADLINE_S)
        assert bench.returncode == 0
    assert second["bip"] != first["bip"]
    assert "done already" in said
    assert len(list((tmp_path / "labels").glob("*.png"))) == 2


def test_an_image_that_nobody_vouches_for_is_not_written(tmp_path: Path) -> None:
    image = tmp_path / "x.bin"
    image.write_bytes(b"\xe9" * 100_000)
    done = vigibip("workshop", "flash", "bip", "--port", "/dev/null", "--image", str(image))
    assert done.returncode == 2
    assert "SHA-256" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("bap",),
        ("bip", "--board", "esp8266"),
        ("bip", "--lang", "de"),
        ("bip", "--erase"),
        ("receiver", "--count", "3"),
        ("receiver", "--new-identity"),
        ("bip", "--frozen", "somewhere"),
    ],
)
def test_what_makes_no_sense_is_refused(words: tuple[str, ...]) -> None:
    assert vigibip("workshop", "flash", *words).returncode == 2


def test_pairing_tells_what_the_box_knows(settings: BoxSettings) -> None:
    pairing = BoxPairing(settings)
    assert pairing.channel == 6
    assert pairing.known(7, bytes(16)) is Known.NO
    pairing.revoke(7)
    pairing.pair(7, "Caisse", bytes(16))
    assert pairing.known(7, bytes(16)) is Known.PAIRED
    assert pairing.known(7, bytes([1] * 16)) is Known.OTHER_KEY
    assert pairing.heard(7) is None
    pairing.revoke(7)
    pairing.revoke(7)
    assert pairing.known(7, bytes(16)) is Known.REVOKED


def test_every_cause_step_and_question_has_its_words() -> None:
    assert set(words.CAUSES) == set(Cause)
    assert set(words.STEPS) == set(words.Step)
    assert set(words.QUESTIONS) == set(words.Question)
    said = {text for both in words.CAUSES.values() for text in both} | set(words.STEPS.values())
    for text in said:
        assert words.say("en", text) == text
        assert words.say("fr", text) != text
