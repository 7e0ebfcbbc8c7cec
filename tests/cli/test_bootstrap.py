"""From a bare checkout to an environment: what is done once, again, and not at all."""

import os
import platform
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from vigibip.cli import bootstrap

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def installs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A checkout with both locks and a pip that only notes what it was asked for."""
    asked: list[str] = []
    (tmp_path / ".venv").mkdir()
    for lock in (bootstrap.RUN_LOCK, bootstrap.TEST_LOCK, bootstrap.STUBS_LOCK):
        (tmp_path / lock).write_text("one==1\n")
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "STUBS", tmp_path / ".venv" / "stubs")
    monkeypatch.setattr(bootstrap, "make_venv", lambda: None)
    monkeypatch.setattr(bootstrap, "link_checkout", lambda: None)

    def install(lock: Path, *, first_time: bool, target: Path | None = None) -> None:
        asked.append(lock.name)
        if target is not None:
            target.mkdir(exist_ok=True)

    monkeypatch.setattr(bootstrap, "install", install)
    return asked


def test_the_second_time_nothing_is_installed(installs: list[str]) -> None:
    bootstrap.prepare(bootstrap.RUN_LOCK)
    bootstrap.prepare(bootstrap.RUN_LOCK)
    assert installs == [bootstrap.RUN_LOCK]


def test_a_changed_lock_is_installed(installs: list[str]) -> None:
    bootstrap.prepare(bootstrap.RUN_LOCK)
    (bootstrap.ROOT / bootstrap.RUN_LOCK).write_text("one==2\n")
    bootstrap.prepare(bootstrap.RUN_LOCK)
    assert installs == [bootstrap.RUN_LOCK] * 2


def test_the_tests_environment_serves_the_demo_but_not_the_reverse(installs: list[str]) -> None:
    bootstrap.prepare(bootstrap.TEST_LOCK)
    bootstrap.prepare(bootstrap.RUN_LOCK)
    assert installs == [bootstrap.TEST_LOCK]
    (bootstrap.ROOT / bootstrap.TEST_LOCK).write_text("one==2\n")
    bootstrap.prepare(bootstrap.RUN_LOCK)
    bootstrap.prepare(bootstrap.TEST_LOCK)
    assert installs == [bootstrap.TEST_LOCK, bootstrap.RUN_LOCK, bootstrap.TEST_LOCK]


def test_an_interrupted_installation_is_taken_up_again(
    installs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = bootstrap.install

    def interrupted(lock: Path, *, first_time: bool, target: Path | None = None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bootstrap, "install", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bootstrap.prepare(bootstrap.RUN_LOCK)
    monkeypatch.setattr(bootstrap, "install", finished)
    bootstrap.prepare(bootstrap.RUN_LOCK)
    assert installs == [bootstrap.RUN_LOCK]


def test_two_commands_at_once_install_once(
    installs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, go_on = threading.Event(), threading.Event()
    finished = bootstrap.install

    def slow(lock: Path, *, first_time: bool, target: Path | None = None) -> None:
        inside.set()
        assert go_on.wait(timeout=30)
        finished(lock, first_time=first_time, target=target)

    monkeypatch.setattr(bootstrap, "install", slow)
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        go_on.set()  # the second one has found the lock taken

    monkeypatch.setattr(bootstrap, "say", say)
    first = threading.Thread(target=bootstrap.prepare, args=(bootstrap.RUN_LOCK,))
    first.start()
    assert inside.wait(timeout=30)
    bootstrap.prepare(bootstrap.RUN_LOCK)
    first.join(timeout=30)
    assert installs == [bootstrap.RUN_LOCK]
    assert "waiting" in said[0]


def test_stubs_are_installed_once(installs: list[str]) -> None:
    assert bootstrap.prepare_stubs() == bootstrap.prepare_stubs()
    assert installs == [bootstrap.STUBS_LOCK]


@pytest.mark.parametrize("command", ["demo", "bench"])
def test_where_the_interpreter_has_no_wheel_the_town_says_so(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(SystemExit) as end:
        bootstrap.main([command, "--once"])
    assert end.value.code == 2
    told = capsys.readouterr()
    assert "aarch64" in told.err
    assert "MicroPython" in told.err
    assert told.out == ""


def test_an_old_python_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    with pytest.raises(SystemExit) as end:
        bootstrap.main(["demo"])
    assert end.value.code == 2
    assert "3.11 or newer is needed, this is 3.9" in capsys.readouterr().err


def test_a_missing_lock_is_told(installs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    (bootstrap.ROOT / bootstrap.RUN_LOCK).unlink()
    with pytest.raises(SystemExit) as end:
        bootstrap.prepare(bootstrap.RUN_LOCK)
    assert end.value.code == 2
    assert bootstrap.RUN_LOCK in capsys.readouterr().err


def test_without_venv_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "PYTHON", tmp_path / "none")
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as end:
        bootstrap.make_venv()
    assert end.value.code == 2
    assert "apt install python3-venv" in capsys.readouterr().err


def test_a_failed_installation_shows_pip_s_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "PYTHON", Path(sys.executable))
    lock = tmp_path / "requirements.lock"
    lock.write_text("no-such-thing @ file:///nonexistent/no-such-thing.whl --hash=sha256:00\n")
    with pytest.raises(SystemExit) as end:
        bootstrap.install(lock, first_time=True)
    assert end.value.code == 2
    told = capsys.readouterr().err
    assert "ERROR" in told
    assert "run the same command again" in told


@pytest.mark.parametrize("script", ["demo", "test", "check", "bench", "lock"])
def test_scripts_work_from_any_directory(script: str, tmp_path: Path) -> None:
    """A python3 that only tells its arguments shows what the script would start."""
    teller = tmp_path / "python3"
    teller.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    teller.chmod(0o755)
    done = subprocess.run(
        [ROOT / "scripts" / script, "a b", "--json"],
        cwd="/",
        env=os.environ | {"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    bootstrap_file, *arguments = done.stdout.splitlines()
    assert Path(bootstrap_file).resolve() == Path(bootstrap.__file__).resolve()
    assert arguments == [script, "a b", "--json"]


@pytest.mark.parametrize("lock", [bootstrap.RUN_LOCK, bootstrap.TEST_LOCK, bootstrap.STUBS_LOCK])
def test_lock_files_name_no_host_and_pin_every_file(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    for block in text.replace("\\\n", " ").splitlines():
        if not block.startswith("#"):
            assert "==" in block
            assert "--hash=sha256:" in block


def test_the_tests_lock_agrees_with_the_one_that_runs() -> None:
    def pins(lock: str) -> set[str]:
        lines = (ROOT / lock).read_text().splitlines()
        return {line.split()[0] for line in lines if line[:1].isalpha()}

    assert pins(bootstrap.RUN_LOCK) <= pins(bootstrap.TEST_LOCK)


def test_bytecode_is_kept_in_the_environment_whatever_the_machine_says() -> None:
    kept = bootstrap.with_bytecode({"PYTHONDONTWRITEBYTECODE": "1", "HOME": "/somewhere"})
    assert kept == {"HOME": "/somewhere", "PYTHONPYCACHEPREFIX": str(bootstrap.VENV / "bytecode")}
