"""Everything that a stranger can put before the box, 20,000 seeded inputs each."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from tests.box.driven import DrivenBox
from tests.box.peers import BOX_ID, DOWN_KEY, Bip, PtyReceiver, enrolment_for, until
from vigibip.alert import topics
from vigibip.alert.messages import Answer, Receipt, authenticate, seal_message
from vigibip.base.clock import DrivenClock
from vigibip.box.carrier import Carrier
from vigibip.box.config import DataSettings, PlanSettings, QueueSettings
from vigibip.box.data_carrier import DataCarrier
from vigibip.box.faults import FaultCode, Faults
from vigibip.box.schedule import data_schedule
from vigibip.box.serial_link import SerialLink
from vigibip.box.timers import Timers
from vigibip.box.trust import ClockTrust
from vigibip.post.authority import Authority
from vigibip.wire import frame
from vigibip.wire import serial as line

INPUTS = 20_000


def spoilt(chance: random.Random, valid: bytes) -> bytes:
    """Return `valid` with something wrong in it, or something that never was valid."""
    data = bytearray(valid)
    match chance.randrange(6):
        case 0:
            return chance.randbytes(chance.randrange(0, 80))
        case 1:
            del data[chance.randrange(len(data)) :]
        case 2:
            data += chance.randbytes(chance.randrange(1, 200))
        case 3:
            start = chance.randrange(len(data))
            del data[start : start + chance.randrange(1, 9)]
        case 4:
            start = chance.randrange(len(data))
            data[start:start] = chance.randbytes(chance.randrange(1, 9))
        case _:
            for _ in range(chance.randrange(1, 4)):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


async def test_frames_off_the_air(box: DrivenBox, bip: Bip) -> None:
    chance = random.Random(20_001)
    valid = [bip.press(), bip.poll(1), bip.status()]
    for _ in range(INPUTS):
        sealed = spoilt(chance, chance.choice(valid))
        if sealed not in valid:
            box.link.hear(chance.randrange(-128, 128), chance.randbytes(6), sealed)
    await box.settle()
    assert box.carrier.sent == []
    assert box.link.sent == []
    assert set(box.daemon.description()["frames"]) <= {
        "seal",
        "length",
        "version",
        "kind",
        "unknown_device",
    }
    await box.hear(bip, *valid)
    assert box.carrier.take() == [bip.alert_id(1)]


async def test_payloads_of_a_bip_whose_firmware_has_gone_wrong(box: DrivenBox, bip: Bip) -> None:
    """The seal opens, so that whatever stands in a press is still somebody's alert."""
    chance = random.Random(20_002)
    presses = 0
    for number in range(1, 2_001):
        kind = chance.choice([frame.PRESS, frame.POLL, frame.STATUS])
        presses += kind == frame.PRESS
        payload = chance.randbytes(frame.PAYLOAD_LENGTH)
        box.link.hear(-60, bip.mac, bip.seal(kind, number, payload))
        if number % 50 == 0:
            await box.settle()
    assert box.daemon.description()["frames"]["press"] == presses
    assert len(set(box.carrier.take())) == presses


class Heard:
    """CarrierEvents that note what passed."""

    def __init__(self) -> None:
        self.receipts: list[Receipt] = []
        self.answers: list[Answer] = []

    def carrier_up(self, carrier: Carrier) -> None:
        raise AssertionError("nothing listens there")

    def carrier_down(self, carrier: Carrier) -> None:
        raise AssertionError("it was never up")

    def received_receipt(self, carrier: Carrier, receipt: Receipt) -> None:
        self.receipts.append(receipt)

    def received_answer(self, carrier: Carrier, answer: Answer) -> None:
        self.answers.append(answer)


async def test_messages_in_the_posts_name(authority: Authority) -> None:
    clock = DrivenClock()
    faults = Faults(clock)
    carrier = DataCarrier(
        box_id=BOX_ID,
        post=enrolment_for(authority, "127.0.0.1", 9).posts[0],
        settings=DataSettings(),
        schedule=data_schedule(QueueSettings(), PlanSettings()),
        clock=clock,
        trust=ClockTrust(clock),
        timers=Timers(clock),
        faults=faults,
        chance=random.Random(1),
    )
    heard = Heard()
    carrier.start(heard)
    await until(lambda: FaultCode.DATA in faults.codes())
    chance = random.Random(20_003)
    alert = "1a2b3c4d00000001"
    texts = [
        Receipt(alert=alert, verdict="accepted").model_dump_json().encode(),
        Answer(sequence=1, alerts=[alert], state="coming").model_dump_json().encode(),
    ]
    places = [topics.down(BOX_ID, kind) for kind in (topics.RECEIPT, topics.ANSWER, "other")]
    for number in range(INPUTS):
        text = spoilt(chance, chance.choice(texts))
        # Half of them forged, half of them really the post's, gone mad.
        payload = spoilt(chance, seal_message(DOWN_KEY, Receipt(alert=alert, verdict="accepted")))
        if number % 2:
            payload = authenticate(DOWN_KEY, text) + text
        carrier.session_message(chance.choice(places), payload)
    # Only what still kept to the schema after it was spoilt went through, for its own alert.
    assert sum(carrier.counts.values()) == INPUTS + carrier.counts["connection_attempts"]
    assert all(receipt.verdict in ("accepted", "refused") for receipt in heard.receipts)
    assert len(heard.receipts) + len(heard.answers) < INPUTS / 20
    assert carrier.counts["forged"] > INPUTS / 4
    await carrier.close()


@pytest.mark.slow
async def test_bytes_on_the_serial_line(tmp_path: Path, receiver: PtyReceiver) -> None:
    clock = DrivenClock()
    heard: list[bytes] = []
    link = SerialLink(
        port=receiver.port,
        baud=115_200,
        channel=1,
        clock=clock,
        timers=Timers(clock),
        faults=Faults(clock),
        chance=random.Random(1),
    )
    link.start(lambda _rssi, _mac, sealed: heard.append(sealed))
    chance = random.Random(20_004)
    sealed = bytes(range(60))
    valid = line.encode_message(line.UP_FRAME, line.pack_up_frame(-60, bytes(6), sealed))
    for number in range(INPUTS):
        receiver.write(spoilt(chance, valid))
        if number % 20 == 0:
            receiver.write(b"\x00" + valid)
            known = len(heard)
            await until(lambda known=known: len(heard) > known, "the frame after the noise")
        elif number % 5 == 0:
            await asyncio.sleep(0)
    assert set(heard) == {sealed}
    await link.close()
