"""The AT grammar on reported dialogues, cut at every place, and on garbage."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.modem import paper
from vigibip.modem.causes import Family
from vigibip.modem.grammar import (
    LINE_MAX_CHARS,
    Answer,
    AtGrammar,
    Command,
    Event,
    Final,
    Noise,
    Prompt,
    Stray,
    Urc,
)
from vigibip.modem.simulated.transcript import Sent, Transcript, parse

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))
OK = Final("OK")
CREG = Command("AT+CREG?", ("+CREG:",))
CSQ = Command("AT+CSQ", ("+CSQ:",))
CMGS = Command("AT+CMGS=17", ("+CMGS:",), data=b"0021000B913336990801F2000004D4F29C0E")
DELIVER, REPORT = paper.DELIVER.hex().upper(), paper.REPORT.hex().upper()


def command_of(line: str) -> Command:
    """Return what a dialogue's line would be in our own words."""
    name = re.match(r"AT([+^*$]?[A-Z0-9]+)", line)
    start = name[1] if name else ""
    return Command(
        line,
        (f"{start}:",) if start.startswith(("+", "^", "*", "$")) else (),
        takes_text=start in ("I", "+CGMI", "+CGMM", "+CGMR", "+CGSN", "+GMM", "+SIMCOMATI"),
    )


def play(transcript: Transcript, cut: int | None, bytewise: bool = False) -> list[Event]:
    """Return the events; what was received is cut at byte `cut` of the dialogue."""
    grammar, events, position = AtGrammar(), [], 0
    for step in transcript.steps:
        if isinstance(step, Sent):
            if step.data.endswith(b"\r"):
                grammar.begin(command_of(step.data[:-1].decode("latin-1")))
            continue
        data = step.data
        at = -1 if cut is None else cut - position
        pieces = [data[:at], data[at:]] if 0 < at < len(data) else [data]
        if bytewise:
            pieces = [data[i : i + 1] for i in range(len(data))]
        for piece in pieces:
            events += grammar.feed(piece)
        position += len(data)
    return events


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_reported_dialogue_means_the_same_however_it_is_cut(path: Path) -> None:
    transcript = parse(path.read_text(encoding="utf-8"))
    assert transcript.head["source"].startswith("http")
    whole = play(transcript, None)
    length = sum(len(step.data) for step in transcript.steps if not isinstance(step, Sent))
    assert whole
    assert play(transcript, None, bytewise=True) == whole
    for cut in range(1, length):
        assert play(transcript, cut) == whole, cut


def events(command: Command | None, data: bytes) -> list[Event]:
    """Return what `data` means while `command` is outstanding, fed byte by byte."""
    grammar = AtGrammar()
    if command is not None:
        grammar.begin(command)
    found: list[Event] = []
    for i in range(len(data)):
        found += grammar.feed(data[i : i + 1])
    return found


@pytest.mark.parametrize(
    ("line", "final"),
    [
        (b"OK", OK),
        (b"ERROR", Final("ERROR", Family.BARE)),
        (b"+CME ERROR: 14", Final("+CME ERROR: 14", Family.CME, "14")),
        (b"+CMS ERROR: 500", Final("+CMS ERROR: 500", Family.CMS, "500")),
        (
            b"+CMS ERROR: Unknown error",
            Final("+CMS ERROR: Unknown error", Family.CMS, "Unknown error"),
        ),
        (b"+CMS ERROR:38", Final("+CMS ERROR:38", Family.CMS, "38")),
        (b"NO CARRIER", Final("NO CARRIER", Family.BARE)),
        (b"BUSY", Final("BUSY", Family.BARE)),
        (b"COMMAND NOT SUPPORT", Final("COMMAND NOT SUPPORT", Family.BARE)),
    ],
)
def test_every_final_result_ends_the_command(line: bytes, final: Final) -> None:
    grammar = AtGrammar()
    grammar.begin(CSQ)
    assert grammar.feed(b"\r\n" + line + b"\r\n") == [final]
    assert grammar.command is None
    assert grammar.feed(b"\r\n" + line + b"\r\n") == [Stray(line.decode())]


def test_an_answer_and_a_urc_of_the_same_name_are_told_apart() -> None:
    said = b'\r\n+CREG: 5\r\n\r\n+CREG: 1,"1A2B","1A2B03",7\r\n\r\n+CREG: 2,1,"1A2B","1A2B03",7\r\n'
    assert events(CREG, said + b"\r\nOK\r\n") == [
        Urc("+CREG: 5"),
        Urc('+CREG: 1,"1A2B","1A2B03",7'),
        Answer('+CREG: 2,1,"1A2B","1A2B03",7'),
        OK,
    ]


def test_a_urc_inside_an_answer_is_a_urc() -> None:
    said = b'\r\n+CSQ: 20,99\r\n\r\n+CMTI: "SM",3\r\n\r\nOK\r\n'
    assert events(CSQ, said) == [Answer("+CSQ: 20,99"), Urc('+CMTI: "SM",3'), OK]


@pytest.mark.parametrize(
    "said",
    [
        b'AT+CSQ\r\r\n+CMTI: "SM",3\r\n\r\n+CSQ: 20,99\r\n\r\nOK\r\n',
        b'AT+C\r\n+CMTI: "SM",3\r\nSQ\r\r\n+CSQ: 20,99\r\n\r\nOK\r\n',
        b'AT+CSQ+CMTI: "SM",3\r\n\r\n+CSQ: 20,99\r\n\r\nOK\r\n',
        b'AT+CMTI: "SM",3\r\n+CSQ\r\r\n+CSQ: 20,99\r\n\r\nOK\r\n',
        b'AT+C+CMTI: "SM",3\r\nSQ\r\r\n+CSQ: 20,99\r\n\r\nOK\r\n',
        b'AT+CSQ\rAT+CSQ\r\r\n+CMTI: "SM",3\r\n\r\n+CSQ: 20,99\r\n\r\nOK\r\n',
    ],
    ids=["after", "between", "glued", "taken for the echo", "glued in the middle", "twice"],
)
def test_an_echo_with_a_urc_in_it_is_taken_apart(said: bytes) -> None:
    assert events(CSQ, said) == [Urc('+CMTI: "SM",3'), Answer("+CSQ: 20,99"), OK]


def test_a_result_that_a_urc_cuts_in_two_is_a_result() -> None:
    said = b'\r\n+CSQ: 20,99\r\n\r\nO\r\n+CMTI: "SM",3\r\nK\r\n'
    assert events(CSQ, said) == [Answer("+CSQ: 20,99"), Urc('+CMTI: "SM",3'), OK]
    assert events(CSQ, b"\r\nO\r\nx\r\nOK\r\n") == [Noise("O"), Noise("x"), OK]


def test_the_prompt_comes_without_an_end_of_line_and_only_at_the_start_of_one() -> None:
    assert events(CMGS, b"\r\n> ") == [Prompt()]
    assert events(CMGS, b"AT+CMGS=17\r\r\n>") == [Prompt()]
    assert events(CMGS, b"\xff\x00> ") == [Prompt()]
    assert events(CSQ, b"\r\n+CSQ: 2>0,99\r\n\r\nOK\r\n") == [Answer("+CSQ: 2>0,99"), OK]


def test_an_echoed_pdu_is_no_answer() -> None:
    grammar = AtGrammar()
    grammar.begin(CMGS)
    assert grammar.feed(b"\r\n> ") == [Prompt()]
    grammar.data_sent()
    assert grammar.feed(CMGS.data + b"\x1a\r\n+CMGS: 64\r\n\r\nOK\r\n") == [
        Answer("+CMGS: 64"),
        OK,
    ]


def test_a_report_comes_with_its_pdu_even_when_something_is_said_between() -> None:
    said = f'\r\n+CDS: 25\r\n\r\n+CMTI: "ME",1\r\n{REPORT}\r\n'.encode()
    assert events(None, said) == [Urc('+CMTI: "ME",1'), Urc("+CDS: 25", REPORT)]


def test_a_report_inside_a_listing_gets_its_own_pdu() -> None:
    said = f"\r\n+CMGL: 1,0,,23\r\n+CDS: 25\r\n{REPORT}\r\n{DELIVER}\r\n\r\nOK\r\n".encode()
    assert events(Command("AT+CMGL=4", ("+CMGL:",)), said) == [
        Urc("+CDS: 25", REPORT),
        Answer("+CMGL: 1,0,,23", DELIVER),
        OK,
    ]


def test_an_empty_place_of_the_store_has_no_pdu() -> None:
    read = Command("AT+CMGR=1", ("+CMGR:",))
    assert events(read, b"\r\n+CMGR: 0,,0\r\n\r\nOK\r\n") == [Answer("+CMGR: 0,,0"), OK]


def test_text_belongs_to_a_command_that_asks_for_text_and_to_no_other() -> None:
    said = b"\r\nSIMCOM_SIM7600G-H\r\n\r\nRDY\r\n\r\nOK\r\n"
    model = Command("AT+CGMM", ("+CGMM:",), takes_text=True)
    assert events(model, said) == [Answer("SIMCOM_SIM7600G-H"), Urc("RDY"), OK]
    assert events(CSQ, said) == [Urc("RDY"), Noise("SIMCOM_SIM7600G-H"), OK]


def test_bytes_that_are_no_at_are_counted_and_do_not_hide_what_follows() -> None:
    grammar = AtGrammar()
    assert grammar.feed(b"\xff\xfe\x00\x80RDY\r\n\x00+CPIN: READY\r\n") == [
        Urc("RDY"),
        Urc("+CPIN: READY"),
    ]
    assert grammar.dropped == 5


def test_a_line_without_an_end_is_bounded_and_the_next_one_counts() -> None:
    grammar = AtGrammar()
    assert grammar.feed(b"x" * 100_000) == []
    assert grammar.dropped == 100_000 - LINE_MAX_CHARS - 1
    grammar.begin(CSQ)
    assert grammar.feed(b"\r\nOK\r\n") == [Noise("x" * 40), OK]


def test_what_comes_after_a_command_was_given_up_is_stray() -> None:
    grammar = AtGrammar()
    grammar.begin(CSQ)
    grammar.abandon()
    assert grammar.feed(b"\r\n+CSQ: 20,99\r\n\r\nOK\r\n") == [Urc("+CSQ: 20,99"), Stray("OK")]


TOKENS = [
    *(b"\r\n", b"\r", b"\n", b"> ", b">", b"OK", b"ERROR", b"+CMTI: ", b'"SM",3', b"+CMTI: ,-1"),
    *(b"+CDS: 25", REPORT.encode(), b"+CMGL: 1,1,,23", DELIVER.encode(), b"+CREG: 1", b",5"),
    *(b"+CME ERROR: 14", b"+CMS ERROR: ", b"AT+CMGS=17", b"AT", b"\x00", b"\xff\xfe", b"\x1a"),
]


@given(
    st.lists(st.sampled_from(TOKENS), max_size=20),
    st.sampled_from([None, CREG, CSQ, CMGS, Command("ATI", takes_text=True)]),
    st.data(),
)
def test_any_dialogue_means_the_same_however_it_is_cut(tokens, command, data) -> None:
    said = b"".join(tokens)
    whole, pieces = AtGrammar(), AtGrammar()
    if command is not None:
        whole.begin(command)
        pieces.begin(command)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=6)))
    found: list[Event] = []
    for start, end in zip([0, *cuts], [*cuts, len(said)], strict=True):
        found += pieces.feed(said[start:end])
    assert found == whole.feed(said)
    assert pieces.dropped == whole.dropped


def test_garbage_makes_it_neither_fall_nor_grow() -> None:
    chance = random.Random(27005)
    grammar = AtGrammar()
    for _ in range(20_000):
        if chance.random() < 0.5:
            grammar.begin(chance.choice([CREG, CSQ, CMGS]))
        said = bytearray(b"".join(chance.choices(TOKENS, k=chance.randint(0, 8))))
        for _ in range(chance.randint(0, 3)):
            if said:
                said[chance.randrange(len(said))] = chance.randrange(256)
        if chance.random() < 0.3:
            said += chance.randbytes(chance.randint(0, 200))
        for event in grammar.feed(bytes(said)):
            assert isinstance(event, Event)
            assert len(getattr(event, "text", "")) <= LINE_MAX_CHARS + 1
        assert len(grammar._line) <= LINE_MAX_CHARS + 1
        assert len(grammar._waiting) <= 2
    grammar.feed(b"\r\n" * 2)
    grammar.begin(CSQ)
    assert grammar.feed(b"\r\n+CSQ: 20,99\r\n\r\nOK\r\n")[-1] == OK


CMGR = Command("AT+CMGR=3", ("+CMGR:",))
URCS = ["+CSQ: 20,99", '+CMTI: "ME",4', "RING", f"+CDS: 25\r\n{REPORT}"]


@pytest.mark.parametrize("urc", URCS)
@pytest.mark.parametrize("at", [1, 2, 3, 30, 31, len(DELIVER) - 1])
def test_a_pdu_that_a_urc_cuts_in_two_is_whole_again(urc: str, at: int) -> None:
    grammar = AtGrammar()
    grammar.begin(CMGR)
    said = f"\r\n+CMGR: 0,,23\r\n{DELIVER[:at]}\r\n{urc}\r\n{DELIVER[at:]}\r\n\r\nOK\r\n"
    events = grammar.feed(said.encode())
    assert Answer("+CMGR: 0,,23", DELIVER) in events
    assert sum(isinstance(event, Urc) for event in events) == 1
    if REPORT in urc:
        assert Urc("+CDS: 25", REPORT) in events
    assert events[-1] == OK


def test_half_a_pdu_is_none_and_the_message_stays_where_it_is() -> None:
    grammar = AtGrammar()
    grammar.begin(CMGR)
    events = grammar.feed(f"\r\n+CMGR: 0,,23\r\n{DELIVER[:30]}\r\nRING\r\n\r\nOK\r\n".encode())
    assert events == [Urc("RING"), Answer("+CMGR: 0,,23"), OK]


def test_a_modem_that_counts_in_its_own_way_is_taken_at_its_word() -> None:
    grammar = AtGrammar()
    grammar.begin(Command("AT+CMGL=4", ("+CMGL:",)))
    said = f"\r\n+CMGL: 1,1,,31\r\n{DELIVER}\r\n+CMGL: 2,1,,31\r\n{DELIVER}\r\n\r\nOK\r\n"
    assert grammar.feed(said.encode()) == [
        Answer("+CMGL: 1,1,,31", DELIVER),
        Answer("+CMGL: 2,1,,31", DELIVER),
        OK,
    ]


def test_a_report_that_an_answer_cuts_in_two_is_whole_again() -> None:
    grammar = AtGrammar()
    grammar.begin(CSQ)
    said = f"\r\n+CDS: 25\r\n{REPORT[:20]}\r\n+CSQ: 20,99\r\n\r\nOK\r\n{REPORT[20:]}\r\n"
    events = grammar.feed(said.encode())
    assert events == [Answer("+CSQ: 20,99"), OK, Urc("+CDS: 25", REPORT)]
