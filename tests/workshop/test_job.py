"""One device through its whole job: the real mpremote, mpy-cross and MicroPython."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.support.bench_board import BenchBoard
from tests.workshop.rig import Box, Person, do, order
from vigibip.wire import frame
from vigibip.workshop import identity
from vigibip.workshop.errors import Cause, StepError
from vigibip.workshop.firmware_files import FIRMWARE
from vigibip.workshop.line import Line
from vigibip.workshop.words import Step


def identity_on(board: BenchBoard) -> identity.Identity | None:
    line = Line.open(str(board.port), patience_s=60)
    try:
        return identity.read(line)
    finally:
        line.close()


def files_on(board: BenchBoard) -> dict[str, str]:
    line = Line.open(str(board.port), patience_s=60)
    try:
        return line.hashes()
    finally:
        line.close()


def test_a_bare_board_becomes_a_paired_bip(board: BenchBoard, person: Person, box: Box) -> None:
    done = do(order(board, pairing=box, name="Boulangerie Le Fournil"), person)
    assert done.identity_made
    assert done.paired == "new"
    assert done.heard
    assert done.measured["battery"]["mv"] == board.battery_mv
    assert done.measured["button"]["held_ms"] is not None
    assert done.measured["radio"]["channels"] == list(range(1, 14))
    assert board.motor_edges == 6
    assert board.resets == 1
    [(device_id, key)] = box.keys.items()
    assert f"{device_id:08x}" == done.bip
    assert box.names == {device_id: "Boulangerie Le Fournil"}
    assert identity_on(board) == identity.Identity(device_id, key)
    assert {"main.py", "boot.py", "board.mpy", "wake.mpy", "wire/frame.mpy"} <= set(files_on(board))
    assert person.steps[-2:] == [Step.START, Step.HEARD]
    assert max(person.parts) == 1.0


def test_run_again_it_copies_nothing_and_stays_who_it_is(
    board: BenchBoard, person: Person, box: Box
) -> None:
    first = do(order(board, pairing=box), person)
    before = board.nvs()
    again = do(order(board, pairing=box), person)
    assert again.bip == first.bip
    assert not again.identity_made
    assert again.paired == "already"
    assert again.copied == again.removed == ()
    assert again.same == len(first.copied)
    assert board.nvs() == before
    assert len(box.keys) == 1


def test_only_what_differs_is_copied_and_what_would_hide_it_goes(
    board: BenchBoard, person: Person
) -> None:
    do(order(board, self_test=False), person)
    line = Line.open(str(board.port), patience_s=60)
    line.write("feel.mpy", b"torn", lambda _: None)
    line.write("wake.py", b"raise SystemExit", lambda _: None)
    line.write("notes.txt", b"mine", lambda _: None)
    line.close()
    again = do(order(board, self_test=False), person)
    # main.py goes first and comes back last: no start in between runs a mixture.
    assert again.copied == ("feel.mpy", "main.py")
    assert again.removed == ("wake.py",)
    assert "notes.txt" in files_on(board)


def test_a_bip_is_not_made_another_unless_told(board: BenchBoard, person: Person, box: Box) -> None:
    first = do(order(board, pairing=box), person)
    assert first.bip is not None
    made = do(order(board, pairing=box, new_identity=True), person)
    assert made.bip != first.bip
    assert made.revoked == first.bip
    assert box.revoked == {int(first.bip, 16)}
    who = identity_on(board)
    assert who is not None
    assert f"{who.device_id:08x}" == made.bip
    assert box.keys[who.device_id] == who.key
    assert len(set(box.keys.values())) == 2


def test_a_bip_of_this_sitting_stays_who_it_is(board: BenchBoard, person: Person) -> None:
    first = do(order(board, self_test=False), person)
    made_here = frozenset({int(first.bip or "", 16)})
    again = do(order(board, self_test=False, new_identity=True, made_here=made_here), person)
    assert again.bip == first.bip


@pytest.mark.parametrize("kind", ["revoked", "other-key"])
def test_a_bip_that_its_box_does_not_want_is_told(
    board: BenchBoard, person: Person, box: Box, kind: str
) -> None:
    done = do(order(board, pairing=box), person)
    device_id = int(done.bip or "", 16)
    if kind == "revoked":
        box.revoke(device_id)
    else:
        box.keys[device_id] = bytes(16)
    with pytest.raises(StepError) as failed:
        do(order(board, pairing=box), person)
    assert failed.value.cause == Cause(kind)


def test_a_bip_that_lives_with_another_box_is_not_taken_from_it(
    board: BenchBoard, person: Person, box: Box, tmp_path: Path
) -> None:
    first = do(order(board, pairing=box, self_test=False), person)
    # What it keeps once a box has answered it.
    line = Line.open(str(board.port), patience_s=20)
    line.ask(
        "import esp32, storage\nn = esp32.NVS(storage.NAMESPACE)\n"
        "s = storage.Storage(n, type('R', (), {'memory': lambda *_: b''})(), lambda: 0)\n"
        "s.save_link(11, bytes(6))\nprint('true')"
    )
    line.close()
    assert do(order(board, pairing=box, self_test=False), person).paired == "already"
    other = Box()
    with pytest.raises(StepError) as failed:
        do(order(board, pairing=other, self_test=False), person)
    assert failed.value.cause is Cause.ELSEWHERE
    assert other.keys == {}
    # Nor does a label give its key away; its files can be brought up to date all the same.
    done = do(order(board, self_test=False, label_folder=tmp_path / "labels"), person)
    assert done.bip == first.bip
    assert done.labels == ()
    made = do(order(board, pairing=other, self_test=False, new_identity=True), person)
    assert made.bip != first.bip


def test_a_bip_that_its_box_does_not_hear_is_told(
    board: BenchBoard, person: Person, box: Box
) -> None:
    box.hears = False
    with pytest.raises(StepError) as failed:
        do(order(board, pairing=box), person)
    assert failed.value.cause is Cause.NOT_HEARD
    box.hears = True
    again = do(order(board, pairing=box), person)
    assert again.paired == "already"
    assert len(box.keys) == 1


def test_a_bip_that_runs_is_interrupted_and_goes_on_afterwards(
    board: BenchBoard, person: Person, box: Box
) -> None:
    do(order(board, pairing=box), person)
    assert board.runs
    again = do(order(board, pairing=box), person)
    assert again.copied == ()


def test_a_bip_that_sleeps_is_reached_by_its_reset_button(
    board: BenchBoard, person: Person
) -> None:
    board.sleeps = True
    first = do(order(board, self_test=False), person)
    board.wait_asleep()
    again = do(order(board, self_test=False), person)
    assert again.bip == first.bip
    assert not again.identity_made


def test_its_first_status_is_sealed_with_the_key_that_the_box_has(
    board: BenchBoard, person: Person, box: Box
) -> None:
    done = do(order(board, pairing=box, self_test=False), person)
    [key] = box.keys.values()
    sealed = board.wait_sent()
    cipher = Cipher(algorithms.AES(key), modes.ECB()).encryptor().update
    kind, device_id, _, payload = frame.open_frame(cipher, sealed, frame.FROM_BIP)
    assert kind == frame.STATUS
    assert f"{device_id:08x}" == done.bip
    assert frame.unpack_status(payload)


def test_a_receiver_gets_its_files_and_no_identity(board: BenchBoard, person: Person) -> None:
    done = do(order(board, role="receiver"), person)
    assert done.bip is None
    assert {"main.py", "bridge.mpy", "wire/serial.mpy"} <= set(done.copied)
    assert board.nvs() == {}
    assert board.resets == 1


def test_what_is_flashed_runs_and_no_update_of_before(board: BenchBoard, person: Person) -> None:
    do(order(board, self_test=False), person)
    about = "import json, esp32, slots\npair, record = slots.opened(esp32.NVS(slots.NAMESPACE))\n"
    update = "record[slots.CURRENT] = 1\nrecord[slots.FLOOR_AT] = 7\npair.save(record)\n"
    tell = "print(json.dumps([record[slots.CURRENT], record[slots.FLOOR_AT]]))"
    line = Line.open(str(board.port), patience_s=20)
    assert line.ask(about + update + tell) == [1, 7]
    line.close()
    do(order(board, self_test=False), person)
    line = Line.open(str(board.port), patience_s=20)
    assert line.ask(about + tell) == [1, 7], "nothing was flashed, so its update stays"
    line.write("feel.mpy", b"an older one", lambda _: None)
    line.close()
    do(order(board, self_test=False), person)
    line = Line.open(str(board.port), patience_s=20)
    assert line.ask(about + tell) == [0, 7]
    line.close()


def test_all_that_a_bip_keeps_under_its_identity_is_erased() -> None:
    """Names stand as literals in the firmware: Pair(nvs, "open"), set_blob("link", ...)."""
    source = (FIRMWARE / "bip" / "storage.py").read_text()
    names = set(re.findall(r'_blob\((?:self\._nvs, )?"(\w+)"', source))
    names |= {pair + slot for pair in re.findall(r'Pair\(nvs, "(\w+)"\)', source) for slot in "01"}
    names |= set(re.findall(r'"(\w+)": guard\(', source))
    assert names
    assert names <= set(identity.NVS_KEYS)


def test_no_key_is_shown_or_left_on_this_computer(
    board: BenchBoard, person: Person, box: Box, caplog: pytest.LogCaptureFixture, capfd
) -> None:
    caplog.set_level("DEBUG")
    done = do(order(board, pairing=box), person)
    [key] = box.keys.values()
    out, err = capfd.readouterr()
    said = caplog.text + out + err + repr(done) + repr(identity_on(board))
    for form in (key.hex(), repr(key), repr(key)[2:-1]):
        assert form not in said


@pytest.mark.parametrize(
    ("cause", "spoil"),
    [
        (Cause.BATTERY_LOW, lambda board, person: setattr(board, "battery_mv", 3300)),
        (Cause.BATTERY_ABSENT, lambda board, person: setattr(board, "battery_mv", 40)),
        (Cause.BUTTON_STUCK, lambda board, person: board.press()),
        (Cause.MOTOR_NOT_FELT, lambda board, person: setattr(person, "feels", False)),
    ],
)
def test_a_part_that_does_not_work_is_named_and_the_bip_is_not_paired(
    board: BenchBoard, person: Person, box: Box, cause: Cause, spoil
) -> None:
    spoil(board, person)
    with pytest.raises(StepError) as failed:
        do(order(board, pairing=box), person)
    assert failed.value.cause is cause
    assert box.keys == {}
