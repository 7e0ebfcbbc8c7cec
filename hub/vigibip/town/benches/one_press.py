"""What a measured press begins and ends with."""

from __future__ import annotations

from vigibip.post.store.records import IncidentOutcome
from vigibip.town.demo import incident_of, reach
from vigibip.town.device import DeviceState
from vigibip.town.errors import TownError
from vigibip.town.real import Town
from vigibip.town.running_shop import Shop
from vigibip.town.shop import Bip
from vigibip.town.timeline import COMING

SLEEP_DEADLINE_S = 150.0


async def fall_asleep(bip: Bip) -> None:
    """Return once the bip sleeps: the start of its process is then in no press's time."""
    await bip.device.wait_state(DeviceState.ASLEEP, timeout_s=SLEEP_DEADLINE_S)


async def press_asleep(bip: Bip, deadline_s: float) -> str:
    """Push the button of a bip that sleeps; return the alert's id. Raises TownError."""
    await fall_asleep(bip)
    return await bip.alert_id(bip.press(), deadline_s)


async def answer_and_close(town: Town, shop: Shop, alert_id: str, deadline_s: float) -> None:
    """End the incident once "coming" was felt, so that the shop's next press is one's first.

    Raises HopError when it is not felt in `deadline_s`.
    """
    incident = await incident_of(town, alert_id)
    if incident is None:
        raise TownError(f"{shop.label}: an alert that was relayed has no incident")
    await town.store.answer_incident(incident.id, by="bench")
    await reach(town, alert_id, COMING, deadline_s)
    await town.store.close_incident(incident.id, by="bench", outcome=IncidentOutcome.OTHER)
