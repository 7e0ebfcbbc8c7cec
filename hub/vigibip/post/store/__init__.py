"""What the post must not forget: shops, alerts, incidents, the relay's rounds, answers."""

from vigibip.alert.life import IncidentState
from vigibip.post.store.store import Store

# The state of an incident, for rooms that know no alerts.
__all__ = ["IncidentState", "Store"]
