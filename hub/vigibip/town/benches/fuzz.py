"""`fuzz`: seeded hostile inputs on everything that reads bytes of strangers.

What comes in is cut, flipped, doubled and joined from sound inputs, or is mere noise. Each parser
answers with a result or with its own refusal; anything else that it raises is a crash, and is told
with the seed and the input that made it. The parsers that keep state are fed without end, so that
what they keep is seen in the process's memory.
"""

from __future__ import annotations

import asyncio
import random
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from vigibip.alert.ids import AlertId
from vigibip.alert.messages import BadMacError, BadMessageError
from vigibip.alert.officer_codes import read_reply
from vigibip.alert.sms_form import SmsKind, SmsMessage, has_form, read_sms, write_sms
from vigibip.modem.grammar import AtGrammar, Command
from vigibip.sms.address import Address
from vigibip.sms.errors import PduError
from vigibip.sms.pdu import (
    decode,
    decode_submit,
    encode_deliver,
    encode_status_report,
    encode_submit,
)
from vigibip.sms.segments import References, segment
from vigibip.sms.user_data import of_segment
from vigibip.town.benches import Progress, hands
from vigibip.town.benches.report import Figure, Report, machine_figures
from vigibip.wire import frame, image, parcel, serial

INPUTS = 1_000_000
_SEED = 20_240_229
_CHUNK = 2_000
# Python's own odds and ends; what grows with its input is past this before a tenth of them.
_GROWTH_MAX_MB = 1.0
_WARM_UP = 5_000
# The two parsers that read the modem, and what a hand may say; of each other one a tenth.
_WHOLE = ("at_grammar", "pdu", "gestures")

Attack = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Target:
    """One parser: sound inputs to spoil, and the call, which lets its own refusals pass."""

    name: str
    sound: Sequence[bytes]
    attack: Attack
    length_max: int = 400


@dataclass(slots=True)
class Outcome:
    inputs: int = 0
    crashes: int = 0
    first_crash: str = ""
    taken_s: float = 0.0
    growth_mb: float = 0.0


async def measure(progress: Progress) -> Report:
    """Run the bench with a million inputs on each of `_WHOLE`."""
    return await measure_with(progress, INPUTS)


async def measure_with(progress: Progress, inputs: int) -> Report:
    """Run it with `inputs` for each of `_WHOLE`, a tenth for each of the others."""
    figures: dict[str, Figure] = {"seed": _SEED}
    ceilings: dict[str, float | int] = {}
    for target in targets():
        count = inputs if target.name in _WHOLE else max(1, inputs // 10)
        progress(f"fuzz: {target.name}, {count} inputs")
        outcome = await _run(target, count, random.Random(f"{_SEED} {target.name}"))
        key = target.name
        figures[f"{key}_inputs"] = outcome.inputs
        figures[f"{key}_inputs_per_s"] = round(outcome.inputs / outcome.taken_s)
        figures[f"{key}_crashes"] = outcome.crashes
        figures[f"{key}_memory_growth_mb"] = round(outcome.growth_mb, 2)
        if outcome.first_crash:
            figures[f"{key}_first_crash"] = outcome.first_crash
        ceilings[f"{key}_crashes"] = 0
        ceilings[f"{key}_memory_growth_mb"] = _GROWTH_MAX_MB
    return Report("fuzz", figures | machine_figures(), ceilings)


async def _run(target: Target, count: int, chance: random.Random) -> Outcome:
    outcome = Outcome()
    tracing = tracemalloc.is_tracing()
    for number in range(min(_WARM_UP, count)):
        _attack(target, _spoiled(target, chance), number, outcome)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        # Tracing halves the speed, so it counts memory over the first tenth alone.
        traced = min(count, max(_WARM_UP, count // 10))
        for number in range(traced):
            _attack(target, _spoiled(target, chance), number, outcome)
            if number % _CHUNK == 0:
                await asyncio.sleep(0)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        if not tracing:
            tracemalloc.stop()
    outcome.growth_mb = max(0.0, (after - before) / 1e6)
    started_s = time.perf_counter()
    for number in range(count):
        _attack(target, _spoiled(target, chance), number, outcome)
        if number % _CHUNK == 0:
            await asyncio.sleep(0)
    outcome.taken_s = time.perf_counter() - started_s
    outcome.inputs = count
    return outcome


def _attack(target: Target, data: bytes, number: int, outcome: Outcome) -> None:
    try:
        target.attack(data)
    except Exception as error:  # noqa: BLE001 - whatever a parser lets out is what is looked for
        outcome.crashes += 1
        if not outcome.first_crash:
            outcome.first_crash = f"input {number}: {type(error).__name__}: {data[:120].hex()}"


def _spoiled(target: Target, chance: random.Random) -> bytes:
    """Return the next input: noise, a sound one, or sound ones that something befell."""
    if chance.random() < 0.1:
        return chance.randbytes(chance.randrange(target.length_max))
    data = bytearray(chance.choice(target.sound))
    for _ in range(chance.choice((0, 1, 1, 2, 3, 8))):
        at = chance.randrange(len(data) + 1)
        what = chance.randrange(6)
        if what == 0:
            del data[at:]
        elif what == 1 and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        elif what == 2:
            data[at:at] = chance.randbytes(chance.randrange(1, 9))
        elif what == 3:
            data[at:at] = data[: chance.randrange(len(data) + 1)]
        elif what == 4:
            other = chance.choice(target.sound)
            data[at:] = other[chance.randrange(len(other) + 1) :]
        elif at < len(data):
            data[at] = chance.choice((0x00, 0x0A, 0x0D, 0x1A, 0x1B, 0x23, 0x3E, 0x7F, 0xFF))
    return bytes(data[: target.length_max])


def targets() -> list[Target]:
    """Return every parser that reads what strangers may have written, and the gestures."""
    gestures = Target("gestures", hands.sound(), hands.play, length_max=64)
    return [
        _at_grammar(),
        _pdu(),
        gestures,
        _sms_form(),
        _officer_reply(),
        _frame(),
        _serial(),
        _image(),
    ]


_DIALOGUE = (
    b"\r\nOK\r\n",
    b"\r\nERROR\r\n",
    b"\r\n+CMS ERROR: 304\r\n",
    b"\r\n+CME ERROR: SIM not inserted\r\n",
    b"\r\n> ",
    b"\r\n+CMGS: 17\r\n\r\nOK\r\n",
    b"AT+CSQ\r\r\n+CSQ: 20,99\r\n\r\nOK\r\n",
    b'\r\n+CREG: 2,1,"00C3","0000D2A1",7\r\n',
    b'\r\n+CMTI: "ME",3\r\n',
    b"\r\n+CPIN: SIM PIN\r\n",
    b"\r\n+CPSI: LTE,Online,208-01,0x1234,12345678,90,EUTRAN-BAND20,6300,3,3,-96,-934,-640,15\r\n",
    b"\r\nRDY\r\n\r\n+CFUN: 1\r\n\r\n+CPIN: READY\r\n\r\nSMS DONE\r\n\r\nPB DONE\r\n",
    b"\r\n+CMT: ,31\r\n07913336990800F0040B913336990801F200006211228121004004D4F29C0E\r\n",
    b"\r\n+CDS: 26\r\n07913336990800F006400B913336990801F2621122812100406211228121304000\r\n",
    b"\r\n+CMGL: 1,0,,24\r\n07913336990800F0040B913336990801F200006211228121004004D4F29C0E\r\n",
)
_COMMANDS = (
    Command("AT"),
    Command("AT+CSQ", ("+CSQ:",)),
    Command("AT+CREG?", ("+CREG:",)),
    Command("AT+CGMM", takes_text=True),
    Command("AT+CMGL=4", ("+CMGL:",)),
    Command("AT+CMGS=17", ("+CMGS:",), data=b"0011000B913336990801F20000A704D4F29C0E"),
)


def _at_grammar() -> Target:
    # One grammar for all inputs: a line has no beginning, and what it keeps must stay small.
    grammar = AtGrammar()
    turn = 0

    def attack(data: bytes) -> None:
        nonlocal turn
        turn += 1
        if turn % 3 == 0:
            grammar.begin(_COMMANDS[turn // 3 % len(_COMMANDS)])
        if turn % 5 == 0:
            grammar.data_sent()
        if turn % 97 == 0:
            grammar.abandon()
        cut = turn % (len(data) + 1)
        grammar.feed(data[:cut])
        grammar.feed(data[cut:])

    return Target("at_grammar", _DIALOGUE, attack)


def _pdu() -> Target:
    stamp = datetime(2026, 2, 28, 12, 30, tzinfo=UTC)
    references = References(7)
    sound: list[bytes] = []
    for text in ("ALERTE Tabac #CEAA", "à l'aide [€]", "Ж日本 👮", "long " * 60):
        for part in segment(text, references.next()):
            data = of_segment(part)
            for sender in (Address.parse("+33639980001"), Address.name("MAIRIE")):
                sound.append(encode_deliver(sender, data, sent_utc=stamp, smsc="+33639980000"))
            sound.append(encode_submit("+33639980001", part, validity_s=600.0, status_report=True))
    sound.append(
        encode_status_report(
            3, Address.parse("+33639980001"), sent_utc=stamp, done_utc=stamp, status=0
        )
    )

    def attack(data: bytes) -> None:
        for read in (decode, decode_submit):
            try:
                message = read(data)
            except PduError:
                continue
            if user_data := getattr(message, "data", None):
                _ = user_data.text, user_data.concatenation, user_data.ports
            for name in ("sender", "to", "recipient"):
                if address := getattr(message, name, None):
                    address.e164()

    return Target("pdu", sound, attack, length_max=300)


def _sms_form() -> Target:
    key = bytes(range(32))
    ids = tuple(AlertId(0x01020304, number) for number in range(1, 6))
    kinds = {
        SmsKind.ALERT: SmsMessage(kind=SmsKind.ALERT, sequence=1, alerts=ids[:1], age_s=3),
        SmsKind.RECEIPT: SmsMessage(kind=SmsKind.RECEIPT, sequence=2, alerts=ids),
        SmsKind.COMING: SmsMessage(kind=SmsKind.COMING, sequence=3, alerts=ids[:2], answers=9),
        SmsKind.PROBE: SmsMessage(kind=SmsKind.PROBE, sequence=4),
    }
    words = "ALERTE Épicerie du Quai, 12 rue des Lilas"
    sound = [write_sms(key, words, message).encode() for message in kinds.values()]

    def attack(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        formed = has_form(text)
        try:
            read_sms(key, text)
        except BadMacError:
            if not formed:
                raise ValueError("authenticated before it had the form") from None
        except BadMessageError:
            pass

    return Target("sms_form", sound, attack)


def _officer_reply() -> Target:
    sound = [b"SAPIN 12345678", b"sapin 1234 5678", "étoile: 00000000".encode()]

    def attack(data: bytes) -> None:
        read_reply(data.decode("utf-8", "replace"))

    return Target("officer_reply", sound, attack)


def _frame() -> Target:
    encryptor = Cipher(algorithms.AES(bytes(16)), modes.ECB()).encryptor()  # noqa: S305 - CCM's
    encrypt_block = encryptor.update
    unpack: dict[int, Callable[[bytes], object]] = {
        frame.PRESS: frame.unpack_press,
        frame.STATUS: frame.unpack_status,
        frame.POLL: frame.unpack_poll,
        frame.ASK: parcel.unpack_ask,
        frame.REPLY: frame.unpack_reply,
        frame.CONFIGURE: parcel.unpack_configure,
        frame.UPDATE: parcel.unpack_update,
    }
    sound = [
        frame.seal_frame(encrypt_block, kind, 0x01020304, counter, bytes(8))
        for counter, kind in enumerate(unpack)
    ]

    def attack(data: bytes) -> None:
        try:
            kind, _, _, payload = frame.open_frame(encrypt_block, data)
            unpack[kind](payload)
        except frame.FrameError:
            return

    return Target("frame", sound, attack, length_max=250)


def _serial() -> Target:
    decoder = serial.Decoder()
    unpack = {
        serial.UP_FRAME: serial.unpack_up_frame,
        serial.HELLO: serial.unpack_hello,
        serial.AIR: serial.unpack_air,
        serial.DOWN_FRAME: serial.unpack_down_frame,
        serial.SETTINGS: serial.unpack_settings,
    }
    mac = bytes(6)
    sound = [
        serial.encode_message(serial.UP_FRAME, serial.pack_up_frame(-60, mac, bytes(50))),
        serial.encode_message(serial.HELLO, serial.pack_hello(1, 6, 0)),
        serial.encode_message(serial.AIR, serial.pack_air(1, 2, 3, 4, 5, 6)),
        serial.encode_message(serial.SETTINGS, serial.pack_settings(6, [1, 2])),
    ]

    def attack(data: bytes) -> None:
        for kind, body in decoder.feed(data):
            try:
                unpack.get(kind, bytes)(body)
            except ValueError:
                continue

    return Target("serial", sound, attack)


def _image() -> Target:
    files = [("sender.mpy", 4000, bytes(32)), ("wire/frame.mpy", 3000, b"\x01" * 32)]
    sound = [image.pack_head(image.FOR_BIP, 0x0102, 7, image.NO_BASE, files[:n]) for n in (1, 2)]

    def attack(data: bytes) -> None:
        try:
            image.unpack_head(data, image.FOR_BIP)
        except image.ImageRefused:
            return

    return Target("image", sound, attack)
