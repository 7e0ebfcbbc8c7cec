"""The simulated modem when all is not well: a rough line, reset lines, and what ends its hangs."""

import random

import pytest

from tests.modem.paper import DELIVER
from tests.modem.simulated_line import CALM, SUBMIT, Line, ready
from vigibip.modem.port import PortError
from vigibip.modem.simulated import (
    Behaviour,
    Hang,
    HangKind,
    Noise,
    Rung,
    SimulatedLines,
)

# --- The line's own mischief ---


async def test_output_in_pieces_is_whole_and_in_order() -> None:
    noise = Noise(split=1.0, gap_s=0.05, boot_garbage=False)
    line = await ready_noisy(noise)
    whole = await line.send(b"ATI\r", wait_s=5)
    assert whole.startswith(b"ATI\r\r\nManufacturer: SIMCOM INCORPORATED\r\n")
    assert whole.endswith(b"+GCAP: +CGSM\r\n\r\nOK\r\n")


async def ready_noisy(noise: Noise) -> Line:
    line = Line(behaviour=Behaviour(noise=noise))
    line.modem.start(booted=True)
    return line


async def test_output_really_comes_in_pieces() -> None:
    line = await ready_noisy(Noise(split=1.0))
    line.opened.write(b"ATI\r")
    await line.clock.advance(0)
    assert len(line.pieces) > 3


async def test_urcs_come_out_inside_answers_and_echoes() -> None:
    line = await ready_noisy(Noise(urc_inside=1.0))
    await line.send(b"ATE0\rAT+CNMI=2,1,0,1,0\r")
    inside = 0
    for _ in range(20):
        line.modem.deliver(DELIVER)
        heard = await line.send(b"AT+CSQ\r")
        assert heard.count(b"+CMTI:") == 1
        inside += not heard.startswith(b"\r\n+CMTI") and not heard.endswith(b"\r\n\r\nOK\r\n")
        without = heard
        at = heard.index(b'\r\n+CMTI: "SM",')
        end = heard.index(b"\r\n", at + 2) + 2
        without = heard[:at] + heard[end:]
        assert without == b"\r\n+CSQ: 18,99\r\n\r\nOK\r\n"
    line.modem.deliver(DELIVER)
    assert b"+CMTI" in await line.send(b"", wait_s=2)


async def test_the_same_seed_says_the_same() -> None:
    async def told(seed: int) -> list[bytes]:
        line = Line(seed=seed, behaviour=Behaviour(noise=Noise(split=0.5, urc_inside=0.5)))
        line.modem.start()
        await line.clock.advance(30)
        line.opened.write(b"AT+CREG=1\rATI\r")
        await line.clock.advance(10)
        return line.pieces

    assert await told(3) == await told(3)
    assert await told(3) != await told(4)


# --- Reset lines ---


async def test_pwrkey_acts_by_how_long_it_is_pressed() -> None:
    line = await ready(behaviour=CALM)
    lines = SimulatedLines(line.modem)

    async def press(held_s: float, wait_s: float) -> bytes:
        lines.pwrkey(True)
        await line.clock.advance(held_s)
        lines.pwrkey(False)
        return await line.send(b"", wait_s)

    assert await press(1.0, 1) == b""
    assert await line.send(b"AT\r") == b"\r\nOK\r\n"
    await press(2.6, 1)
    assert await line.send(b"AT\r", wait_s=30) == b""
    assert b"RDY" in await press(0.2, 20)


async def test_power_and_a_modem_that_waits_for_pwrkey() -> None:
    line = Line(behaviour=Behaviour(starts_with_power=False))
    lines = SimulatedLines(line.modem)
    lines.power(True)
    assert await line.send(b"AT\r", wait_s=60) == b""
    lines.pwrkey(True)
    await line.clock.advance(0.5)
    lines.pwrkey(False)
    assert b"RDY" in await line.send(b"", wait_s=20)


async def test_a_usb_modem_takes_its_port_with_it() -> None:
    line = Line(behaviour=Behaviour(usb=True))
    line.modem.start(booted=True)
    await line.at("AT+CFUN=1,1")
    assert line.lost == ["the simulated port vanished"]
    with pytest.raises(PortError):
        line.open()
    await line.clock.advance(20)
    line.open()
    assert (await line.at("ATE0"))[-1] == "OK"


# --- Hangs ---


async def works(line: Line) -> bool:
    """Whether a computer that knows nothing gets a SMS out."""
    line.take()
    try:
        if line.lost:
            line.open()
            line.lost.clear()
    except PortError:
        return False
    if not (await line.send(b"ATE0\r")).endswith(b"\r\nOK\r\n"):
        return False
    if b"\r\n> " not in await line.send(b"AT+CMGS=17\r"):
        return False
    return b"+CMGS: " in await line.send(SUBMIT.hex().encode() + b"\x1a", wait_s=5)


async def climb(line: Line, rung: Rung) -> None:
    """Do what the rung is, as its line or its command says, and let it boot."""
    lines = SimulatedLines(line.modem)
    if rung is Rung.RESYNC:
        await line.send(b"\x1b")
        for _ in range(3):
            await line.send(b"AT\r", wait_s=1)
    elif rung is Rung.RESET_COMMAND:
        await line.send(b"AT+CFUN=1,1\r")
    elif rung is Rung.PWRKEY:
        for held_s in (3.0, 0.5):
            lines.pwrkey(True)
            await line.clock.advance(held_s)
            lines.pwrkey(False)
            await line.clock.advance(2)
    else:
        lines.power(False)
        await line.clock.advance(2)
        lines.power(True)
    await line.clock.advance(30)


# A port that is not there takes no command.
_HANGS = [
    (kind, rung)
    for kind in HangKind
    for rung in Rung
    if kind is not HangKind.PORT_VANISHED or rung >= Rung.PWRKEY
]


@pytest.mark.parametrize(("kind", "ends_by"), _HANGS)
async def test_a_hang_ends_by_its_rung_and_by_no_softer_one(kind: HangKind, ends_by: Rung) -> None:
    line = await ready(behaviour=CALM)
    assert await works(line)
    line.modem.begin_hang(Hang.of(kind, ends_by))
    await line.clock.advance(30)
    assert not await works(line)
    for rung in Rung:
        if rung >= ends_by:
            break
        if rung < Rung.PWRKEY and kind is HangKind.PORT_VANISHED:
            continue
        await climb(line, rung)
        assert not await works(line), rung
    await climb(line, ends_by)
    assert line.modem.hang is None
    assert await works(line)


async def test_a_vanished_port_is_back_by_itself() -> None:
    line = await ready(behaviour=CALM)
    line.modem.begin_hang(Hang.of(HangKind.PORT_VANISHED))
    await line.clock.advance(7)
    assert line.lost
    assert not line.modem.port_present
    await line.clock.advance(1)
    assert await works(line)


async def test_what_each_hang_looks_like() -> None:
    async def hung(kind: HangKind) -> Line:
        line = await ready(behaviour=CALM)
        await line.at("ATE1")
        line.modem.begin_hang(Hang.of(kind, Rung.POWER))
        await line.clock.advance(0)
        return line

    assert await (await hung(HangKind.SILENT)).send(b"AT\r", 60) == b""
    assert await (await hung(HangKind.ECHO_ONLY)).send(b"AT\r", 60) == b"AT\r"
    assert await (await hung(HangKind.ERROR_TO_ALL)).send(b"AT\r") == b"\r\nERROR\r\n"
    garbage = await (await hung(HangKind.GARBAGE_BAUD)).send(b"AT\rAT\rAT\r")
    assert len(garbage) == 9
    assert b"AT" not in garbage
    prompt = await hung(HangKind.STUCK_PROMPT)
    assert prompt.take() == b"\r\n> "
    assert await prompt.send(b"AT\r") == b"AT\r\r\n> "
    lost = await hung(HangKind.SIM_LOST)
    assert lost.take() == b"\r\n+CPIN: NOT READY\r\n"
    assert b"+CME ERROR: SIM not inserted" in await lost.send(b"AT+CPIN?\r")
    denied = await hung(HangKind.REGISTRATION_DENIED)
    assert b"+CREG: 0,3" in await denied.send(b"AT+CREG?\r")
    assert b"+CEREG: 0,3" in await denied.send(b"AT+CEREG?\r")
    flood = await (await hung(HangKind.ENDLESS_URCS)).send(b"AT\r", 10)
    assert flood.count(b"+CSQ: ") > 400
    assert b"OK" not in flood


async def test_a_long_line_and_a_long_wait_stay_bounded() -> None:
    line = await ready()
    chance = random.Random(7)
    await line.send(b"AT+COPS=?\r")
    await line.send(b"A" * 50_000)
    await line.send(b"", wait_s=30)
    for _ in range(50):
        await line.send(chance.randbytes(1000))
    await line.send(b"\x1b\r", wait_s=30)
    assert (await line.at("AT"))[-1] == "OK"
