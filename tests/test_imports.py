"""The import rule: from edges to cores, never back."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HUB = ROOT / "hub" / "vigibip"
FIRMWARE = ROOT / "firmware"
SHARED = FIRMWARE / "shared"

CORES = {"wire", "base", "alert"}
WAYS_OUT = {"mqtt", "modem", "sms", "dc09"}
# room: the rooms that it may import
ROOMS: dict[str, set[str]] = {
    "wire": set(),
    "base": set(),
    "alert": {"wire", "base"},
    "modem": {"base"},
    "sms": {"modem", "base"},
    "dc09": {"base"},
    "mqtt": {"base"},
    "box": CORES | WAYS_OUT,
    "radio": {"alert", "sms", "modem", "base"},
    "post": CORES | WAYS_OUT | {"radio"},
    "bulletin": {"sms", "base"},
    "console": {"post", "bulletin", "base"},
    "workshop": {"wire", "base"},
}
ROOMS["town"] = set(ROOMS)
ROOMS["cli"] = set(ROOMS)

# What MicroPython has on an ESP32 and in the interpreter that tests the firmware.
MICROPYTHON = {
    *("array", "asyncio", "binascii", "collections", "cryptolib", "deflate", "errno", "gc"),
    *("hashlib", "io", "json", "math", "micropython", "os", "random", "re", "select", "socket"),
    *("struct", "sys", "time", "uctypes", "vfs"),
}
# Behind `TYPE_CHECKING = False` for mypy's eyes only; neither interpreter gets to it.
FOR_MYPY = {"typing", "collections.abc"}
ESP32 = {"esp", "esp32", "espnow", "machine", "network"}


def imported(source: str) -> Iterator[str]:
    """Yield the full name of every module that `source` imports; relative ones start with dots."""
    tree = ast.parse(source)
    unreached: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            unreached |= {
                inner
                for inner in node.body
                if isinstance(inner, ast.ImportFrom) and inner.module in FOR_MYPY
            }
    for node in ast.walk(tree):
        if node in unreached:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            if name == "vigibip":  # the rooms stand among what it takes
                yield from (f"vigibip.{alias.name}" for alias in node.names)
            else:
                yield name


def room_mistakes(room: str, source: str) -> list[str]:
    """Return what `source`, a module of `room`, imports against the rule."""
    allowed = ROOMS[room] | {room}
    mistakes = []
    for name in imported(source):
        parts = name.split(".")
        if name.startswith("..") or (room == "wire" and not name.startswith(".")):
            if parts[0] not in MICROPYTHON:
                mistakes.append(name)
        elif parts[0] == "vigibip" and len(parts) > 1:
            if parts[1] in ROOMS and parts[1] not in allowed:
                mistakes.append(name)
        elif parts[0] == "tests":
            mistakes.append(name)
    return mistakes


def firmware_mistakes(own_names: set[str], source: str) -> list[str]:
    """Return what `source`, a file of the firmware, imports that a bip would not have."""
    allowed = MICROPYTHON | ESP32 | own_names | {"wire"}
    return [
        name
        for name in imported(source)
        if name.split(".")[0] not in allowed and not (name.startswith(".") and name[1:2] != ".")
    ]


def python_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(HUB).parts[0]


HUB_FILES = [path for path in python_files(HUB) if path.parent != HUB]


@pytest.mark.parametrize("path", HUB_FILES, ids=lambda path: str(path.relative_to(HUB)))
def test_a_room_imports_only_what_it_may(path: Path) -> None:
    if path.is_relative_to(HUB / "town" / "shims"):
        # The stand-ins start the device's own program, in the interpreter of the unix port.
        own_names = {p.stem for p in path.parent.iterdir()} | {"boot", "main", "uselect", "utime"}
        assert firmware_mistakes(own_names, path.read_text()) == []
    else:
        assert room_mistakes(room_of(path), path.read_text()) == []


# manifest.py is read when the image is built, never run on a bip.
# The workshop lays these beside them: the board's pins, and the mark of a frozen build.
LAID_BESIDE = {"board", "frozen_mark"}
FIRMWARE_FILES = [path for path in python_files(FIRMWARE) if path.name != "manifest.py"]


@pytest.mark.parametrize("path", FIRMWARE_FILES, ids=lambda path: str(path.relative_to(FIRMWARE)))
def test_the_firmware_imports_only_what_a_bip_has(path: Path) -> None:
    own_names = {p.stem for folder in (path.parent, SHARED) for p in folder.iterdir()} | LAID_BESIDE
    assert firmware_mistakes(own_names, path.read_text()) == []


def test_every_folder_of_the_hub_is_a_room() -> None:
    folders = {room_of(path) for path in HUB_FILES}
    assert folders - set(ROOMS) == set()


def test_no_room_depends_on_itself_through_others() -> None:
    graph = {room: set() for room in ROOMS}
    for path in HUB_FILES:
        for name in imported(path.read_text()):
            parts = name.split(".")
            if parts[0] == "vigibip" and parts[1:] and parts[1] in ROOMS:
                graph[room_of(path)].add(parts[1])
    for room, others in graph.items():
        others.discard(room)
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("wire", "from vigibip.base import clock"),
        ("wire", "import dataclasses"),
        ("wire", "from typing import Protocol"),
        ("wire", "if TYPE_CHECKING:\n    from vigibip.base.clock import Clock"),
        ("alert", "import vigibip.post.store"),
        ("alert", "from vigibip import post"),
        ("box", "def f():\n    from vigibip.post.store import Store"),
        ("box", "from ..post import store"),
        ("console", "from vigibip.radio.contract import Radio"),
        ("town", "from vigibip.cli import main"),
        ("post", "from tests.support import broker"),
    ],
)
def test_the_rule_sees_a_breach(room: str, source: str) -> None:
    assert room_mistakes(room, source) != []


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("wire", "from . import ccm\nimport struct"),
        ("wire", "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from typing import Protocol"),
        ("alert", "from vigibip.wire import frame"),
        ("box", "import asyncio\nimport vigibip\nfrom vigibip import alert, wire"),
        ("cli", "from vigibip.town import demo"),
    ],
)
def test_the_rule_lets_the_rest_pass(room: str, source: str) -> None:
    assert room_mistakes(room, source) == []


def test_the_firmware_rule_sees_a_breach() -> None:
    assert firmware_mistakes({"sender"}, "import dataclasses\nfrom vigibip.wire import frame") == [
        "dataclasses",
        "vigibip.wire",
    ]
