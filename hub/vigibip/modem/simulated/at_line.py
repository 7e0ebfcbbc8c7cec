"""A command line, as ITU-T V.250 cuts it into commands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

_EXTENDED = re.compile(r"\s*([+^$*%][A-Za-z][A-Za-z0-9_]*)(\s*=\s*\?|\s*\?|\s*=)?")
_BASIC = re.compile(r"\s*(&?[A-Za-z])(\d*)")
_REGISTER = re.compile(r"\s*[sS](\d{1,3})(\?|=(\d{0,3}))")


class Form(Enum):
    RUN = ""
    READ = "?"
    SET = "="
    TEST = "=?"


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a line; `name` is upper case and starts with + where it is an extended one."""

    name: str
    form: Form
    arguments: tuple[str, ...] = ()
    """Without their quotation marks; an argument left out is empty."""
    whole: str = ""
    """Everything after the =, as it was written."""


def commands(line: str) -> list[Command] | None:
    """Cut what follows AT; None when it is no command line."""
    found: list[Command] = []
    at = 0
    while at < len(line):
        if line[at] in "; ":
            at += 1
            continue
        if match := _EXTENDED.match(line, at):
            name = match[1].upper()
            form = Form((match[2] or "").replace(" ", ""))
            end = match.end()
            if form is Form.SET:
                end = _end_of_arguments(line, end)
                whole = line[match.end() : end].strip()
                found.append(Command(name, form, _arguments(whole), whole))
            else:
                found.append(Command(name, form))
        elif match := _REGISTER.match(line, at):
            form = Form.READ if match[2] == "?" else Form.SET
            found.append(Command("S", form, (match[1], match[3] or "")))
            end = match.end()
        elif match := _BASIC.match(line, at):
            found.append(Command(match[1].upper(), Form.RUN, (match[2],)))
            end = match.end()
        else:
            return None
        at = end
    return found


def _end_of_arguments(line: str, start: int) -> int:
    quoted = False
    for at in range(start, len(line)):
        if line[at] == '"':
            quoted = not quoted
        elif line[at] == ";" and not quoted:
            return at
    return len(line)


def _arguments(whole: str) -> tuple[str, ...]:
    arguments: list[str] = []
    current: list[str] = []
    quoted = False
    for character in whole:
        if character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            arguments.append("".join(current).strip())
            current = []
        else:
            current.append(character)
    arguments.append("".join(current).strip())
    return tuple(arguments)
