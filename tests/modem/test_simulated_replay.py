"""Reported dialogues: read as they are written, and played again byte for byte."""

import asyncio
import random
import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.modem.paper import PaperNetwork, Told
from tests.modem.simulated_line import SUBMIT
from vigibip.base.clock import DrivenClock
from vigibip.base.errors import UsageError
from vigibip.modem.contract import SUBMIT_MAX_S, ModemError, ModemState
from vigibip.modem.port import BytePort
from vigibip.modem.serial_modem import SerialModem
from vigibip.modem.settings import ModemSettings
from vigibip.modem.simulated import GENERIC, SIM7600, InProcessPort, SimulatedLines, SimulatedModem
from vigibip.modem.simulated.replay import Replay
from vigibip.modem.simulated.transcript import Received, Sent, Transcript, parse

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))


def load(path: Path) -> Transcript:
    return parse(path.read_text("utf-8"))


def test_there_are_enough_to_be_worth_it() -> None:
    assert len(TRANSCRIPTS) >= 12


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_each_names_its_source_and_its_model(path: Path) -> None:
    transcript = load(path)
    assert set(transcript.head) == {"source", "model", "firmware", "about"}
    assert transcript.head["source"].startswith("https://")
    assert any(isinstance(step, Received) for step in transcript.steps)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_each_holds_fictional_numbers_only(path: Path) -> None:
    text = path.read_text("utf-8")
    body = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    assert re.findall(r"\+\d{8,15}", body.replace("+33639980102", "")) == []
    # IMEI, IMSI and ICCID have 15 digits and more; a PDU is hexadecimal on a line of its own.
    plain = re.sub(r"[0-9A-F]{30,}", "", body)
    assert re.findall(r"\d{14,}", plain) == []
    # The PDUs hold 33 6 39 98 xx xx, its digits swapped, and no other international number.
    for pdu in re.findall(r"[0-9A-F]{30,}", body):
        assert "0B91" in pdu
        assert set(re.findall(r"0B91([0-9A-F]{12})", pdu)) == {"3336990801F2"}


def played(transcript: Transcript, clock: DrivenClock) -> tuple[Replay, BytePort, bytearray]:
    """Return the replay, started, its open port, and what is heard there."""
    modem = SimulatedModem(clock, PaperNetwork(), GENERIC, chance=random.Random(1))
    replay = Replay(transcript, modem)
    heard = bytearray()
    opened = InProcessPort(replay).open(heard.extend, print)
    replay.start()
    return replay, opened, heard


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
async def test_played_again_it_says_what_was_said(path: Path) -> None:
    transcript = load(path)
    clock = DrivenClock()
    replay, opened, heard = played(transcript, clock)
    for step in transcript.steps:
        if isinstance(step, Sent):
            opened.write(step.data)
            await clock.advance(0)
        else:
            await clock.advance(0)
            assert heard.startswith(step.data), (bytes(heard), step.data)
            del heard[: len(step.data)]
    assert heard == b""
    replay.close()


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
async def test_a_modem_that_says_such_things_is_lived_with(path: Path) -> None:
    clock = DrivenClock()
    network = PaperNetwork()
    simulated = SimulatedModem(clock, network, SIM7600, chance=random.Random(1))
    replay = Replay(load(path), simulated)
    modem = SerialModem(
        ModemSettings(port="/dev/null", pin=SecretStr("1111")),
        clock=clock,
        chance=random.Random(2),
        open_port=InProcessPort(replay).open,
        lines=SimulatedLines(simulated),
    )
    replay.start()
    modem.start(Told())
    await clock.advance(300)
    assert modem.health.state is not ModemState.STARTING
    assert modem.counts.get("mistakes", 0) == 0
    task = asyncio.ensure_future(modem.submit(SUBMIT[1:], urgent=True))
    await clock.advance(SUBMIT_MAX_S)
    assert task.done()
    error = task.exception()
    assert error is None or isinstance(error, ModemError)
    await modem.close()
    replay.close()


async def test_what_the_transcript_does_not_know_the_simulated_modem_answers() -> None:
    transcript = parse("# model: x\n> AT+CSQ\n< +CSQ: 1,99\n< OK")
    clock = DrivenClock()
    replay, opened, heard = played(transcript, clock)

    async def answer(data: bytes) -> bytes:
        heard.clear()
        opened.write(data)
        await clock.advance(6)
        return bytes(heard)

    assert await answer(b"ATE0\r") == b"ATE0\r\r\nOK\r\n"
    assert await answer(b"AT+CGMM\r") == b"\r\nTE-MODEM\r\n\r\nOK\r\n"
    for _ in range(3):
        assert await answer(b"AT+CSQ\r") == b"\r\n+CSQ: 1,99\r\n\r\nOK\r\n"
    assert await answer(b"AT+CMGS=17\r") == b"\r\n> "
    assert b"+CMGS: 1" in await answer(b"0021000B913336990801F2000004D4F29C0E\x1a")
    replay.close()


@pytest.mark.parametrize("text", ["AT", "< \u263a", "=> AT"])
def test_what_is_no_transcript_is_told_with_its_line(text: str) -> None:
    with pytest.raises(UsageError):
        parse(f"# model: x\n{text}\n")


def test_escapes_are_bytes() -> None:
    [step] = parse(r"<< \r\n\x1a\\x").steps
    assert step == Received(b"\r\n\x1a\\x")
