"""What the box's tests share."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.box.driven import DrivenBox
from tests.box.peers import Bip, Post, PtyReceiver, enrolment_for
from tests.box.sms_town import SmsBox, enrol_by_hand
from vigibip.base.clock import SystemClock
from vigibip.box.config import BoxSettings
from vigibip.box.enrolment import save_enrolment
from vigibip.box.pairing import pair_device
from vigibip.post.authority import Authority
from vigibip.town.broker import Broker
from vigibip.town.children import Children


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "box"
    directory.mkdir(mode=0o700)
    return directory


@pytest.fixture
def settings(data_dir: Path, tmp_path: Path) -> BoxSettings:
    # Looking for devices seldom keeps hours of driven time cheap; bips that say nothing for a day
    # are missing in the tests about that alone.
    return BoxSettings(
        data_dir=data_dir,
        receiver_port=str(tmp_path / "tty"),
        device_poll_s=600,
        has_rtc=True,
        bip_missing_after=48,
    )


@pytest.fixture
def sms_settings(settings: BoxSettings, tmp_path: Path) -> BoxSettings:
    """The same with a second path, enrolled."""
    enrol_by_hand(settings)
    sms = {"modem": {"port": str(tmp_path / "modem")}}
    return BoxSettings.model_validate(settings.model_dump() | {"sms": sms})


@pytest.fixture
def bip(settings: BoxSettings) -> Bip:
    """A bip that is paired."""
    bip = Bip()
    pair_device(settings, f"{bip.device_id:08x}", "comptoir", bip.key.hex(), SystemClock())
    return bip


@pytest.fixture
async def sms_box(sms_settings: BoxSettings, bip: Bip) -> AsyncIterator[SmsBox]:
    """Data is down, the modem works, the post is dead, an officer is known; and so is `bip`."""
    box = SmsBox(sms_settings)
    await box.start()
    await box.give_contacts(officer=True)
    yield box
    await box.daemon.stop()


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[PtyReceiver]:
    receiver = PtyReceiver(tmp_path / "tty")
    yield receiver
    receiver.unplug()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path / "authority")


@pytest.fixture
async def children(tmp_path: Path) -> AsyncIterator[Children]:
    logs = tmp_path / "logs"
    logs.mkdir()
    children = Children(logs, os.environ)
    yield children
    await children.close()


@pytest.fixture
async def broker(children: Children, tmp_path: Path, authority: Authority) -> AsyncIterator[Broker]:
    broker = Broker(children, tmp_path / "broker", authority)
    await broker.start()
    yield broker
    await broker.stop()


@pytest.fixture
def enrolled(broker: Broker, authority: Authority, settings: BoxSettings) -> BoxSettings:
    """A configuration whose box is enrolled at the broker."""
    enrolment = enrolment_for(authority, broker.host, broker.port)
    save_enrolment(settings.enrolment_path, enrolment)
    return settings


@pytest.fixture
def post(broker: Broker, authority: Authority) -> Iterator[Post]:
    with Post(broker.port, authority) as post:
        post.connected()
        post.subscribe("vigibip/1/+/up/+")
        yield post


@pytest.fixture
async def box(settings: BoxSettings, bip: Bip) -> AsyncIterator[DrivenBox]:
    """A box in driven time that knows `bip`, its carrier up."""
    box = DrivenBox(settings)
    box.carrier.up = True
    await box.start()
    yield box
    await box.daemon.stop()
