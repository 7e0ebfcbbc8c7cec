"""`vigibip box run` with a modem on a pseudo-terminal and a broker that dies, in real time."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.box.peers import UP_KEY, Bip, Post, PtyReceiver, until
from tests.box.sms_phones import BOX_NUMBER, PostPhones
from tests.box.sms_town import POST_NUMBERS
from vigibip.alert import topics
from vigibip.alert.messages import Contacts
from vigibip.alert.sms_form import read_sms
from vigibip.base.clock import SystemClock
from vigibip.box.config import BoxSettings
from vigibip.box.control import ask
from vigibip.modem.simulated.models import SIM7600
from vigibip.modem.simulated.modem import SimulatedModem
from vigibip.modem.simulated.pty import PtyModem
from vigibip.modem.simulated.settings import Behaviour
from vigibip.modem.simulated.sim_card import SimCard
from vigibip.town.broker import Broker
from vigibip.town.children import Child, Children, vigibip_command
from vigibip.town.operator import Operator, OperatorWeather
from vigibip.wire import frame

pytestmark = pytest.mark.requires_program("mosquitto")

DELIVERED = frame.STATE_DELIVERED


class ModemTown:
    """A modem on a pseudo-terminal, its operator and the post's phones."""

    def __init__(self, port: Path) -> None:
        clock, chance = SystemClock(), random.Random(1)
        self.operator = Operator(clock, chance, OperatorWeather(delay_s=0.05))
        self.post = PostPhones(self.operator)
        self.modem = SimulatedModem(
            clock,
            self.operator,
            SIM7600,
            chance=chance,
            sim=SimCard(number=BOX_NUMBER),
            behaviour=Behaviour(submit_s=(0.05, 0.1)),
        )
        self.modem.start(booted=True)
        self.pty = PtyModem(self.modem, port)
        self.pty.open()

    async def close(self) -> None:
        self.pty.close()
        await self.operator.close()


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[ModemTown]:
    town = ModemTown(tmp_path / "modem")
    yield town
    await town.close()


@pytest.fixture
def config(enrolled: BoxSettings, tmp_path: Path) -> Path:
    config = tmp_path / "box.toml"
    config.write_text(
        f'data_dir = "{enrolled.data_dir}"\nreceiver_port = "{enrolled.receiver_port}"\n'
        "status_interval_s = 1\n"
        f'[data]\nvia = "other"\noperator = "208-02"\n[sms.modem]\nport = "{tmp_path / "modem"}"\n'
    )
    return config


async def start(children: Children, settings: BoxSettings, config: Path) -> Child:
    settings.control_path.unlink(missing_ok=True)
    child = await children.start("box", vigibip_command("box", "run", "--config", str(config)))
    await until(lambda: settings.control_path.exists() or not child.running, "the box runs")
    assert child.running, child.log_tail()
    return child


def told_by_polls(receiver: PtyReceiver, bip: Bip) -> bool:
    """Poll as a bip does; True once it was told that its press is delivered."""
    if DELIVERED not in receiver.states(bip) and len(receiver.down) == bip.counter:
        receiver.hear(bip.mac, bip.poll(1))
    return DELIVERED in receiver.states(bip)


async def sms_is_up(settings: BoxSettings) -> None:
    for _ in range(400):
        told = await asyncio.to_thread(ask, settings.control_path, "sms")
        if told["up"] and told["post_numbers"]:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(told)


async def run(*words: str) -> tuple[int, dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        *vigibip_command(*words), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert out, err.decode()
    return process.returncode or 0, json.loads(out)


@pytest.mark.slow
async def test_a_box_is_commissioned_then_loses_its_broker_its_power_and_no_alert(
    children: Children,
    enrolled: BoxSettings,
    config: Path,
    town: ModemTown,
    broker: Broker,
    bip: Bip,
    receiver: PtyReceiver,
    post: Post,
) -> None:
    child = await start(children, enrolled, config)
    await until(lambda: post.statuses, "a status")
    assert post.statuses[-1].contacts_edition == 0
    contacts = {"edition": 3, "post_numbers": POST_NUMBERS, "spoken": "Tabac du Centre"}
    post.tell(topics.CONTACTS, Contacts.model_validate(contacts))
    await until(lambda: post.statuses[-1].contacts_edition == 3, "the edition is told")
    await sms_is_up(enrolled)

    code, told = await run("box", "commission", "--json", "--config", str(config))
    assert (code, told["proven"], told["warnings"]) == (0, True, [])
    assert told["sms"]["modem"]["model"] == "SIMCOM_SIM7600G-H"
    assert town.post.probes == 1

    await broker.stop()
    receiver.hear(bip.mac, bip.press())
    await until(lambda: town.post.taken, "an alert by SMS", 30)
    await until(lambda: told_by_polls(receiver, bip), "delivered by SMS", 30)
    assert set(town.post.taken) == {bip.alert_id(1)}

    status = Path(f"/proc/{child.pid}/status").read_text(encoding="ascii")
    peak_kb = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])  # type: ignore[index]
    # As without it: the path is no reason for a larger machine.
    assert peak_kb < 80 * 1024

    await child.kill()
    await start(children, enrolled, config)
    await sms_is_up(enrolled)
    receiver.hear(bip.mac, bip.press())
    await until(lambda: len(town.post.taken) == 2, "the second by SMS", 30)
    sequences = [read_sms(UP_KEY, text).sequence for text in town.post.phones[0].texts]
    assert sequences == sorted(set(sequences))
