"""The documentation is held to the project: its commands exist, its links lead somewhere."""

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer.main

from vigibip.cli.main import ROOMS, build_root
from vigibip.town.benches import BENCHES

ROOT = Path(__file__).resolve().parents[1]
SKIPPED = {".venv", ".git", "node_modules"}
NO_ROOM = {"__pycache__", "locales"}


def documents() -> list[Path]:
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in SKIPPED]
        found += [Path(folder) / name for name in files if name.endswith(".md")]
    return sorted(found)


DOCUMENTS = documents()


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


# ---- code


def code(text: str) -> Iterator[str]:
    """Yield the lines of code blocks and the spans in backquotes; a comment ends a line."""
    fenced = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced:
            yield re.split(r"\s#", line)[0].strip()
        else:
            yield from re.findall(r"`([^`]+)`", line)


def commands(text: str, program: str) -> Iterator[list[str]]:
    """Yield the words after `program` of each command line in `text` that starts with it."""
    start = re.compile(rf"(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\S*/)?{program}(?:\s+(.*))?$")
    for line in code(text):
        for part in re.split(r"\s*(?:&&|;|\s\|\s|<|>)\s*", line):
            match = start.fullmatch(part.strip())
            if match:
                yield (match[1] or "").split()


@cache
def command_tree(room: str | None) -> typer.main.TyperGroup:
    tree = typer.main.get_command(build_root([room] if room else []))
    assert isinstance(tree, typer.main.TyperGroup)
    return tree


def unknown_in_command(words: list[str]) -> str | None:
    """Return the first word that `vigibip` would refuse, None if it would take them."""
    room = next((word for word in words if word in ROOMS), None)
    command: typer.main.TyperCommand | typer.main.TyperGroup = command_tree(room)
    options = {"--help"}
    for word in words:
        options |= {name for parameter in command.params for name in parameter.opts}
        if word in ("…", "..."):
            return None
        if word.startswith("-"):
            if word.split("=")[0].strip("[],.") not in options:
                return word
        elif isinstance(command, typer.main.TyperGroup):
            *others, last = word.split("|")
            for name in (*others, last):
                if name not in command.commands:
                    return name
            command = command.commands[last]  # type: ignore[assignment]
    return None


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_command_named_exists(document: Path) -> None:
    text = document.read_text()
    wrong = [
        (" ".join(words), unknown)
        for words in commands(text, "vigibip")
        if (unknown := unknown_in_command(words)) is not None
    ]
    assert wrong == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_script_named_exists(document: Path) -> None:
    for script in re.findall(r"scripts/([a-z][a-z-]*)", "\n".join(code(document.read_text()))):
        assert os.access(ROOT / "scripts" / script, os.X_OK), f"scripts/{script}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_bench_named_exists(document: Path) -> None:
    for words in commands(document.read_text(), "bench"):
        name = next((word for word in words if not word.startswith("-")), None)
        assert name in {None, "NAME", *BENCHES}


# ---- links


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as the usual forges make them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in headings}


def broken_links(document: Path, text: str) -> list[str]:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        page = (document.parent / path).resolve() if path else document
        if not page.exists() or (
            anchor
            and page.suffix == ".md"
            and anchor not in anchors(text if page == document else page.read_text())
        ):
            broken.append(target)
    return broken


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_link_leads_somewhere(document: Path) -> None:
    assert broken_links(document, document.read_text()) == []


# ---- rooms


def rooms_with_code() -> list[Path]:
    rooms = [folder for folder in (ROOT / "hub" / "vigibip").iterdir() if any(folder.glob("*.py"))]
    rooms += [ROOT / "firmware", ROOT / "hardware", ROOT / "tests"]
    return [room for room in sorted(rooms) if room.name not in NO_ROOM]


@pytest.mark.parametrize("room", rooms_with_code(), ids=named)
def test_every_room_says_what_lives_there(room: Path) -> None:
    readme = room / "README.md"
    assert readme.is_file()
    assert readme.read_text().startswith("# ")


# ---- the checks themselves see what is wrong


@pytest.mark.parametrize(
    ("line", "unknown"),
    [
        ("`vigibip`", None),
        ("`vigibip --version`", None),
        ("`vigibip shop`", "shop"),
        ("`vigibip --nope`", "--nope"),
        ("```\n$ vigibip shop  # a comment\n```", "shop"),
        ("```\nVIGIBIP_X=1 .venv/bin/vigibip shop\n```", "shop"),
        ("`vigibip …`", None),
    ],
)
def test_an_unknown_command_is_seen(line: str, unknown: str | None) -> None:
    found = [unknown_in_command(words) for words in commands(line, "vigibip")]
    assert found == [unknown]


def test_a_broken_link_is_seen() -> None:
    text = "# One page\n[a](README.md) [b](none.md) [c](#one-page) [d](#two) [e](https://x.example)"
    assert broken_links(ROOT / "README.md", text) == ["none.md", "#two"]
