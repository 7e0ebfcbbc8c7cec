"""The AT grammar: bytes of a modem in, events out. It knows the outstanding command.

Sans-IO: no port, no clock. However the bytes are cut into pieces, the events are the same. What
is no AT at all is skipped and counted; nothing that comes in grows without bound.

Sources: ITU-T V.250, 3GPP TS 27.005 and 27.007; what models do besides stands in
tests/modem/transcripts/.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vigibip.modem.causes import Family

# The longest line that makes sense: +CMGL's PDU, 176 octets in hexadecimal; +CGEREP's and ATI's
# are shorter. Beyond it a line is noise, and is skipped to its end.
LINE_MAX_CHARS = 1024
# Header lines that may wait for their PDU at once: an answer's, and a report's inside it.
_HEADERS_MAX = 2
_ESC = 0x1B


@dataclass(frozen=True, slots=True)
class Command:
    """What was sent, and what its answer looks like.

    `answers` are the starts of information lines, such as "+CREG:"; `takes_text`: lines without
    a start of their own belong to the answer too (AT+CGMM). `data` is written after the prompt
    and ended with Ctrl-Z.
    """

    text: str
    answers: tuple[str, ...] = ()
    takes_text: bool = False
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An information line of the outstanding command, with the PDU line that followed it."""

    text: str
    pdu: str | None = None


@dataclass(frozen=True, slots=True)
class Urc:
    """A line that the modem said of its own accord, with the PDU line that followed it."""

    text: str
    pdu: str | None = None


@dataclass(frozen=True, slots=True)
class Final:
    """The end of the outstanding command. `family` None means success."""

    text: str
    family: Family | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class Stray:
    """A final result that no command was waiting for, or an answer that came too late."""

    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """`>`: the modem waits for a PDU, whether or not it was asked to."""


@dataclass(frozen=True, slots=True)
class Noise:
    """A line that is none of AT; cut to a readable length."""

    text: str


Event = Answer | Urc | Final | Stray | Prompt | Noise

_OK = frozenset({"OK"})
# COMMAND NOT SUPPORT and the like are SIMCom's and Quectel's own ways to say ERROR.
_FAILED = frozenset(
    {
        *("ERROR", "NO CARRIER", "BUSY", "NO ANSWER", "NO DIALTONE", "NO DIAL TONE", "ABORTED"),
        *("COMMAND NOT SUPPORT", "COMMAND NOT SUPPORTED", "TOO MANY PARAMETERS"),
    }
)
_CODED = re.compile(r"\+CM([ES]) ERROR:? ?(.{0,200})")
_HEX = re.compile(r"[0-9A-Fa-f]+")
# What starts an information line or a URC: "+CMTI: ", "^SMMEMFULL", "*ISIMAID:".
_TAGGED = re.compile(r"[+^*$#%&][A-Z][A-Z0-9_]{1,19}(?::| |$)")
_WORD_URCS = frozenset(
    {
        *("RDY", "RING", "SMS DONE", "PB DONE", "SMS READY", "CALL READY", "START"),
        *(
            "NORMAL POWER DOWN",
            "POWERED DOWN",
            "UNDER-VOLTAGE POWER DOWN",
            "OVER-VOLTAGE POWER DOWN",
        ),
        *("UNDER-VOLTAGE WARNNING", "OVER-VOLTAGE WARNNING", "MODEM STARTUP", "APP RDY"),
        *("SMS FULL", "MISSED_CALL", "VOICE CALL: BEGIN", "VOICE CALL: END"),
    }
)
_WITH_PDU = ("+CMT:", "+CDS:", "+CBM:", "+CMGL:", "+CMGR:")
_REGISTRATION = ("+CREG:", "+CGREG:", "+CEREG:")
_REGISTRATION_ANSWER = re.compile(r"\+C[GE]?REG: ?\d,\d{1,2}(?:,|$)")


class AtGrammar:
    """One line's state: what is outstanding, what of it was echoed, what waits for its PDU."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._overlong = False
        self._after_prompt = False
        self._command: Command | None = None
        self._echo = ""
        self._fragment = ""
        self._waiting: list[Answer | Urc] = []
        self._half = ""
        self._interrupted = False
        self.dropped = 0
        """Bytes that are none of AT, such as those of a wrong baud rate."""
        self.echoed = False
        """Whether the modem echoes the outstanding command."""

    @property
    def command(self) -> Command | None:
        """The command that no final result has ended yet."""
        return self._command

    def begin(self, command: Command) -> None:
        """`command` is being sent. Whatever was outstanding is over."""
        self.abandon()
        self._command = command
        self._echo = command.text
        self.echoed = False

    def data_sent(self) -> None:
        """The outstanding command's PDU is being sent; it may be echoed as the command was."""
        if self._command is not None and self._command.data is not None:
            self._echo = self._command.data.decode("ascii")

    def abandon(self) -> None:
        """Nothing is outstanding any more: what still comes for it is stray."""
        self._command = None
        self._echo = self._fragment = ""
        self._waiting = [header for header in self._waiting if isinstance(header, Urc)]
        if not self._awaits_more(self._half):
            self._half = ""

    def feed(self, data: bytes) -> list[Event]:
        """Take what the modem sent and return what it means."""
        events: list[Event] = []
        for byte in data:
            if byte in (0x0D, 0x0A):
                self._after_prompt = False
                self._end_line(events)
            elif not 0x20 <= byte <= 0x7E:
                # The Ctrl-Z and ESC of an echoed PDU are no sign of a wrong baud rate.
                if byte not in (0x1A, _ESC):
                    self.dropped += 1
            elif self._overlong:
                self.dropped += 1
            elif byte == 0x3E and not self._line.strip():
                self._line.clear()
                self._after_prompt = True
                events.append(Prompt())
            elif self._after_prompt and byte == 0x20:
                self._after_prompt = False
            else:
                self._after_prompt = False
                self._line.append(byte)
                if len(self._line) > LINE_MAX_CHARS:
                    self._overlong = True
        return events

    def _end_line(self, events: list[Event]) -> None:
        line = self._line.decode("ascii").strip()
        self._line.clear()
        if self._overlong:
            self._overlong = False
            events.append(Noise(line[:40]))
            return
        line = self._without_echo(line)
        if line:
            self._take(line, events)

    def _without_echo(self, line: str) -> str:
        """Return `line` without what of the outstanding command's echo stands before it."""
        if not self._echo or not line:
            return line
        if line == self._echo or (self._command is not None and line == self._command.text):
            # The echo stays known: some modems echo ATE0 twice.
            self.echoed = True
            return ""
        if self._echo.startswith(line) and not self._means_something(line):
            # Cut in two by something that the modem had to say.
            self._echo = self._echo[len(line) :]
            return ""
        same = 0
        while same < min(len(line), len(self._echo)) and line[same] == self._echo[same]:
            same += 1
        for cut in range(same, 0, -1):
            if self._means_something(line[cut:]):
                self._echo = self._echo[cut:]
                return line[cut:]
        return line

    @staticmethod
    def _means_something(line: str) -> bool:
        return (
            line in _OK
            or line in _FAILED
            or line in _WORD_URCS
            or (_TAGGED.match(line) is not None and ":" in line)
        )

    def _take(self, line: str, events: list[Event]) -> None:
        if self._waiting and _HEX.fullmatch(line):
            self._take_hex(line, events)
            return
        final = _final(line)
        if final is None and self._fragment:
            final = _final(self._fragment + line)
            if final is not None:
                self._fragment = ""
        if final is not None:
            self._end_command(final, events)
            return
        event = self._classify(line)
        self._interrupted |= isinstance(event, Urc)
        if isinstance(event, Noise) and self._command is not None:
            # It may be the first half of a result that a URC has cut in two: O, +CMTI:, K.
            self._give_up_fragment(events)
            self._fragment = event.text
            return
        if isinstance(event, Answer | Urc) and line.startswith(_WITH_PDU):
            if isinstance(event, Answer):
                self._end_half(events)
            if len(self._waiting) == _HEADERS_MAX:
                events.append(self._waiting.pop(0))
            self._waiting.append(event)
            return
        events.append(event)

    def _end_command(self, final: Final, events: list[Event]) -> None:
        # An answer's header without a PDU (an empty place of the store) ends here; a report's
        # PDU may still follow.
        self._end_half(events)
        events += [header for header in self._waiting if isinstance(header, Answer)]
        self._give_up_fragment(events)
        known = self._command is not None
        self.abandon()
        events.append(final if known else Stray(final.text))

    def _give_up_fragment(self, events: list[Event]) -> None:
        if self._fragment:
            events.append(Noise(self._fragment))
        self._fragment = ""

    def _classify(self, line: str) -> Event:
        command = self._command
        if command is not None and line.startswith(command.answers):
            if not line.startswith(_REGISTRATION) or _REGISTRATION_ANSWER.match(line):
                return Answer(line)
            return Urc(line)
        if _TAGGED.match(line) is not None or line.upper() in _WORD_URCS:
            return Urc(line)
        if command is not None and command.takes_text:
            return Answer(line)
        return Noise(line[:40])

    def _take_hex(self, line: str, events: list[Event]) -> None:
        """Take a PDU or, where a URC has cut it in two, a piece of one."""
        if self._half and not self._ends_pdu(self._half + line) and not self._ends_pdu(line):
            if self._awaits_more(self._half + line):
                self._half += line
                return
            self._let_half_go(events)
        elif self._half and self._ends_pdu(self._half + line):
            line, self._half = self._half + line, ""
        if not self._waiting:
            events.append(Noise(line[:40]))
        elif not self._half and not self._ends_pdu(line) and self._awaits_more(line):
            self._half, self._interrupted = line, False
        else:
            self._give_pdu(line, events)

    def _ends_pdu(self, digits: str) -> bool:
        return any(_lacks(header.text, digits) == 0 for header in self._waiting)

    def _awaits_more(self, digits: str) -> bool:
        return any(_lacks(header.text, digits) > 0 for header in self._waiting)

    def _end_half(self, events: list[Event]) -> None:
        """The answer goes on or ends: nothing more comes of a PDU of its own."""
        answers = [header for header in self._waiting if isinstance(header, Answer)]
        if self._half and any(_lacks(header.text, self._half) > 0 for header in answers):
            self._let_half_go(events)

    def _let_half_go(self, events: list[Event]) -> None:
        half, self._half = self._half, ""
        if self._interrupted:
            # Its other half is lost. What is in a store is read again; half of it read as a whole
            # would be deleted.
            self.dropped += len(half)
        else:
            # Nothing came between: this modem counts in a way of its own.
            self._give_pdu(half, events)

    def _give_pdu(self, pdu: str, events: list[Event]) -> None:
        """Give `pdu` to the header that announced its length, else to the latest one."""
        if len(pdu) < 4 or len(pdu) % 2:
            events.append(Noise(pdu[:40]))
            return
        chosen = next((h for h in self._waiting if _lacks(h.text, pdu) == 0), self._waiting[-1])
        self._waiting.remove(chosen)
        events.append(type(chosen)(chosen.text, pdu.upper()))


def _final(line: str) -> Final | None:
    if line in _OK:
        return Final(line)
    if line in _FAILED:
        return Final(line, Family.BARE)
    coded = _CODED.fullmatch(line)
    if coded is not None:
        family = Family.CME if coded[1] == "E" else Family.CMS
        return Final(line, family, coded[2].strip())
    return None


def _lacks(header: str, pdu: str) -> int:
    """Return how many digits `pdu` lacks of the length that ends `header`; below 0: it is none.

    The length is that of the TPDU, without the service centre (TS 27.005 section 4.1).
    """
    length = header.rsplit(":", 1)[-1].rsplit(",", 1)[-1].strip()
    if not length.isdecimal() or len(length) > 3:
        return -1
    if len(pdu) < 2:
        return 1
    return 2 * (int(length) + 1 + int(pdu[:2], 16)) - len(pdu)
