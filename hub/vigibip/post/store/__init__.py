"""What the post must not forget: shops, alerts, incidents, the relay's rounds, answers."""

from vigibip.post.store.store import Store

__all__ = ["Store"]
