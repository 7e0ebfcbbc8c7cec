"""Alerts by SMS: taken in once, receipted by SMS, and nothing that is not a box's is believed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.post.sms_site import SmsSite
from vigibip.alert.sms_form import SmsKind

PRESS, AGAIN = "00000001000000aa", "00000001000000ab"


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[SmsSite]:
    made = SmsSite(tmp_path)
    try:
        await made.start()
        yield made
    finally:
        await made.close()


async def test_an_alert_by_sms_is_an_incident_on_the_air_and_gets_its_receipt(
    town: SmsSite,
) -> None:
    box = await town.add_sms_box()
    box.press(PRESS)
    await town.pass_sms()
    (incident,) = await town.store.incidents()
    assert [alert.id for alert in incident.alerts] == [PRESS]
    assert town.radio.numbers == [1]
    assert box.receipts == [[PRESS]]
    stages = [stage for stage, subject in town.stamps if subject == PRESS]
    assert stages.index("post.sms_received") < stages.index("post.committed")
    assert stages.index("post.committed") < stages.index("post.sms_sent")


async def test_coming_follows_by_sms_once(town: SmsSite) -> None:
    box = await town.add_sms_box()
    box.press(PRESS)
    await town.pass_sms()
    (incident,) = await town.store.incidents()
    await town.store.answer_incident(incident.id, by="Alpha 1")
    await town.refresh()
    await town.pass_sms()
    (coming,) = box.of(SmsKind.COMING)
    assert [str(alert) for alert in coming.alerts] == [PRESS]
    (outstanding,) = await town.store.outstanding_messages()
    assert coming.answers == outstanding.sequence
    await town.advance(1000)
    assert len(box.of(SmsKind.COMING)) == 1
    assert [one.box_id for one in await town.store.outstanding_messages()] == [box.box_id]
