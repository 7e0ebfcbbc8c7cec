"""A modem out of its mind: whatever it says, the watch goes on and every submit ends in time."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.modem.paper import DELIVER, REPORT, TPDU
from tests.modem.rig import Rig
from vigibip.modem.contract import SUBMIT_MAX_S, ModemError
from vigibip.modem.port import BytePort, OnData, OnLost

SAYINGS = [
    *(b"OK", b"ERROR", b"> ", b"+CME ERROR: 14", b"+CME ERROR: 999999", b"+CMS ERROR: ", b""),
    *(b"+CPIN: READY", b"+CPIN: SIM PIN", b"+CPIN:", b"+CPIN: PH-NET PIN", b"RDY", b"+CFUN:"),
    *(b"+CREG: 0,1", b"+CREG: ", b"+CREG: ,,,", b"+CGREG: 2,x", b"+CEREG: 0,77", b"+CREG: 1"),
    *(
        b"+CSQ: 99",
        b"+CESQ: ,,,,,",
        b"+CPSI: LTE",
        b'+QENG: "servingcell"',
        b"+COPS: 0,0",
        b"+CSCA:",
    ),
    *(b'+CPMS: "ME",x,y', b"+CPMS: 5,5,5,5,5,5", b"+CMGL: ,,,", b"+CMGL: 1,1,,23", b"+CMGR: x"),
    *(b"+CMTI: ,-1", b'+CMTI: "SM",3', b'+CDSI: "SM",0', b"+CMTI: 5", b"+CDS: 25", b"+CMT: ,0"),
    *(b"+CMGS: 300", b"+CMGS: 7", b"+CMGS:", b"SIM7600", b"EC25", b"+ICCID: 89", b"+SPIC: 3,10"),
    *(b"+SMS FULL", b"POWERED DOWN", REPORT.hex().encode(), DELIVER.hex().encode(), b"\xff\x00"),
]


class Mad:
    """A port that answers each write with what `chance` makes of the sayings."""

    def __init__(self, chance: random.Random, answers_right: float) -> None:
        self.chance = chance
        self.answers_right = answers_right
        self.on_data: OnData | None = None

    def open(self, on_data: OnData, on_lost: OnLost) -> BytePort:
        self.on_data = on_data
        return self

    def write(self, data: bytes) -> None:
        said = [self.chance.choice(SAYINGS) for _ in range(self.chance.randint(0, 4))]
        name = data.partition(b"+")[2][:4]
        fitting = [one for one in SAYINGS if name and one[1:5] == name]
        if fitting and self.chance.random() < self.answers_right:
            said.append(self.chance.choice(fitting))
        if self.chance.random() < self.answers_right:
            said.append(b"OK")
        out = b"".join(b"\r\n" + one + b"\r\n" for one in said)
        asyncio.get_running_loop().call_soon(self._say, out)

    def _say(self, out: bytes) -> None:
        if self.on_data is not None and out:
            self.on_data(out)

    def close(self) -> None:
        self.on_data = None


@pytest.mark.parametrize("seed", range(12))
async def test_an_hour_with_a_mad_modem(seed: int) -> None:
    chance = random.Random(seed)
    rig = Rig(seed)
    rig.modem._open_port = Mad(chance, (0.3, 0.8, 1.0)[seed % 3]).open
    rig.told.full = seed % 4 == 3
    rig.modem.start(rig.told)
    submits: list[asyncio.Task[object]] = []
    try:
        for _ in range(360):
            submits.append(
                asyncio.create_task(rig.modem.submit(TPDU, urgent=chance.random() < 0.5))
            )
            await rig.clock.advance(10.0)
            overdue = submits[: -int(SUBMIT_MAX_S / 10.0) - 1]
            assert all(task.done() for task in overdue)
        assert rig.modem.counts.get("mistakes", 0) == 0
    finally:
        await rig.modem.close()
        ended = await asyncio.gather(*submits, return_exceptions=True)
    assert all(not isinstance(one, BaseException) or isinstance(one, ModemError) for one in ended)
