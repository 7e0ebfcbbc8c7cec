"""A frozen build is laid out whole, and a device that has it is known by its mark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.bench_board import BenchBoard
from tests.workshop.rig import BOARD, Person, do, order
from vigibip.base.errors import UsageError
from vigibip.workshop import boards, frozen
from vigibip.workshop.errors import Cause, StepError
from vigibip.workshop.firmware_files import Role, sources
from vigibip.workshop.line import Line


@pytest.mark.parametrize("role", ["bip", "receiver"])
def test_what_is_laid_out_is_the_firmware_and_its_mark(role: Role, tmp_path: Path) -> None:
    folder = tmp_path / "frozen"
    commands = frozen.prepare(role, BOARD, folder)
    laid_out = {
        str(path.relative_to(folder / "modules")): path.read_bytes()
        for path in (folder / "modules").rglob("*.py")
    }
    mark = laid_out.pop("frozen_mark.py").decode()
    files = sources(role, BOARD)
    assert laid_out == {name: path.read_bytes() for name, path in files.items()}
    assert mark == f'DIGEST = "{frozen.digest(files)}"\n'
    called: list[tuple[str, str]] = []
    manifest = (folder / "manifest.py").read_text()
    exec(  # as MicroPython's build does
        manifest,
        {
            "include": lambda path: called.append(("include", path)),
            "freeze": lambda path: called.append(("freeze", path)),
        },
    )
    assert called == [
        ("include", "$(PORT_DIR)/boards/manifest.py"),
        ("freeze", str((folder / "modules").resolve())),
    ]
    assert str((folder / "manifest.py").resolve()) in "\n".join(commands)
    assert re.search(rf"scripts/flash {role} .*--image", commands[-1])


def test_prepared_again_it_holds_what_is_there_now(tmp_path: Path) -> None:
    folder = tmp_path / "frozen"
    frozen.prepare("bip", BOARD, folder)
    (folder / "modules" / "gone.py").touch()
    frozen.prepare("receiver", BOARD, folder)
    assert not (folder / "modules" / "gone.py").exists()
    assert not (folder / "modules" / "sender.py").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="something else"):
        frozen.prepare("bip", BOARD, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_every_board_can_be_frozen(tmp_path: Path) -> None:
    for board in boards.names():
        frozen.prepare("bip", board, tmp_path / board)


def test_a_device_with_the_mark_needs_no_files(board: BenchBoard, person: Person) -> None:
    """The interpreter here is not frozen anew: the mark lies on the flash, and the modules too."""
    do(order(board, self_test=False), person)
    line = Line.open(str(board.port), patience_s=20)
    mark = f'DIGEST = "{frozen.digest(sources("bip", BOARD))}"\n'.encode()
    line.write("frozen_mark.py", mark, lambda _: None)
    line.close()
    # What lies on the flash would hide what is frozen: all of it goes. Here nothing is left then.
    with pytest.raises(StepError) as failed:
        do(order(board, self_test=False), person)
    assert failed.value.cause is Cause.PROGRAM_FELL
    line = Line.open(str(board.port), patience_s=20)
    assert set(line.hashes()) == {"frozen_mark.py"}
    line.write("frozen_mark.py", b'DIGEST = "another"', lambda _: None)
    line.close()
    with pytest.raises(StepError) as failed:
        do(order(board, self_test=False), person)
    assert failed.value.cause is Cause.FROZEN_OTHER
