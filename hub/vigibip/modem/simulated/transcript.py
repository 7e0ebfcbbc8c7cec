"""Reported dialogues with real modems, in a form of our own.

    # source: https://...       where it was reported
    # model: EC25-E
    # firmware: EC25EFAR06A10M4G
    # about: one line
    > AT+CPIN?                  sent: the text and CR
    < +CPIN: READY              received: CR LF, the text, CR LF
    >> 0011...\\x1a              sent, byte for byte
    << \\r\\n>\\x20                received, byte for byte

In all four `\\r`, `\\n`, `\\xNN` and `\\\\` are escapes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vigibip.base.errors import UsageError

_HEAD = re.compile(r"#\s*([a-z]+):\s*(.*)")
_ESCAPE = re.compile(r"\\(r|n|\\|x[0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Sent:
    """What the computer sent."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """What the modem said."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Transcript:
    head: dict[str, str]
    steps: tuple[Sent | Received, ...]


def parse(text: str) -> Transcript:
    """Read a transcript. Raises UsageError with the number of a line that is none."""
    head: dict[str, str] = {}
    steps: list[Sent | Received] = []
    for number, line in enumerate(text.splitlines(), start=1):
        mark, _, rest = line.partition(" ")
        if match := _HEAD.fullmatch(line):
            head[match[1]] = match[2].strip()
        elif mark == ">":
            steps.append(Sent(_bytes(rest) + b"\r"))
        elif mark == ">>":
            steps.append(Sent(_bytes(rest)))
        elif mark == "<":
            steps.append(Received(b"\r\n" + _bytes(rest) + b"\r\n"))
        elif mark == "<<":
            steps.append(Received(_bytes(rest)))
        elif line.strip() and mark != "#":
            raise UsageError(f"line {number} of the transcript: {line!r}")
    return Transcript(head, tuple(steps))


def _bytes(text: str) -> bytes:
    def unescape(match: re.Match[str]) -> str:
        escaped = match[1]
        if escaped in ("r", "n", "\\"):
            return {"r": "\r", "n": "\n", "\\": "\\"}[escaped]
        return chr(int(escaped[1:], 16))

    try:
        return _ESCAPE.sub(unescape, text).encode("latin-1")
    except UnicodeEncodeError as error:
        raise UsageError(f"no byte of a serial line: {error}") from error
