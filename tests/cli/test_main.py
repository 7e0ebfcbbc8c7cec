"""The root of the commands: routing, exit codes, errors, and what it does not load."""

import subprocess
import sys
import types

import pytest
import typer

from vigibip.base.errors import ConfigurationError, PeerError, UsageError, VigibipError
from vigibip.cli.main import ROOMS, main


@pytest.fixture
def box_that_raises(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """Stand a `vigibip box run` in that raises what the test puts into the list."""
    errors: list[BaseException] = []
    app = typer.Typer()

    @app.callback()
    def box() -> None: ...

    @app.command()
    def run() -> None:
        if errors:
            raise errors[0]

    module = types.ModuleType("vigibip.cli.box")
    module.app = app  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vigibip.cli.box", module)
    return errors


def test_a_command_that_works_exits_0(box_that_raises: list[BaseException]) -> None:
    assert main(["box", "run"]) == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("box.toml", [("plan.a", "no"), ("data_dir", "bad")]), 2),
        (UsageError("no such device"), 2),
        (PeerError("the post is gone"), 1),
        (VigibipError("it failed"), 1),
        (KeyboardInterrupt(), 130),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_expected_error_is_told_without_a_traceback(
    error: BaseException,
    code: int,
    box_that_raises: list[BaseException],
    capsys: pytest.CaptureFixture[str],
) -> None:
    box_that_raises.append(error)
    assert main(["box", "run"]) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert "Traceback" not in told.err
    assert str(error) in told.err


def test_an_unexpected_error_keeps_its_traceback(box_that_raises: list[BaseException]) -> None:
    box_that_raises.append(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main(["box", "run"])


@pytest.mark.parametrize("words", [["nope"], ["box", "nope"], ["--nope"], ["box"], []])
def test_a_wrong_command_exits_2(
    words: list[str], box_that_raises: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2


def test_help_names_every_room_and_loads_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    for room in ROOMS:
        assert f"  {room} " in told


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("vigibip 0.")


HEAVY = ("alembic", "fastapi", "playwright", "rich", "sqlalchemy", "starlette", "uvicorn")


@pytest.mark.parametrize("words", [["--help"], ["box", "--help"]], ids=" ".join)
def test_a_box_does_not_load_what_is_the_post_s(words: list[str]) -> None:
    """80 MB are all it may take; the post's stack is half of that."""
    ask = (
        "import sys; from vigibip.cli.main import main; main(sys.argv[1:]);"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", ask, *words], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "command", [["flash", "bip"], ["image", "build", "bip", "--edition", "1", "-o", "bip.img"]]
)
def test_a_workshop_without_its_tools_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    monkeypatch.setattr("vigibip.cli.workshop_images.find_spec", lambda name: None)
    assert main(["workshop", *command]) == 2
    assert "scripts/flash" in capsys.readouterr().err
