"""Where the interpreter finds a module: a slot before the root, and before what is frozen."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.requires_program("micropython")

# Frozen into this interpreter, as its help('modules') tells.
FROZEN = "argparse"


def said(folder: Path, program: str) -> list[str]:
    done = subprocess.run(
        ["micropython", "-c", program],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout.split()


@pytest.fixture
def flash(tmp_path: Path) -> Path:
    for where in ("a", "a/part"):
        (tmp_path / where).mkdir()
    (tmp_path / "root_alone.py").write_text("print('root')")
    (tmp_path / "both.py").write_text("print('root')")
    (tmp_path / "a" / "both.py").write_text("print('slot')")
    (tmp_path / "a" / f"{FROZEN}.py").write_text("print('slot')")
    (tmp_path / "part").mkdir()
    for name in ("__init__", "one", "two"):
        (tmp_path / "part" / f"{name}.py").write_text("")
    (tmp_path / "a" / "part" / "one.py").write_text("print('slot')")
    return tmp_path


def test_as_it_starts_the_root_stands_before_what_is_frozen(flash: Path) -> None:
    assert said(flash, "import sys; print(*['root' if not p else p for p in sys.path[:2]])") == [
        "root",
        ".frozen",
    ]
    # Frozen it is, and says nothing.
    assert said(flash, f"import {FROZEN}; print(hasattr({FROZEN}, 'ArgumentParser'))") == ["True"]


def test_a_slot_wins_over_the_root_and_over_what_is_frozen(flash: Path) -> None:
    enter = "import sys; sys.path.insert(0, 'a'); "
    assert said(flash, f"{enter}import both, {FROZEN}") == ["slot", "slot"]


def test_what_a_slot_lacks_is_found_behind_it(flash: Path) -> None:
    enter = "import sys; sys.path.insert(0, 'a'); "
    assert said(flash, f"{enter}import root_alone, asyncio; print(asyncio.run is not None)") == [
        "root",
        "True",
    ]


def test_a_package_is_found_in_one_place(flash: Path) -> None:
    """Why an image holds a package whole, or not at all."""
    enter = "import sys; sys.path.insert(0, 'a'); "
    assert said(
        flash,
        f"""{enter}
import part.one
try:
    import part.two
except ImportError:
    print('hidden')
""",
    ) == ["slot", "hidden"]
