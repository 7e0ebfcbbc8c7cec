"""A reported dialogue, played again: its answers are the real modem's, byte for byte.

A command that stands in the transcript is answered as it was then, in the order of the times it
was asked; the last answer stays. Everything else is answered by the simulated modem beneath.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable

from vigibip.modem.simulated.modem import SimulatedModem
from vigibip.modem.simulated.transcript import Received, Transcript

_LINE_MAX_BYTES = 1_024
_CR, _LF, _ESC, _CTRL_Z = 0x0D, 0x0A, 0x1B, 0x1A
_PROMPT = b"> "
_LEFT, _REFUSED = b"\r\nOK\r\n", b"\r\nERROR\r\n"
_FINAL = re.compile(rb"\r\n(OK|ERROR|\+CM[ES] ERROR:[^\r]*|COMMAND NOT SUPPORT)\r\n|\r\n> $")
# Their length is the PDU's, which is another one each time.
_ANY_LENGTH = ("AT+CMGS=", "AT+CMGW=")


class Replay:
    """A LineEnd. `modem` answers what the transcript does not know; its port is this one's."""

    def __init__(self, transcript: Transcript, modem: SimulatedModem) -> None:
        self.on_port: Callable[[bool], None] = lambda _present: None
        self._modem = modem
        self._answers: dict[str, deque[bytes]] = {}
        self._after_data: deque[bytes] = deque()
        self._opening = b""
        self._line = bytearray()
        self._at_prompt = False
        self._read(transcript)

    @property
    def on_output(self) -> Callable[[bytes], None]:
        return self._modem.on_output

    @on_output.setter
    def on_output(self, on_output: Callable[[bytes], None]) -> None:
        self._modem.on_output = on_output

    @property
    def port_present(self) -> bool:
        return self._modem.port_present

    def start(self) -> None:
        """Power both up; what the modem said before anybody asked is said now."""
        self._modem.start(booted=True)
        if self._opening:
            self.on_output(self._opening)

    def close(self) -> None:
        self._modem.close()

    def feed(self, data: bytes) -> None:
        for byte in data:
            if self._at_prompt:
                self._type(byte)
            elif byte == _CR:
                self._end_line()
            elif byte != _LF and len(self._line) < _LINE_MAX_BYTES:
                self._line.append(byte)
            if self._modem_has_prompt and self._line:
                self._pass_on(bytes(self._line))

    @property
    def _modem_has_prompt(self) -> bool:
        return not self._at_prompt and self._modem.at_prompt

    def _type(self, byte: int) -> None:
        if byte not in (_ESC, _CTRL_Z):
            return
        self._at_prompt = False
        answer = _next(self._after_data) if byte == _CTRL_Z else _LEFT
        self.on_output(answer or _REFUSED)

    def _end_line(self) -> None:
        line = bytes(self._line)
        self._line.clear()
        answers = self._answers.get(_key(line), deque())
        answer = None if self._modem.at_prompt else _next(answers)
        if answer is None:
            self._modem.feed(line + b"\r")
            return
        self._at_prompt = answer.endswith(_PROMPT)
        self.on_output(answer)

    def _pass_on(self, data: bytes) -> None:
        self._line.clear()
        self._modem.feed(data)

    def _read(self, transcript: Transcript) -> None:
        answers: deque[bytes] | None = None
        for step in transcript.steps:
            if isinstance(step, Received):
                if answers is None:
                    self._opening += step.data
                else:
                    answers[-1] += step.data
            elif step.data.endswith(bytes((_CTRL_Z,))):
                answers = self._after_data
                answers.append(b"")
            else:
                answers = self._answers.setdefault(_key(step.data.rstrip(b"\r")), deque())
                answers.append(b"")


def _key(line: bytes) -> str:
    text = line.decode("latin-1").strip().upper()
    # What stands before AT is ignored, V.250, 5.2.1.
    text = text[max(0, text.find("AT")) :]
    return next((start for start in _ANY_LENGTH if text.startswith(start)), text)


def _next(answers: deque[bytes]) -> bytes | None:
    """The next answer, None when there is none.

    The last one is given for ever, without the URCs that came after its final result.
    """
    if not answers:
        return None
    answer = answers.popleft()
    if not answers and (final := _FINAL.search(answer)):
        answers.append(answer[: final.end()])
    return answer
